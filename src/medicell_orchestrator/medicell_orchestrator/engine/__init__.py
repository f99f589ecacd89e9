"""The engine of a batch: it drives the tree, obeys people, and ends what it has begun."""
