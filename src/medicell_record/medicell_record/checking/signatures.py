"""The signatures of a record: each made here, for this, by who may, in their order."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from medicell_core.entries import Signature
from medicell_record.checking.chain import Rows
from medicell_record.checking.checkpoints import moment
from medicell_record.checking.problems import Fault, Problem
from medicell_record.checking.sources import Keys
from medicell_record.record import RecordedEntry, decode_entry
from medicell_record.signing.rules import Intent, why_not
from medicell_record.signing.seal import is_sealed
from medicell_record.signing.standing import days_since_end

UNSEALED = 'the seals of the signatures were not checked: no key of a cell was found'
UNTOLD_CELL = (
    'no checkpoint tells which cell made the record: that its own people signed it cannot be known'
)


def check_signatures(
    rows: Rows, keys: Keys, *, first_key: str
) -> tuple[Fault | None, tuple[str, ...]]:
    """Return the first signature of a sound chain that does not hold, or notes for people.

    `first_key` names the key of the record's first checkpoint: the cell that made a record is
    the one whose people sign it. Empty where there is no checkpoint.
    """
    if not any(row.kind == Signature.__name__ for row in rows):
        return None, ()
    before: list[RecordedEntry] = []
    notes: list[str] = []
    for row in rows:
        entry = decode_entry(row.kind, row.payload)
        if isinstance(entry, Signature):
            fault = (
                _moved(row, entry, rows)
                or _forged(row, entry, keys)
                or _of_another_cell(row, entry, first_key)
                or _out_of_order(row, entry, before)
            )
            if fault is not None:
                return fault, ()
            notes.append(_told(row, entry))
        before.append(
            RecordedEntry(sequence=row.sequence, at_s=row.at_s, actor=row.actor, entry=entry)
        )
    if not keys.trusted:
        notes.append(UNSEALED)
    elif not first_key:
        notes.append(UNTOLD_CELL)
    return None, tuple(notes)


def _moved(row: sa.Row[Any], entry: Signature, rows: Rows) -> Fault | None:
    if entry.record != rows[0].hash:
        return _fault(
            Problem.MOVED_SIGNATURE,
            row,
            f'{_who(entry)} signed another record, whose first entry has the hash {entry.record}',
        )
    if entry.entries != row.sequence - 1 or entry.head != row.previous_hash:
        return _fault(
            Problem.MOVED_SIGNATURE,
            row,
            f'{_who(entry)} signed entries 1 to {entry.entries} with the head {entry.head}; '
            f'before it stand {row.sequence - 1} with {row.previous_hash}',
        )
    return None


def _forged(row: sa.Row[Any], entry: Signature, keys: Keys) -> Fault | None:
    if not keys.trusted:
        return None
    key = next((item for item in keys.trusted if item.key_id == entry.key), None)
    if key is None:
        known = ', '.join(item.key_id for item in keys.trusted)
        return _fault(
            Problem.OTHER_KEY, row, f'sealed by the key {entry.key}; to be trusted here: {known}'
        )
    if not is_sealed(row.payload, at_s=row.at_s, key=key):
        detail = f'the key {entry.key} has not sealed this of {_who(entry)}'
        return _fault(Problem.FORGED_SIGNATURE, row, detail)
    return None


def _of_another_cell(row: sa.Row[Any], entry: Signature, first_key: str) -> Fault | None:
    if first_key in ('', entry.key):
        return None
    return _fault(
        Problem.OTHER_KEY,
        row,
        f'sealed by the key {entry.key}; the record was begun by the cell with the key '
        f'{first_key}, and is signed by the people of that one',
    )


def _out_of_order(row: sa.Row[Any], entry: Signature, before: list[RecordedEntry]) -> Fault | None:
    try:
        days = days_since_end(before, at_s=row.at_s, told=entry.days)
        intent = Intent.of(entry, days=days)
    except ValueError as error:
        return _fault(Problem.FORGED_SIGNATURE, row, str(error))
    why = why_not([item.entry for item in before], intent)
    return _fault(Problem.OUT_OF_SEQUENCE, row, why) if why else None


def _fault(problem: Problem, row: sa.Row[Any], detail: str) -> Fault:
    return Fault(problem=problem, sequence=row.sequence, detail=detail)


def _who(entry: Signature) -> str:
    return f'{entry.printed_name} ({entry.signer})'


def _told(row: sa.Row[Any], entry: Signature) -> str:
    return f'signed: {entry.what} by {_who(entry)}, {entry.role}, on {moment(row.at_s)}'
