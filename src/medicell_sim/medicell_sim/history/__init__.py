"""A world that survives its process: its calls, kept in a file and made again."""
