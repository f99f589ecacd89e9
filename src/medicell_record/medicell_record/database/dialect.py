"""The one place that knows which database holds a record, by its path or URL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from medicell_core.errors import ErrorCode, InputError
from medicell_record.database.postgresql import PostgresStore, is_postgresql
from medicell_record.database.sqlite import SqliteStore
from medicell_record.database.store import Store


def store_at(path_or_url: Path | str, *, must_exist: bool, read_only: bool = False) -> Store:
    """Return the store of a file or a database URL, connected.

    Raises RECORD_EXISTS or RECORD_UNREADABLE as InputError with the record's name.
    """
    text = str(path_or_url)
    if is_postgresql(text):
        return PostgresStore.at(text, must_exist=must_exist, read_only=read_only)
    return SqliteStore.at(_sqlite_path(text), must_exist=must_exist, read_only=read_only)


def _sqlite_path(text: str) -> Path:
    if '://' not in text:
        return Path(text)
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise InputError(ErrorCode.RECORD_UNREADABLE, f'no URL of a database: {error}') from error
    if url.get_backend_name() != 'sqlite' or not url.database:
        raise InputError(
            ErrorCode.RECORD_UNREADABLE,
            f'{url.render_as_string()} is neither a SQLite file nor a PostgreSQL database',
        )
    return Path(url.database)
