"""Whole batches, as a user makes them."""
