"""Thin lifecycle nodes of the devices and of the simulated world."""
