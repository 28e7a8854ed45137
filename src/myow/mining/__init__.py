"""Nearest neighbours among candidates."""
