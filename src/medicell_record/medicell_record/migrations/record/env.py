"""Run by alembic to bring the tables of a batch's record to a revision."""

from medicell_record.migrations.running import run_revisions

run_revisions()
