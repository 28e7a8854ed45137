"""Augmentations, one family a file: they turn a row into a view of it."""
