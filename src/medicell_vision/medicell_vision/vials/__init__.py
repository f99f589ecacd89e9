"""Inspection of a filled, closed vial by its pictures: fill, closure, glass, particles."""
