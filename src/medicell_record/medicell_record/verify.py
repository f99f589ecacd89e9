"""Check of a record's chain: sound, or the first entry that is not as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from medicell_core.entries import BatchClosed
from medicell_core.enums import TextEnum
from medicell_core.errors import InputError, MedicellError
from medicell_record.dialect import store_at
from medicell_record.record import ENTRY_TABLE, GENESIS_HASH, chain_hash, decode_entry
from medicell_record.store import Store

EXIT_SOUND = 0
EXIT_UNREADABLE = 2
EXIT_BROKEN = 3

_COLUMNS = tuple(column.name for column in ENTRY_TABLE.columns)
_TYPES: dict[str, type] = {
    name: {'sequence': int, 'at_s': float}.get(name, str) for name in _COLUMNS
}


class Problem(TextEnum):
    """What can be wrong with a record."""

    NONE = 'none'
    NOT_A_RECORD = 'not a record'
    ALTERED = 'altered'
    MISSING = 'missing'
    REORDERED = 'reordered'
    WRONG_PREVIOUS_HASH = 'wrong previous hash'
    AFTER_CLOSE = 'entry after the close'
    TRUNCATED = 'truncated'
    LONGER = 'longer than expected'
    DAMAGED = 'damaged file'
    GUARDS_MISSING = 'append-only guards missing'


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What the check found.

    `entries`, times (seconds since the Unix epoch, None when there are none) and `head_hash`
    are of the part that is sound; `broken_sequence` is the first entry that is not, or None.
    """

    name: str
    problem: Problem
    detail: str
    broken_sequence: int | None
    entries: int
    first_at_s: float | None
    last_at_s: float | None
    head_hash: str
    closed: bool

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    problem: Problem
    sequence: int | None
    detail: str


def verify(path: Path | str, *, expected_head: str | None = None) -> VerifyResult:
    """Check a record from its first entry to its last, without changing it.

    The end of an open record can be cut off unseen: give `expected_head`, the head hash that
    was written down elsewhere, to have that found too. Raises nothing for a bad file.
    """
    try:
        store = store_at(path, must_exist=True, read_only=True)
    except InputError as error:
        return _result(str(path), [], _unreadable(error))
    try:
        return _verify(store, expected_head)
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
        lines.append(f'  entries: {result.entries}, {"closed" if result.closed else "open"}')
    if result.first_at_s is not None and result.last_at_s is not None:
        lines.append(f'  from {_time(result.first_at_s)} to {_time(result.last_at_s)}')
    lines.append(f'  head: {result.head_hash}')
    if result.sound and not result.closed:
        lines.append('  not closed: compare the head with the one written down elsewhere')
    return '\n'.join(lines)


def _verify(store: Store, expected_head: str | None) -> VerifyResult:
    columns = ', '.join(f'{name} AS {name}' for name in _COLUMNS)
    try:
        # Plain SQL, so that a value of a wrong type is seen as it stands and not converted.
        rows = store.read(sa.text(f'SELECT {columns} FROM entry ORDER BY sequence'))
        damage = store.fault()
    except MedicellError as error:
        return _result(store.name, [], _unreadable(error))
    fault = _first_fault(rows)
    sound = rows[: _sound_count(rows, fault)]
    fault = fault or _end_fault(sound, expected_head) or _store_fault(store, damage)
    return _result(store.name, sound, fault)


def _first_fault(rows: Sequence[sa.Row[Any]]) -> _Fault | None:
    head = GENESIS_HASH
    closed_by: int | None = None
    for expected, row in enumerate(rows, start=1):
        if closed_by is not None:
            return _Fault(
                problem=Problem.AFTER_CLOSE,
                sequence=row.sequence,
                detail=f'entry {closed_by} closed the batch',
            )
        fault = _row_fault(row, expected, head, rows)
        if fault is not None:
            return fault
        head = row.hash
        if row.kind == BatchClosed.__name__:
            closed_by = row.sequence
    return None


def _row_fault(
    row: sa.Row[Any], expected: int, head: str, rows: Sequence[sa.Row[Any]]
) -> _Fault | None:
    for name, kind in _TYPES.items():
        value = getattr(row, name)
        if type(value) is not kind:
            return _Fault(
                problem=Problem.ALTERED,
                sequence=expected,
                detail=f'{name} is {value!r}, which is not what the record writes',
            )
    if _hash_of(row, expected, head) == row.hash and row.sequence == expected:
        return _content_fault(row, head)
    return _moved(expected, head, rows) or _broken(row, expected, head, rows)


def _moved(expected: int, head: str, rows: Sequence[sa.Row[Any]]) -> _Fault | None:
    """Look for the entry that belongs at `expected` under another number."""
    for row in rows:
        well_typed = all(type(getattr(row, name)) is kind for name, kind in _TYPES.items())
        if well_typed and row.sequence != expected and _hash_of(row, expected, head) == row.hash:
            return _Fault(
                problem=Problem.REORDERED,
                sequence=expected,
                detail=f'the entry written as {expected} stands at {row.sequence}',
            )
    return None


