"""What alembic runs: the revisions between what a connection has and what is wanted."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config

CONNECTION = 'connection'


def run_revisions() -> None:
    """Run the revisions that alembic has chosen, in the transaction of the caller."""
    context.configure(connection=context.config.attributes[CONNECTION])
    with context.begin_transaction():
        context.run_migrations()


def bring_to_head(connection: sa.Connection, history: str, *, from_revision: str) -> None:
    """Bring tables that are of a revision to the last one of a history, `record` or `accounts`.

    The caller's transaction takes all of it, or nothing.
    """
    if connection.dialect.name == 'sqlite':
        # Its driver would begin none for what changes tables.
        connection.exec_driver_sql('BEGIN IMMEDIATE')
    config = Config()
    place = Path(__file__).parent / history
    config.set_main_option('script_location', str(place).replace('%', '%%'))
    config.attributes[CONNECTION] = connection
    command.stamp(config, from_revision)
    command.upgrade(config, 'head')
