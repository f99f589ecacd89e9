"""Check of a record's chain: sound, or the first entry that is not as it was written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from medicell_core.entries import BatchClosed, BatchStarted
from medicell_core.errors import InputError, MedicellError
from medicell_record.checking.chain import COLUMNS, Rows, chain_fault, end_fault
from medicell_record.checking.checkpoints import Anchorage, Outside, check_checkpoints
from medicell_record.checking.commands import check_commands
from medicell_record.checking.problems import Fault, Problem
from medicell_record.checking.signatures import check_signatures
from medicell_record.checking.sources import Keys, Place
from medicell_record.database.dialect import store_at
from medicell_record.database.store import Store
from medicell_record.record import GENESIS_HASH, decode_entry

EXIT_SOUND = 0
EXIT_UNREADABLE = 2
EXIT_BROKEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What the check found.

    `entries`, times (seconds since the Unix epoch, None when there are none) and `head_hash`
    are of the part that is sound; `broken_sequence` is the first entry that is not, or None.
    """

    name: str
    batch: str
    """As its first entry names it; empty where that is none of a batch, or not sound."""
    problem: Problem
    detail: str
    broken_sequence: int | None
    entries: int
    first_at_s: float | None
    last_at_s: float | None
    head_hash: str
    closed_sequence: int | None
    """The entry that closed the batch; None while it is open."""
    notes: tuple[str, ...] = ()
    """What the checkpoints and signatures tell of a sound record, and what they cannot."""
    commands: tuple[str, ...] = ()
    """Who is proved to have commanded, and how many commands were given by name alone."""
    anchorage: Anchorage = field(default_factory=Anchorage)
    """By which cells' anchors a sound record is held, and how far."""

    @property
    def closed(self) -> bool:
        """Whether the batch has ended."""
        return self.closed_sequence is not None

    @property
    def sound(self) -> bool:
        """Whether every entry is as it was written."""
        return self.problem is Problem.NONE

    @property
    def exit_code(self) -> int:
        """0 when sound, 2 when it cannot be read as a record, 3 when it is broken."""
        if self.sound:
            return EXIT_SOUND
        return EXIT_UNREADABLE if self.problem is Problem.NOT_A_RECORD else EXIT_BROKEN


def verify(
    path: Path | str,
    *,
    expected_head: str | None = None,
    folder: Path | None = None,
    home: Path | str | None = None,
    key: Path | None = None,
    outside: bool = True,
) -> VerifyResult:
    """Check a record from its first entry to its last, without changing it.

    The chain alone does not show that its end was cut off, or that it was made anew. The signed
    checkpoints do: those in `folder` (where a file's record is, unless it is given), and those
    that the cells keep in `home` (the user's own, unless it is given). `key` is the public key
    to trust instead of the pinned ones. `expected_head` is a head hash that was written down
    elsewhere. Without `outside` the chain alone is checked, as who writes it does. Raises nothing
    for a bad file.
    """
    try:
        store = store_at(path, must_exist=True, read_only=True)
    except (InputError, OSError) as error:
        return _result(str(path), [], _unreadable(error))
    is_file = '://' not in store.name
    place = Place(
        record=os.path.abspath(store.name) if is_file else store.name,
        folder=Path(store.name).parent if folder is None and is_file else folder,
        home=None if home is None else Path(home),
        key=key,
    )
    try:
        return _verify(store, expected_head, place if outside else None)
    finally:
        store.close()


def report_text(result: VerifyResult) -> str:
    """Return the result as lines for a terminal."""
    title = 'SOUND' if result.sound else 'BROKEN'
    if result.problem is Problem.NOT_A_RECORD:
        return f'{result.name}: NOT A RECORD\n  {result.detail}'
    lines = [f'{result.name}: {title}']
    if not result.sound:
        where = '' if result.broken_sequence is None else f' at entry {result.broken_sequence}'
        lines.append(f'  {result.problem}{where}: {result.detail}')
        lines.append(f'  sound before that: {result.entries} entries')
    else:
        state = 'closed' if result.closed else 'open'
        lines.append(f'  entries: {result.entries}{_of_batch(result)}, {state}')
    if result.first_at_s is not None and result.last_at_s is not None:
        lines.append(f'  from {_time(result.first_at_s)} to {_time(result.last_at_s)}')
    lines.append(f'  head: {result.head_hash}')
    if result.sound and not result.closed:
        lines.append('  not closed: compare the head with the one written down elsewhere')
    lines += [f'  {note}' for note in (*result.commands, *result.notes)]
    return '\n'.join(lines)


