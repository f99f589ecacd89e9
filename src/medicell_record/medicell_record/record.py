"""The batch record: an append-only, hash-chained table of typed entries."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from medicell_core.closing import Closing
from medicell_core.entries import ENTRY_TYPES, BatchClosed, Entry, Signature
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.serialise import SerialiseError, dumps, loads
from medicell_record.canonical import canonical_json, parse_json
from medicell_record.database.dialect import store_at
from medicell_record.database.store import Store

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

NO_ROOM, SQLITE_FULL = '53100', 'database or disk is full'
"""By what PostgreSQL and SQLite say that their disk is full."""

AFTER_CLOSE = (Signature,)
"""The kinds of entries that may follow BatchClosed."""


class Witness(Protocol):
    """Who is told of every entry that is in a record, under the record's lock."""

    fault: str
    """Why the last entries are not vouched for; empty when all is well."""

    def attach(
        self, *, place: str, record: str, first: Entry, entries: int, head: str, new: bool
    ) -> None:
        """Begin: `record` is the hash of the first entry; the record has so many.

        It is `new` when this process has just written the first one.
        """
        ...

    def appended(self, *, entries: int, head: str, entry: Entry) -> None:
        """Take note of a further entry."""
        ...

    def closing(self) -> None:
        """Take note that nothing more comes from this process. May be called twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEntry:
    """An entry with its place in the record; `at_s` is in seconds since the Unix epoch."""

    sequence: int
    at_s: float
    actor: str
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedEntry:
    """An entry as the chain has it: the text that is hashed, and its SHA-256 (hex)."""

    text: str
    hash: str

    @property
    def payload(self) -> str:
        """The entry's fields as they are recorded, as canonical JSON."""
        return str(parse_json(self.text)[4])


def hashed_text(
    *, sequence: int, at_s: float, actor: str, kind: str, payload: str, previous_hash: str
) -> str:
    """Return the text whose hash binds an entry to its place and to all before it."""
    return canonical_json([sequence, at_s, actor, kind, payload, previous_hash])


def chain_hash(
    *, sequence: int, at_s: float, actor: str, kind: str, payload: str, previous_hash: str
) -> str:
    """Return the SHA-256 (hex) of an entry's hashed text."""
    text = hashed_text(
        sequence=sequence,
        at_s=at_s,
        actor=actor,
        kind=kind,
        payload=payload,
        previous_hash=previous_hash,
    )
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


