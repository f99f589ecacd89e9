"""Where a batch's record is: in the batch's folder, or in a database that a file there names."""

from __future__ import annotations

import os
from pathlib import Path

from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.anchor.place import COPY_FILE, PUBLIC_FILE
from medicell_record.database.postgresql import with_batch
from medicell_record.record import BatchRecord, Witness

RECORD_FILE = 'record.sqlite'
"""The record itself."""
URL_FILE = 'record.url'
"""One line in the place of a record that is in a database: its URL, which holds no password."""
BESIDE = (COPY_FILE, PUBLIC_FILE)
"""What is written beside a record, by which it is checked."""


def record_of(folder: Path) -> Path | str:
    """Return the file or the URL of a batch's record; it need not exist."""
    try:
        return (folder / URL_FILE).read_text('utf-8').strip()
    except FileNotFoundError:
        return folder / RECORD_FILE


def has_record(folder: Path) -> bool:
    """Return whether a batch was begun in a folder."""
    return (folder / RECORD_FILE).exists() or (folder / URL_FILE).exists()


def create_record(
    folder: Path, *, url: str, batch_id: str, witness: Witness | None = None
) -> BatchRecord:
    """Make a batch's record: in its folder, or in the database of `url` if that is not empty.

    Raises RECORD_EXISTS for a folder or a database that has one, or for a folder with what
    stood beside one: the new record would be held against it. InputError for a wrong URL.
    """
    if has_record(folder):
        raise MedicellError(ErrorCode.RECORD_EXISTS, f'{folder} already holds a record')
    left = [name for name in BESIDE if os.path.lexists(folder / name)]
    if left:
        raise MedicellError(
            ErrorCode.RECORD_EXISTS,
            f'{folder} still holds {", ".join(left)} of another record; name another folder',
        )
    if not url:
        return BatchRecord.create(folder / RECORD_FILE, witness=witness)
    place = with_batch(url, batch_id)
    # The file first: on a full disk the batch's name in the database stays free.
    file = folder / URL_FILE
    try:
        file.write_text(place + '\n', encoding='utf-8')
        return BatchRecord.create(place, witness=witness)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def open_record(folder: Path, *, witness: Witness | None = None) -> BatchRecord:
    """Open the record of a batch's folder at its end; raises RECORD_UNREADABLE as InputError."""
    return BatchRecord.open(record_of(folder), witness=witness)


def settle_record(folder: Path) -> None:
    """Wait until what a process before this one was writing into a database is there, or lost.

    Raises RECORD_UNREADABLE as InputError.
    """
    place = record_of(folder)
    if isinstance(place, str):
        BatchRecord.open(place).close()


def withdraw_record(folder: Path, record: BatchRecord) -> None:
    """Take a record back that `create_record` has made; in a database only if it is empty."""
    record.withdraw()
    for name in (RECORD_FILE, URL_FILE, *BESIDE):
        (folder / name).unlink(missing_ok=True)
