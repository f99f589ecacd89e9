"""The chain of a record's rows: each as it was written, in its place, none missing."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from medicell_core.entries import BatchClosed
from medicell_core.errors import MedicellError
from medicell_record.checking.problems import Fault, Problem
from medicell_record.record import (
    AFTER_CLOSE,
    ENTRY_TABLE,
    GENESIS_HASH,
    chain_hash,
    decode_entry,
)

COLUMNS = tuple(column.name for column in ENTRY_TABLE.columns)
_TYPES: dict[str, type] = {
    name: {'sequence': int, 'at_s': float}.get(name, str) for name in COLUMNS
}

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200

SIGNATURES = frozenset(kind.__name__ for kind in AFTER_CLOSE)
"""The kinds of entries that follow the close."""

Rows = Sequence[sa.Row[Any]]
"""The rows of the table as the database gives them, in the order of their numbers."""


def chain_fault(rows: Rows) -> Fault | None:
    """Return the first fault of the chain from its first entry on, or None."""
    head = GENESIS_HASH
    closed_by: int | None = None
    for expected, row in enumerate(rows, start=1):
        fault = _place_fault(row, expected, closed_by) or _row_fault(row, expected, head, rows)
        if fault is not None:
            return fault
        head = row.hash
        if row.kind == BatchClosed.__name__:
            closed_by = row.sequence
    return None


def _place_fault(row: sa.Row[Any], expected: int, closed_by: int | None) -> Fault | None:
    """Return what is wrong where only signatures follow the close, and only there."""
    if closed_by is not None and row.kind not in SIGNATURES:
        detail = f'entry {closed_by} closed the batch'
    elif closed_by is None and row.kind in SIGNATURES:
        detail = 'a signature before the batch was closed'
    else:
        return None
    return Fault(problem=Problem.AFTER_CLOSE, sequence=expected, detail=detail)


def _row_fault(row: sa.Row[Any], expected: int, head: str, rows: Rows) -> Fault | None:
    for name, kind in _TYPES.items():
        value = getattr(row, name)
        if type(value) is not kind:
            return Fault(
                problem=Problem.ALTERED,
                sequence=expected,
                detail=f'{name} is {_SHORT.repr(value)}, which is not what the record writes',
            )
    if _hash_of(row, expected, head) == row.hash and row.sequence == expected:
        return _content_fault(row, head)
    return _moved(expected, head, rows) or _broken(row, expected, head, rows)


def _moved(expected: int, head: str, rows: Rows) -> Fault | None:
    """Look for the entry that belongs at `expected` under another number."""
    for row in rows:
        well_typed = all(type(getattr(row, name)) is kind for name, kind in _TYPES.items())
        if well_typed and row.sequence != expected and _hash_of(row, expected, head) == row.hash:
            return Fault(
                problem=Problem.REORDERED,
                sequence=expected,
                detail=f'the entry written as {expected} stands at {row.sequence}',
            )
    return None


def _broken(row: sa.Row[Any], expected: int, head: str, rows: Rows) -> Fault:
    if row.sequence != expected:
        return Fault(
            problem=Problem.MISSING,
            sequence=expected,
            detail=f'entry {expected} is not there; the next one found is {row.sequence}',
        )
    follower = rows[expected] if expected < len(rows) else None
    true_hash = _hash_of(row, expected, head)
    if follower is not None and follower.previous_hash == true_hash:
        return Fault(
            problem=Problem.ALTERED,
            sequence=expected,
            detail=f'its hash is {row.hash}; its content and entry {follower.sequence} say '
            f'{true_hash}',
        )
    if row.previous_hash != head:
        return _previous_fault(row, expected, head)
    return Fault(
        problem=Problem.ALTERED,
        sequence=expected,
        detail=f'time, actor, kind or payload were changed{_hint(row)}: they give the hash '
        f'{true_hash}, the entry was written with {row.hash}',
    )


def _previous_fault(row: sa.Row[Any], expected: int, head: str) -> Fault:
    own = _hash_of(row, expected, row.previous_hash)
    what = (
        'an entry before it was removed or replaced'
        if own == row.hash
        else 'the entry was changed or put in by hand'
    )
    return Fault(
        problem=Problem.WRONG_PREVIOUS_HASH,
        sequence=expected,
        detail=f'it follows {row.previous_hash}, but the entry before it is {head}: {what}',
    )


def _content_fault(row: sa.Row[Any], head: str) -> Fault | None:
    if row.previous_hash != head:
        return Fault(
            problem=Problem.ALTERED,
            sequence=row.sequence,
            detail=f'its previous hash is {row.previous_hash}; its own hash says {head}',
        )
    try:
        decode_entry(row.kind, row.payload)
    except MedicellError as error:
        return Fault(problem=Problem.ALTERED, sequence=row.sequence, detail=error.message)
    return None


def _hint(row: sa.Row[Any]) -> str:
    try:
        decode_entry(row.kind, row.payload)
    except MedicellError as error:
        return f' ({error.message})'
    return ''


def end_fault(rows: Rows, expected_head: str | None) -> Fault | None:
    """Return what is wrong with the end of a sound chain; `expected_head` was written down."""
    if not rows:
        return Fault(
            problem=Problem.TRUNCATED, sequence=1, detail='there is no entry; a batch has some'
        )
    if expected_head is None or rows[-1].hash == expected_head:
        return None
    for row in rows:
        if row.hash == expected_head:
            if all(later.kind in SIGNATURES for later in rows[row.sequence :]):
                return None
            return Fault(
                problem=Problem.LONGER,
                sequence=row.sequence + 1,
                detail=f'entry {row.sequence} has the expected head; what follows is new',
            )
    return Fault(
        problem=Problem.TRUNCATED,
        sequence=rows[-1].sequence + 1,
        detail=f'the record ends with {rows[-1].hash}, expected is {expected_head}',
    )


def _hash_of(row: sa.Row[Any], sequence: int, previous_hash: str) -> str:
    return chain_hash(
        sequence=sequence,
        at_s=row.at_s,
        actor=row.actor,
        kind=row.kind,
        payload=row.payload,
        previous_hash=previous_hash,
    )
