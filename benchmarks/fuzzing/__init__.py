"""What `fuzz.py` feeds with what: valid files, changes of them, and everything that reads files."""
