"""A batch that has ended as one archive, which can be read and checked without Medicell."""
