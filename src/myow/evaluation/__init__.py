"""What an embedding is worth, beside what takes no learning."""
