"""Run by alembic to bring the tables of a cell's accounts to a revision."""

from medicell_record.migrations.running import run_revisions

run_revisions()
