"""Of which revision the tables of a record or of accounts are, and which are written."""

from __future__ import annotations

from medicell_core.errors import ErrorCode, InputError

REVISIONS = ('0001', '0002')
"""Of a record: with signatures since 0002. Of accounts: with locks that end since 0002."""
LATEST = REVISIONS[-1]
MARK_TABLE = 'alembic_version'
MARK = (
    f'CREATE TABLE {MARK_TABLE} (version_num VARCHAR(32) NOT NULL,'
    f' CONSTRAINT {MARK_TABLE}_pkc PRIMARY KEY (version_num))',
    f"INSERT INTO {MARK_TABLE} VALUES ('{LATEST}')",
)
"""What marks new tables as those of the last revision, as alembic does."""


def check_written(revision: str, *, name: str, upgrade: str) -> None:
    """Raise RECORD_UNREADABLE for tables of another revision than those that are written."""
    if revision == LATEST:
        return
    hint = 'a later Medicell has made them: use that one'
    if revision in REVISIONS:
        hint = f'`{upgrade}` brings them to it'
    raise InputError(
        ErrorCode.RECORD_UNREADABLE,
        f'its tables are of revision {revision}, and {LATEST} is written; {hint}',
        file=name,
    )
