"""How the tables of older records and accounts become those of today, by alembic."""
