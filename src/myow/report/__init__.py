"""Figures and tables, one a file: they read results and train nothing."""
