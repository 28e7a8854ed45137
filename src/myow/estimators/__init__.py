"""Parameters of methods in layers, each a file, and the scikit-learn face above them."""
