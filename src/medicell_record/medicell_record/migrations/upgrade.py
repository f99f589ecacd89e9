"""Bring the tables of an older record, or of older accounts, to those that are written today."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from medicell_core.errors import ErrorCode, InputError
from medicell_record.access.database import AccountsFile
from medicell_record.database.dialect import store_at
from medicell_record.database.revisions import LATEST
from medicell_record.migrations.running import bring_to_head
from medicell_record.verify import verify


def upgrade_record(
    place: Path | str, *, folder: Path | None = None, home: Path | str | None = None
) -> str:
    """Bring the tables of a record to the last revision; returns the one that they had.

    Entries, hashes and signatures are not touched. Raises CHAIN_BROKEN for a record that is not
    sound, before or after.
    """
    before = verify(place, folder=folder, home=home)
    if not before.sound:
        raise _unsound(before.name, f'{before.problem}: {before.detail}')
    store = store_at(place, must_exist=True)
    try:
        revision = store.revision()
        if revision != LATEST:
            with store.connection.begin():
                bring_to_head(store.connection, 'record', from_revision=revision)
    finally:
        store.close()
    after = verify(place, folder=folder, home=home, expected_head=before.head_hash)
    if not after.sound:
        raise _unsound(after.name, f'{after.problem}: {after.detail}')
    return revision


def upgrade_accounts(path: Path) -> str:
    """Bring the tables of accounts to the last revision; returns the one that they had."""
    file = AccountsFile.at(path)
    revision = file.revision()
    file.close()
    if revision != LATEST:
        engine = sa.create_engine(f'sqlite:///{path}')
        with engine.begin() as connection:
            bring_to_head(connection, 'accounts', from_revision=revision)
        engine.dispose()
    return revision


def _unsound(name: str, detail: str) -> InputError:
    return InputError(ErrorCode.CHAIN_BROKEN, f'is not sound: {detail}', file=name)
