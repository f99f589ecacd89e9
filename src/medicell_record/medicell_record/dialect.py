"""The one place that knows which database holds a record: connection, guards, durability."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import StaticPool

from medicell_core.errors import ErrorCode, InputError, MedicellError

# A damaged schema has SQLite quote bytes in its message that sqlite3 cannot decode.
READ_ERRORS = (sa.exc.DBAPIError, UnicodeDecodeError)
"""What a database that is damaged, or none, raises when it is read."""

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
        "WHEN (SELECT kind FROM entry ORDER BY sequence DESC LIMIT 1) = 'BatchClosed' "
        "BEGIN SELECT RAISE(ABORT, 'the record is closed'); END"
    ),
}
"""The triggers of SQLite that hold the record append-only, by name.

`entry_follows` also stops `INSERT OR REPLACE`, which fires no DELETE trigger.
"""


class Store:
    """One connection to the database of a record."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self.name = name
        self._engine = engine
        self._connection: sa.Connection | None = None

    @classmethod
    def at(cls, path_or_url: Path | str, *, must_exist: bool, read_only: bool = False) -> Store:
        """Return the store of a file or a database URL, connected.

        Raises RECORD_EXISTS or RECORD_UNREADABLE as InputError with the file's name.
        """
        path = _sqlite_path(path_or_url)
        name = str(path)
        if must_exist and not path.is_file():
            raise InputError(ErrorCode.RECORD_UNREADABLE, 'there is no such file', file=name)
        if not must_exist and path.exists():
            raise InputError(
                ErrorCode.RECORD_EXISTS, 'the file exists and is not overwritten', file=name
            )
        store = cls(_sqlite_engine(path, read_only=read_only), name)
        try:
            store._connection = store._engine.connect()
        except READ_ERRORS as error:
            store.close()
            raise _unreadable(name, error) from error
        return store

    def create(self, metadata: sa.MetaData) -> None:
        """Make the tables and their guards in one transaction."""
        with self.connection.begin():
            metadata.create_all(self.connection)
            for guard in GUARDS.values():
                self.connection.exec_driver_sql(guard)

    @property
    def connection(self) -> sa.Connection:
        """The open connection; raises RECORD_UNREADABLE after `close`."""
        if self._connection is None:
            raise MedicellError(ErrorCode.RECORD_UNREADABLE, f'{self.name} has been let go')
        return self._connection

    def read(self, query: sa.Executable) -> Sequence[sa.Row[Any]]:
        """Return the rows of a query; raises RECORD_UNREADABLE."""
        try:
            with self.connection.begin():
                return self.connection.execute(query).all()
        except READ_ERRORS as error:
            raise _unreadable(self.name, error) from error

    def write(self, statement: sa.Insert, row: dict[str, Any]) -> None:
        """Insert a row in a transaction of its own; raises what the database says."""
        with self.connection.begin():
            self.connection.execute(statement, row)

    def missing_guards(self) -> list[str]:
        """Return the guards that the database lacks or that say something else."""
        rows = self.read(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        found = {row.name: row.sql for row in rows}
        return [name for name, text in GUARDS.items() if found.get(name) != text]

    def fault(self) -> str:
        """Return what is wrong with the database's own structure, or an empty text."""
        found = self.read(sa.text('PRAGMA integrity_check(1)'))[0][0]
        return '' if found == 'ok' else str(found)

    def close(self) -> None:
        """Let the database go. Safe to call twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._engine.dispose()


def seal(store: Store) -> None:
    """Bring a closed record into one plain file that read-only media can hold."""
    if store._connection is not None:
        store.connection.exec_driver_sql('PRAGMA journal_mode=DELETE')
        store.connection.rollback()


def _sqlite_path(path_or_url: Path | str) -> Path:
    text = str(path_or_url)
    if '://' not in text:
        return Path(text)
    url = make_url(text)
    if url.get_backend_name() != 'sqlite' or not url.database:
        raise InputError(
            ErrorCode.RECORD_UNREADABLE,
            f'{url.render_as_string()} is not a SQLite file; no other database is served yet',
        )
    return Path(url.database)


def _sqlite_engine(path: Path, *, read_only: bool) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        uri = _uri(path, read_only=read_only)
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        connection.text_factory = _text_or_bytes
        if not read_only:
            connection.execute('PRAGMA journal_mode=WAL')
            connection.execute('PRAGMA synchronous=NORMAL')
        return connection

    return sa.create_engine('sqlite://', creator=connect, poolclass=StaticPool, future=True)


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


def _unreadable(name: str, error: sa.exc.DBAPIError | UnicodeDecodeError) -> InputError:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else 'its schema is damaged'
    return InputError(
        ErrorCode.RECORD_UNREADABLE, f'this is not a batch record: {cause}', file=name
    )
