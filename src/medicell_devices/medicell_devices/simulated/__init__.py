"""Drivers that act on a simulated world with the time, the limits and the faults of machines."""
