"""Figures and tables, one a file: they read results and train nothing."""

BASELINES = {
    "raw": "raw counts",
    "raw_common": "raw counts, one scale",
    "pca": "components",
    "pca_common": "components, one scale",
    "untrained": "untrained encoder",
}
"""What an evaluation compares with, and what it is called. "One scale": all features divided by one common deviation."""
