"""The only training loop, and what it keeps and measures."""
