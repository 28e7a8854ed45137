"""Evaluation: readouts, metrics, intervals, and the bench."""
