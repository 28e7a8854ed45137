"""Modules and pure functions that networks are made of."""
