"""A record's head anchored outside of it: signed checkpoints, and the cell's key that signs."""