def _verify(store: Store, expected_head: str | None, place: Place | None) -> VerifyResult:
    columns = ', '.join(f'{name} AS {name}' for name in COLUMNS)
    try:
        # Plain SQL, so that a value of a wrong type is seen as it stands and not converted.
        rows = store.read(sa.text(f'SELECT {columns} FROM entry ORDER BY sequence'))
        damage = store.fault()
    except MedicellError as error:
        return _result(store.name, [], _unreadable(error))
    fault = chain_fault(rows)
    sound = rows[: _sound_count(rows, fault)]
    fault = fault or end_fault(sound, expected_head)
    found = Outside()
    if fault is None and place is not None:
        found = check_outside(sound, place)
    return _result(store.name, sound, fault or found.fault or _store_fault(store, damage), found)


def check_outside(rows: Rows, place: Place) -> Outside:
    """Return what speaks against a sound chain from outside of it, or what holds it there."""
    try:
        keys = Keys.at(place)
    except InputError as error:
        return Outside(fault=Fault(problem=Problem.OTHER_KEY, sequence=None, detail=error.message))
    found = check_checkpoints(rows, place, keys)
    if found.fault is not None:
        return found
    fault, commanded = check_commands(rows)
    if fault is not None:
        return Outside(fault=fault)
    fault, signed = check_signatures(rows, keys, first_key=found.anchorage.key)
    return Outside(
        fault=fault,
        notes=(*found.notes, *signed),
        commands=commanded,
        anchorage=found.anchorage,
    )


def _store_fault(store: Store, damage: str) -> Fault | None:
    if damage:
        return Fault(problem=Problem.DAMAGED, sequence=None, detail=damage)
    missing = store.missing_guards()
    if missing:
        return Fault(problem=Problem.GUARDS_MISSING, sequence=None, detail=', '.join(missing))
    return None


def _sound_count(rows: Sequence[sa.Row[Any]], fault: Fault | None) -> int:
    if fault is None or fault.sequence is None:
        return len(rows)
    return min(fault.sequence - 1, len(rows))


def _unreadable(error: Exception) -> Fault:
    return Fault(problem=Problem.NOT_A_RECORD, sequence=None, detail=str(error))


def _result(
    name: str, sound: Sequence[sa.Row[Any]], fault: Fault | None, found: Outside | None = None
) -> VerifyResult:
    told = found if found is not None and fault is None else Outside()
    return VerifyResult(
        name=name,
        batch=_batch(sound),
        problem=fault.problem if fault else Problem.NONE,
        detail=fault.detail if fault else '',
        broken_sequence=fault.sequence if fault else None,
        entries=len(sound),
        first_at_s=sound[0].at_s if sound else None,
        last_at_s=sound[-1].at_s if sound else None,
        head_hash=sound[-1].hash if sound else GENESIS_HASH,
        closed_sequence=next(
            (row.sequence for row in sound if row.kind == BatchClosed.__name__), None
        ),
        notes=told.notes,
        commands=told.commands,
        anchorage=told.anchorage,
    )


def _batch(sound: Sequence[sa.Row[Any]]) -> str:
    first = decode_entry(sound[0].kind, sound[0].payload) if sound else None
    return first.batch_id if isinstance(first, BatchStarted) else ''


def _of_batch(result: VerifyResult) -> str:
    return f' of batch {result.batch}' if result.batch else ''


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, timezone.utc).strftime('%Y-%m-%d %H:%M:%S UTC')
