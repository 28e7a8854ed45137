"""Networks with their losses, each shared by several methods."""
