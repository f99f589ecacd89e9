"""The batch record: an append-only, hash-chained table of typed entries."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from medicell_core.entries import ENTRY_TYPES, BatchClosed, Entry
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.serialise import SerialiseError, dumps, loads
from medicell_record.canonical import canonical_json
from medicell_record.dialect import store_at
from medicell_record.store import Store

GENESIS_HASH = hashlib.sha256(b'medicell batch record, format 1').hexdigest()
"""The previous hash of the first entry; another format has another one."""

METADATA = sa.MetaData()

ENTRY_TABLE = sa.Table(
    'entry',
    METADATA,
    sa.Column('sequence', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('at_s', sa.Float(53), nullable=False),
    sa.Column('actor', sa.Text, nullable=False),
    sa.Column('kind', sa.Text, nullable=False),
    sa.Column('payload', sa.Text, nullable=False),
    sa.Column('previous_hash', sa.Text, nullable=False),
    sa.Column('hash', sa.Text, nullable=False),
)
"""One row per entry, numbered from 1 without a gap."""

_INSERT = sa.insert(ENTRY_TABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEntry:
    """An entry with its place in the record; `at_s` is in seconds since the Unix epoch."""

    sequence: int
    at_s: float
    actor: str
    entry: Entry


def chain_hash(
    *, sequence: int, at_s: float, actor: str, kind: str, payload: str, previous_hash: str
) -> str:
    """Return the SHA-256 (hex) that binds an entry to its place and to all before it."""
    text = canonical_json([sequence, at_s, actor, kind, payload, previous_hash])
    return hashlib.sha256(text.encode()).hexdigest()


def encode_entry(entry: Entry) -> str:
    """Return an entry's fields as canonical JSON.

    Raises TypeError for what is not a kind of entry, or could not be read back as its type.
    """
    kind = type(entry).__name__
    if ENTRY_TYPES.get(kind) is not type(entry):
        raise TypeError(f'{kind} is not a kind of entry')
    try:
        payload = dumps(entry)
        loads(type(entry), payload)
    except SerialiseError as error:
        raise TypeError(f'{kind} cannot be recorded: {error}') from error
    return payload


def decode_entry(kind: str, payload: str) -> Entry:
    """Return the entry of a kind and its payload; raises RECORD_UNREADABLE."""
    entry_type = ENTRY_TYPES.get(kind)
    if entry_type is None:
        raise MedicellError(ErrorCode.RECORD_UNREADABLE, f'kind {kind!r} is not a kind of entry')
    try:
        return loads(entry_type, payload)
    except SerialiseError as error:
        raise MedicellError(
            ErrorCode.RECORD_UNREADABLE, f'the payload is not a {kind}: {error}'
        ) from error


class BatchRecord:
    """One batch's record; make it with `create`, reach it again with `open`.

    Each append is a transaction of its own. On PostgreSQL it is on the server's disk before
    the method returns. On SQLite the file is in write-ahead mode with `synchronous=NORMAL`: a
    killed process loses nothing that was appended, a power cut can lose the last entries but
    never tear one or break the chain. What must survive a power cut before a device moves
    stands in the device's own journal. All methods may be called from any thread.
    """

    def __init__(self, store: Store, *, read_only: bool = False) -> None:
        self._store = store
        self._read_only = read_only
        self._lock = threading.RLock()
        self._sequence, self._head, self._closed = self._read_head()

    @classmethod
    def create(cls, path_or_url: Path | str) -> BatchRecord:
        """Make a new record; raises RECORD_EXISTS when there is one, InputError otherwise."""
        store = store_at(path_or_url, must_exist=False)
        try:
            store.create(METADATA)
            return cls(store)
        except BaseException:
            store.close()
            raise

    @classmethod
    def open(cls, path_or_url: Path | str, *, read_only: bool = False) -> BatchRecord:
        """Open an existing record at its end; raises RECORD_UNREADABLE when it is none."""
        store = store_at(path_or_url, must_exist=True, read_only=read_only)
        try:
            return cls(store, read_only=read_only)
        except BaseException:
            store.close()
            raise

    @property
    def name(self) -> str:
        """The record's file or URL."""
        return self._store.name

    @property
    def head_hash(self) -> str:
        """The hash of the last entry, which stands for the whole record."""
        return self._head

    @property
    def length(self) -> int:
        """The number of entries."""
        return self._sequence

    @property
    def closed(self) -> bool:
        """Whether the batch is closed, and nothing can be appended."""
        return self._closed

    def append(self, entry: Entry, *, at_s: float, actor: str) -> int:
        """Add an entry and return its sequence number, from 1.

        `at_s` is in seconds since the Unix epoch and finite; `actor` says who: a node's name or
        a person. Raises RECORD_CLOSED after BatchClosed, CHAIN_BROKEN when another writer
        has appended meanwhile, TypeError for an entry whose fields are not of their type.
        """
        if not math.isfinite(at_s):
            raise ValueError(f'at_s is {at_s}; must be finite')
        kind = type(entry).__name__
        payload = encode_entry(entry)
        with self._lock:
            if self._closed:
                raise MedicellError(
                    ErrorCode.RECORD_CLOSED,
                    f'{self._store.name} was closed by entry {self._sequence}; '
                    f'{kind} cannot be appended',
                )
            row: dict[str, Any] = {
                'sequence': self._sequence + 1,
                'at_s': float(at_s),
                'actor': actor,
                'kind': kind,
                'payload': payload,
                'previous_hash': self._head,
            }
            row['hash'] = chain_hash(**row)
            self._insert(row)
            self._sequence, self._head = row['sequence'], row['hash']
            self._closed = isinstance(entry, BatchClosed)
            return self._sequence

    def entries(self, kind: type[Entry] | None = None) -> list[RecordedEntry]:
        """Return the entries in order, of one kind or of all; raises RECORD_UNREADABLE."""
        query = sa.select(ENTRY_TABLE).order_by(ENTRY_TABLE.c.sequence)
        if kind is not None:
            query = query.where(ENTRY_TABLE.c.kind == kind.__name__)
        with self._lock:
            rows = self._store.read(query)
        return [
            RecordedEntry(
                sequence=row.sequence,
                at_s=row.at_s,
                actor=row.actor,
                entry=decode_entry(row.kind, row.payload),
            )
            for row in rows
        ]

    def __iter__(self) -> Iterator[RecordedEntry]:
        """Go through all entries in order."""
        return iter(self.entries())

    def withdraw(self) -> None:
        """Take a new record away again, if nothing was appended, and let the database go."""
        with self._lock:
            self._store.withdraw()
            self._store.close()

    def close(self) -> None:
        """Let the database go; a closed batch's file then needs no other file. Safe twice."""
        with self._lock:
            if self._closed and not self._read_only:
                self._store.seal()
            self._store.close()

    def __enter__(self) -> BatchRecord:
        """Return the record itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the database."""
        self.close()

    def _insert(self, row: dict[str, Any]) -> None:
        try:
            self._store.write(_INSERT, row)
        except sa.exc.IntegrityError as error:
            raise MedicellError(
                ErrorCode.CHAIN_BROKEN,
                f'{self._store.name}: entry {row["sequence"]} cannot follow: {error.orig}',
            ) from error
        except sa.exc.DBAPIError as error:
            raise MedicellError(
                ErrorCode.RECORD_UNREADABLE,
                f'{self._store.name}: entry {row["sequence"]} cannot be written: {error.orig}',
            ) from error

    def _read_head(self) -> tuple[int, str, bool]:
        query = sa.select(ENTRY_TABLE).order_by(ENTRY_TABLE.c.sequence.desc()).limit(1)
        rows = self._store.read(query)
        if not rows:
            return 0, GENESIS_HASH, False
        return rows[0].sequence, rows[0].hash, rows[0].kind == BatchClosed.__name__
