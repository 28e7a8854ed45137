"""Which rows are compared, and how they are looked up on the device."""
