"""Set the workspace up and run commands in it; the standard library alone, on a bare host."""
