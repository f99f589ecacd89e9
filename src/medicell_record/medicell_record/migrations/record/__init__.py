"""The revisions of the tables of a batch's record."""
