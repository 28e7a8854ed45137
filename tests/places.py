"""Folders of the repository that tests look into."""

from pathlib import Path

TESTS = Path(__file__).parent
BENCHMARKS = TESTS.parent / "benchmarks"
DOCS = TESTS.parent / "docs"
