"""Figures and tables: they read results and train nothing."""
