"""The revisions of the tables of a cell's accounts."""
