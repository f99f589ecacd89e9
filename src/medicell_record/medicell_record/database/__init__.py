"""Where a record is kept: a SQLite file, or a schema of PostgreSQL."""
