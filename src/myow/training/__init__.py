"""The only training loop, with the rows, windows and augmentations that it trains on."""
