"""A batch taken up again from its record, after the process that made it has died."""
