"""A record in a SQLite file of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from medicell_core.errors import ErrorCode, InputError
from medicell_record.database.store import LOCKED, Store

GUARDS: dict[str, str] = {
    'entry_never_changes': (
        'CREATE TRIGGER entry_never_changes BEFORE UPDATE ON entry '
        "BEGIN SELECT RAISE(ABORT, 'the record is append-only: UPDATE refused'); END"
    ),
    'entry_never_leaves': (
        'CREATE TRIGGER entry_never_leaves BEFORE DELETE ON entry '
        "BEGIN SELECT RAISE(ABORT, 'the record is append-only: DELETE refused'); END"
    ),
    'entry_follows': (
        'CREATE TRIGGER entry_follows BEFORE INSERT ON entry '
        'WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM entry) '
        'OR NEW.previous_hash IS NOT coalesce('
        '(SELECT hash FROM entry ORDER BY sequence DESC LIMIT 1), NEW.previous_hash) '
        "BEGIN SELECT RAISE(ABORT, 'the entry does not follow the last one'); END"
    ),
    'entry_after_close': (
        'CREATE TRIGGER entry_after_close BEFORE INSERT ON entry '
        'WHEN coalesce((SELECT kind FROM entry ORDER BY sequence DESC LIMIT 1) '
        "IN ('BatchClosed', 'Signature'), 0) IS NOT (NEW.kind = 'Signature') "
        "BEGIN SELECT RAISE(ABORT, 'the record is closed to all but signatures'); END"
    ),
}
"""The triggers that hold the record append-only, by name.

`entry_follows` also stops `INSERT OR REPLACE`, which fires no DELETE trigger.
"""

RESCUED = '.rescued'
"""Added to the name of a record whose file was removed while it was written."""
UNFINISHED = '.part'
"""Added to that while it is not whole yet."""

FORMER_GUARDS: dict[str, str] = {
    'entry_after_close': (
        'CREATE TRIGGER entry_after_close BEFORE INSERT ON entry '
        "WHEN (SELECT kind FROM entry ORDER BY sequence DESC LIMIT 1) = 'BatchClosed' "
        "BEGIN SELECT RAISE(ABORT, 'the record is closed'); END"
    ),
}
"""As stands in records from before there were signatures: they take none, and are sound."""


class SqliteStore(Store):
    """A file; in write-ahead mode while it is written, one plain file once it is sealed."""

    opened: tuple[int, int] | None = None
    """Which file it is, by device and inode."""
    _rescued: Path | None = None
    """Where what it held is kept since its file was lost."""

    @classmethod
    def at(cls, path: Path, *, must_exist: bool, read_only: bool) -> SqliteStore:
        """Return the store of a file, connected.

        Raises RECORD_EXISTS or RECORD_UNREADABLE as InputError with the file's name.
        """
        name = str(path)
        if must_exist and not path.is_file():
            raise InputError(ErrorCode.RECORD_UNREADABLE, 'there is no such file', file=name)
        if not must_exist and path.exists():
            raise InputError(
                ErrorCode.RECORD_EXISTS, 'the file exists and is not overwritten', file=name
            )
        if must_exist and not path.stat().st_size:
            raise InputError(ErrorCode.RECORD_UNREADABLE, 'the file is empty', file=name)
        store = cls(_engine(path, read_only=read_only), name)
        store.connect()
        store.opened = _file_at(path)
        return store

    def write(self, statement: sa.Insert, row: dict[str, Any]) -> None:
        """Insert a row; raises RECORD_UNREADABLE when another file or none is in the file's place.

        SQLite would go on in the one that was removed, and all of it would end with the process:
        what was recorded is kept beside its place then.
        """
        path = Path(self.name)
        if _file_at(path) != self.opened:
            raise InputError(
                ErrorCode.RECORD_UNREADABLE,
                f'it was removed or replaced while it was written; {self._rescue(path)}',
                file=self.name,
            )
        super().write(statement, row)

    def _rescue(self, path: Path) -> str:
        """Keep what the lost file holds in a new one, once; returns where, or why not."""
        if self._rescued is None:
            rescued = _free_name(path.with_name(path.name + RESCUED))
            unfinished = rescued.with_name(rescued.name + UNFINISHED)
            try:
                unfinished.unlink(missing_ok=True)
                with closing(sqlite3.connect(unfinished)) as copy:
                    raw = self.connection.connection.driver_connection
                    assert isinstance(raw, sqlite3.Connection)
                    raw.backup(copy)
                unfinished.rename(rescued)
            except (OSError, sqlite3.Error) as error:
                return f'what it held could not be kept in {rescued}: {error}'
            self._rescued = rescued
        return f'move {self._rescued} to its place: it has all that was recorded'

    def guard_statements(self) -> Sequence[str]:
        """Return the triggers."""
        return tuple(GUARDS.values())

    def missing_guards(self) -> list[str]:
        """Return the triggers that are not there word by word."""
        found = self._guards()
        return [
            name
            for name, text in GUARDS.items()
            if found.get(name) not in (text, FORMER_GUARDS.get(name, text))
        ]

    def has_former_guards(self) -> bool:
        """Return whether the triggers are those of the first revision."""
        found = self._guards()
        return any(found.get(name) == text for name, text in FORMER_GUARDS.items())

    def _guards(self) -> dict[str, str]:
        rows = self.read(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        return {row.name: row.sql for row in rows}

    def fault(self) -> str:
        """Return the first thing that SQLite's own check finds."""
        found = self.read(sa.text('PRAGMA integrity_check(1)'))[0][0]
        return '' if found == 'ok' else str(found)

    def withdraw(self, own: str) -> None:
        """Do nothing: who made the file removes it."""

    def seal(self) -> None:
        """Bring the record into one plain file that read-only media can hold.

        Where somebody else has it open the write-ahead file stays beside it, and belongs to it:
        who reads an older state just then keeps the newest entries in there.
        """
        if self._connection is None:
            return
        try:
            self.connection.exec_driver_sql('PRAGMA journal_mode=DELETE')
        except sa.exc.OperationalError as error:
            if LOCKED not in str(error.orig):
                raise
            self.connection.rollback()
            self.connection.exec_driver_sql('PRAGMA wal_checkpoint(PASSIVE)')
        self.connection.rollback()


def _engine(path: Path, *, read_only: bool) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        uri = _uri(path, read_only=read_only)
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        connection.text_factory = _text_or_bytes
        if not read_only:
            connection.execute('PRAGMA journal_mode=WAL')
            connection.execute('PRAGMA synchronous=FULL')
        return connection

    return sa.create_engine('sqlite://', creator=connect, poolclass=StaticPool, future=True)


def _free_name(path: Path) -> Path:
    """Return a path that nothing has: this one, or with `-2`, `-3` and so on."""
    names = (f'{path.name}-{number}' for number in count(2))
    return next(place for place in chain([path], map(path.with_name, names)) if not place.exists())


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _text_or_bytes(data: bytes) -> str | bytes:
    """Keep what is not UTF-8 as it is: the check then names its entry."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _uri(path: Path, *, read_only: bool) -> str:
    uri = path.absolute().as_uri()
    if not read_only:
        return f'{uri}?mode=rwc'
    # Without a write-ahead file nobody is writing, and a file on read-only media can be read.
    has_log = path.with_name(path.name + '-wal').exists()
    return f'{uri}?mode=ro' if has_log else f'{uri}?mode=ro&immutable=1'