class BatchRecord(Closing):
    """One batch's record; make it with `create`, reach it again with `open`.

    Each append is a transaction of its own, and is on disk before the method returns: on
    PostgreSQL on the server's, on SQLite in the write-ahead file (`synchronous=FULL`). Neither a
    killed process nor a power cut loses what was appended, tears an entry or breaks the chain.
    All methods may be called from any thread.
    """

    def __init__(
        self, store: Store, *, read_only: bool = False, witness: Witness | None = None
    ) -> None:
        self._store = store
        self._read_only = read_only
        self._witness = witness
        self._unwitnessed = ''
        self._lock = threading.RLock()
        self._sequence, self._head, self._closed = self._read_head()
        if witness is not None and self._sequence:
            first = self._read_first()
            self._attach(first.hash, decode_entry(first.kind, first.payload), new=False)

    @classmethod
    def create(cls, path_or_url: Path | str, *, witness: Witness | None = None) -> BatchRecord:
        """Make a new record; raises RECORD_EXISTS when there is one, InputError otherwise."""
        store = store_at(path_or_url, must_exist=False)
        try:
            store.create(METADATA)
            return cls(store, witness=witness)
        except BaseException:
            store.close()
            raise

    @classmethod
    def open(
        cls,
        path_or_url: Path | str,
        *,
        read_only: bool = False,
        witness: Witness | None = None,
    ) -> BatchRecord:
        """Open an existing record at its end; raises RECORD_UNREADABLE when it is none.

        So it does for one that is to be written whose tables are of another revision.
        """
        store = store_at(path_or_url, must_exist=True, read_only=read_only)
        try:
            if not read_only:
                store.check_written()
            return cls(store, read_only=read_only, witness=witness)
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
    def first_hash(self) -> str:
        """The hash of the first entry, which no other record has; raises for an empty record."""
        with self._lock:
            return str(self._read_first().hash)

    @property
    def length(self) -> int:
        """The number of entries."""
        return self._sequence

    @property
    def closed(self) -> bool:
        """Whether the batch is closed, and nothing but signatures can be appended."""
        return self._closed

    @property
    def fault(self) -> str:
        """What does not stop the batch and should be seen to: why no checkpoint can be written."""
        return '' if self._witness is None else self._witness.fault

    def append(self, entry: Entry, *, at_s: float, actor: str) -> int:
        """Add an entry and return its sequence number, from 1.

        `at_s` is in seconds since the Unix epoch and finite; `actor` says who: a node's name or
        a person. Raises RECORD_CLOSED after BatchClosed for all but signatures, CHAIN_BROKEN
        when another writer has appended meanwhile, DISK_FULL or RECORD_UNREADABLE when the entry
        cannot be written, TypeError for an entry whose fields are not of their type.
        """
        if not math.isfinite(at_s):
            raise ValueError(f'at_s is {at_s}; must be finite')
        kind = type(entry).__name__
        payload = encode_entry(entry)
        with self._lock:
            if self._closed and not isinstance(entry, AFTER_CLOSE):
                raise MedicellError(
                    ErrorCode.RECORD_CLOSED,
                    f'{self._store.name} is closed; entries: {self._sequence}; '
                    f'{kind} cannot be appended',
                )
            if isinstance(entry, AFTER_CLOSE) and not self._closed:
                raise MedicellError(
                    ErrorCode.NOT_ALLOWED_IN_STATE,
                    f'{self._store.name} is not closed; {kind} cannot be appended',
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
            self._closed = self._closed or isinstance(entry, BatchClosed)
            self._tell(entry)
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

    def hashed_entries(self) -> list[HashedEntry]:
        """Return what the chain is made of, in order, as it stands in the database."""
        with self._lock:
            rows = self._store.read(sa.select(ENTRY_TABLE).order_by(ENTRY_TABLE.c.sequence))
        found = []
        for row in rows:
            columns = dict(row._mapping)
            written = columns.pop('hash')
            found.append(HashedEntry(text=hashed_text(**columns), hash=written))
        return found

    def __iter__(self) -> Iterator[RecordedEntry]:
        """Go through all entries in order."""
        return iter(self.entries())

    def withdraw(self) -> None:
        """Take a new record away again, if it has nothing to keep, and let the database go.

        That is no entry, or a first one of which its witness could not take note: the batch has
        not begun then, and its name stays free.
        """
        with self._lock:
            self._store.withdraw(self._unwitnessed)
            self._store.close()

    def close(self) -> None:
        """Let the database go; a closed batch's file then needs no other file. Safe twice."""
        with self._lock:
            if self._witness is not None:
                self._witness.closing()
            if self._closed and not self._read_only:
                self._store.seal()
            self._store.close()

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
                _code_of(error),
                f'{self._store.name}: entry {row["sequence"]} cannot be written: {error.orig}',
            ) from error

    def _tell(self, entry: Entry) -> None:
        if self._witness is None:
            return
        if self._sequence == 1:
            self._unwitnessed = self._head
            self._attach(self._head, entry, new=True)
            self._unwitnessed = ''
        else:
            self._witness.appended(entries=self._sequence, head=self._head, entry=entry)

    def _attach(self, record: str, first: Entry, *, new: bool) -> None:
        assert self._witness is not None
        self._witness.attach(
            place=self._store.name,
            record=record,
            first=first,
            entries=self._sequence,
            head=self._head,
            new=new,
        )

    def _read_first(self) -> sa.Row[Any]:
        rows = self._store.read(sa.select(ENTRY_TABLE).where(ENTRY_TABLE.c.sequence == 1))
        if not rows:
            raise MedicellError(ErrorCode.RECORD_UNREADABLE, f'{self.name} has no entry')
        return rows[0]

    def _read_head(self) -> tuple[int, str, bool]:
        query = sa.select(ENTRY_TABLE).order_by(ENTRY_TABLE.c.sequence.desc()).limit(1)
        rows = self._store.read(query)
        if not rows:
            return 0, GENESIS_HASH, False
        after_close = {kind.__name__ for kind in AFTER_CLOSE}
        closed = rows[0].kind in {BatchClosed.__name__, *after_close}
        return rows[0].sequence, rows[0].hash, closed


def _code_of(error: sa.exc.DBAPIError) -> ErrorCode:
    full = getattr(error.orig, 'sqlstate', '') == NO_ROOM or SQLITE_FULL in str(error.orig)
    return ErrorCode.DISK_FULL if full else ErrorCode.RECORD_UNREADABLE
