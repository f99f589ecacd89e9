"""The fault campaign: every fault at every phase where it can happen, and what came of it."""
