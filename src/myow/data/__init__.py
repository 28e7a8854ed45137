"""What is learnt from, checked once: recordings, images, and how they are parted."""
