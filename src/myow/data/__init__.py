"""Data in memory, checked once."""
