"""Vials as an inspection camera sees them: what is in and on the glass, and its pictures."""
