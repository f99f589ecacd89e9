"""Release rules: a product's limits, and the figures of a batch that they judge."""
