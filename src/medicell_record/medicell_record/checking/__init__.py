"""The checks of a record: its chain, its checkpoints, its signatures."""
