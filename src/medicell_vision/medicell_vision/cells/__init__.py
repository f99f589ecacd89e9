"""Cells of real pictures: found by small networks, with position, size, class and errors."""