def _broken(row: sa.Row[Any], expected: int, head: str, rows: Sequence[sa.Row[Any]]) -> _Fault:
    if row.sequence != expected:
        return _Fault(
            problem=Problem.MISSING,
            sequence=expected,
            detail=f'entry {expected} is not there; the next one found is {row.sequence}',
        )
    follower = rows[expected] if expected < len(rows) else None
    true_hash = _hash_of(row, expected, head)
    if follower is not None and follower.previous_hash == true_hash:
        return _Fault(
            problem=Problem.ALTERED,
            sequence=expected,
            detail=f'its hash is {row.hash}; its content and entry {follower.sequence} say '
            f'{true_hash}',
        )
    if row.previous_hash != head:
        return _previous_fault(row, expected, head)
    return _Fault(
        problem=Problem.ALTERED,
        sequence=expected,
        detail=f'time, actor, kind or payload were changed{_hint(row)}: they give the hash '
        f'{true_hash}, the entry was written with {row.hash}',
    )


def _previous_fault(row: sa.Row[Any], expected: int, head: str) -> _Fault:
    own = _hash_of(row, expected, row.previous_hash)
    what = (
        'an entry before it was removed or replaced'
        if own == row.hash
        else 'the entry was changed or put in by hand'
    )
    return _Fault(
        problem=Problem.WRONG_PREVIOUS_HASH,
        sequence=expected,
        detail=f'it follows {row.previous_hash}, but the entry before it is {head}: {what}',
    )


def _content_fault(row: sa.Row[Any], head: str) -> _Fault | None:
    if row.previous_hash != head:
        return _Fault(
            problem=Problem.ALTERED,
            sequence=row.sequence,
            detail=f'its previous hash is {row.previous_hash}; its own hash says {head}',
        )
    try:
        decode_entry(row.kind, row.payload)
    except MedicellError as error:
        return _Fault(problem=Problem.ALTERED, sequence=row.sequence, detail=error.message)
    return None


def _hint(row: sa.Row[Any]) -> str:
    try:
        decode_entry(row.kind, row.payload)
    except MedicellError as error:
        return f' ({error.message})'
    return ''


def _end_fault(rows: Sequence[sa.Row[Any]], expected_head: str | None) -> _Fault | None:
    if not rows:
        return _Fault(
            problem=Problem.TRUNCATED, sequence=1, detail='there is no entry; a batch has some'
        )
    if expected_head is None or rows[-1].hash == expected_head:
        return None
    for row in rows:
        if row.hash == expected_head:
            return _Fault(
                problem=Problem.LONGER,
                sequence=row.sequence + 1,
                detail=f'entry {row.sequence} has the expected head; what follows is new',
            )
    return _Fault(
        problem=Problem.TRUNCATED,
        sequence=rows[-1].sequence + 1,
        detail=f'the record ends with {rows[-1].hash}, expected is {expected_head}',
    )


def _store_fault(store: Store, damage: str) -> _Fault | None:
    if damage:
        return _Fault(problem=Problem.DAMAGED, sequence=None, detail=damage)
    missing = store.missing_guards()
    if missing:
        return _Fault(problem=Problem.GUARDS_MISSING, sequence=None, detail=', '.join(missing))
    return None


def _sound_count(rows: Sequence[sa.Row[Any]], fault: _Fault | None) -> int:
    if fault is None or fault.sequence is None:
        return len(rows)
    return min(fault.sequence - 1, len(rows))


def _hash_of(row: sa.Row[Any], sequence: int, previous_hash: str) -> str:
    return chain_hash(
        sequence=sequence,
        at_s=row.at_s,
        actor=row.actor,
        kind=row.kind,
        payload=row.payload,
        previous_hash=previous_hash,
    )


def _unreadable(error: Exception) -> _Fault:
    return _Fault(problem=Problem.NOT_A_RECORD, sequence=None, detail=str(error))


def _result(name: str, sound: Sequence[sa.Row[Any]], fault: _Fault | None) -> VerifyResult:
    return VerifyResult(
        name=name,
        problem=fault.problem if fault else Problem.NONE,
        detail=fault.detail if fault else '',
        broken_sequence=fault.sequence if fault else None,
        entries=len(sound),
        first_at_s=sound[0].at_s if sound else None,
        last_at_s=sound[-1].at_s if sound else None,
        head_hash=sound[-1].hash if sound else GENESIS_HASH,
        closed=bool(sound) and sound[-1].kind == BatchClosed.__name__,
    )


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, timezone.utc).strftime('%Y-%m-%d %H:%M:%S UTC')
