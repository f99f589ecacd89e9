"""The checkpoints of a record against its rows: what the chain alone cannot tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from medicell_record.anchor.checkpoints import Checkpoint
from medicell_record.checking.chain import Rows
from medicell_record.checking.problems import Fault, Problem
from medicell_record.checking.sources import (
    CheckpointFault,
    Found,
    Keys,
    Place,
    check_key,
    read_anchors,
    read_beside,
)

NOT_ANCHORED = (
    'not anchored: no checkpoint of this record was found; that its end was cut off, or the whole '
    'of it replaced by an older or another one, cannot be excluded'
)
COPY_ALONE = (
    'only the checkpoints beside the record were found: who could write into its folder could '
    'take the end of both away, which cannot be excluded'
)
COPY_GONE = 'the checkpoints beside the record are not there; those of the cell were taken'


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchorage:
    """By what a sound record is held from outside of it.

    `runs` are the names of all runs that the cells know to begin as this record does, and
    `beside` whether checkpoints beside the record tell which it is.

    `key` names the key of its first checkpoint, empty where there is none. `vouched` has, for each
    cell whose own anchor knows the record, the state folder and the number of entries up to which
    it does.
    """

    runs: tuple[str, ...] = ()
    beside: bool = False
    key: str = ''
    vouched: tuple[tuple[Path, int], ...] = ()

    def entries_of(self, cell: Path) -> int:
        """Return up to which entry a cell's own anchor vouches for the record; 0 for nothing."""
        return max((entries for state, entries in self.vouched if state == cell), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is found outside of a record: a fault, or notes for people and what holds it."""

    fault: Fault | None = None
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    anchorage: Anchorage = Anchorage()


def check_checkpoints(rows: Rows, place: Place, keys: Keys) -> Outside:
    """Return what the checkpoints say against a sound chain, or for it."""
    try:
        check_key(place, keys)
        beside = read_beside(rows, place, keys)
        anchors = read_anchors(rows, place, keys)
    except CheckpointFault as error:
        return Outside(fault=error.fault)
    anchored, further = anchors.found, (*keys.notes, *anchors.notes)
    faults = []
    for run in _runs(beside, anchored, place):
        kept = [item for item in anchored if item.checkpoint.run == run]
        fault = _fork([*beside, *kept]) or _first_against(rows, [*beside, *kept], beside, place)
        if fault is None:
            return Outside(
                notes=(
                    *_notes(rows, beside, kept, keys),
                    *_taken_place(anchors.here, run),
                    *further,
                ),
                anchorage=_anchorage(beside, kept, anchored),
            )
        faults.append(fault)
    if faults:
        return Outside(fault=faults[-1])
    return Outside(notes=(*_notes(rows, beside, (), keys), *further))


def _taken_place(here: Found | None, run: str) -> Iterator[str]:
    """Yield a note when the last record that is known to have stood here is another one."""
    if here is not None and here.checkpoint.run != run:
        last = here.checkpoint
        yield (
            f'another record stood at this place: {here.where} knows one of batch '
            f'{last.batch or "without a name"} with {last.entries} entries there on '
            f'{moment(last.at_s)}; that this is the one that you look for cannot be told'
        )


def _anchorage(
    beside: Sequence[Found], kept: Sequence[Found], anchored: Sequence[Found]
) -> Anchorage:
    known = [item.checkpoint for item in (*beside, *kept)]
    first = min(known, key=lambda item: (item.entries, item.at_s))
    return Anchorage(
        runs=tuple(dict.fromkeys(item.checkpoint.run for item in anchored)),
        beside=bool(beside),
        key=first.key,
        vouched=tuple(
            (item.cell, item.checkpoint.entries) for item in kept if item.cell is not None
        ),
    )


def _runs(beside: Sequence[Found], anchored: Sequence[Found], place: Place) -> list[str]:
    """Return the runs that this record may be of: one, unless nothing beside it tells.

    Rehearsals with one seed begin alike, so that the cell may know several.
    """
    for known in (
        beside,
        [item for item in anchored if item.checkpoint.place == place.record][-1:],
        anchored,
    ):
        if known:
            return list(dict.fromkeys(item.checkpoint.run for item in known))
    return []


def _fork(found: Sequence[Found]) -> Fault | None:
    """Return the first entry at which one record went on in two ways, in two places."""
    first: dict[int, Found] = {}
    for item in sorted(found, key=lambda item: item.checkpoint.entries):
        other = first.setdefault(item.checkpoint.entries, item)
        if other.checkpoint.head != item.checkpoint.head:
            ends = '; '.join(
                f'{end.where} has the head {end.checkpoint.head} of {end.checkpoint.place}'
                for end in (other, item)
            )
            return Fault(
                problem=Problem.FORKED,
                sequence=item.checkpoint.entries,
                detail=f'the record was copied, and went on in both places: {ends}',
            )
    return None


def _first_against(
    rows: Rows, found: Sequence[Found], beside: Sequence[Found], place: Place
) -> Fault | None:
    for item in sorted(found, key=lambda item: item.checkpoint.entries):
        said = f'the checkpoint of {moment(item.checkpoint.at_s)} in {item.where}'
        if item.checkpoint.place != place.record:
            said += f', when the record was at {item.checkpoint.place},'
        fault = _against(rows, item.checkpoint, said, beside)
        if fault is not None:
            return fault
    return None


def _against(
    rows: Rows, checkpoint: Checkpoint, said: str, beside: Sequence[Found]
) -> Fault | None:
    if checkpoint.entries > len(rows):
        older = bool(beside) and all(item.checkpoint.entries <= len(rows) for item in beside)
        what = (
            'the whole folder is an older copy'
            if older
            else 'the end was cut off, or an older copy was put in its place'
        )
        return Fault(
            problem=Problem.OLDER_COPY if older else Problem.TRUNCATED,
            sequence=len(rows) + 1,
            detail=f'entries {len(rows) + 1} to {checkpoint.entries} are missing: {said} knows '
            f'them; {what}',
        )
    row = rows[checkpoint.entries - 1]
    if row.hash == checkpoint.head:
        return None
    good = [
        item.checkpoint.entries
        for item in beside
        if item.checkpoint.entries < checkpoint.entries
        and rows[item.checkpoint.entries - 1].hash == item.checkpoint.head
    ]
    first = max(good, default=0) + 1
    return Fault(
        problem=Problem.REWRITTEN,
        sequence=first,
        detail=f'among entries {first} to {checkpoint.entries} the chain was made anew: {said} '
        f'has the head {checkpoint.head}, the record has {row.hash}',
    )


def _notes(
    rows: Rows, beside: Sequence[Found], anchored: Sequence[Found], keys: Keys
) -> tuple[str, ...]:
    found = [item.checkpoint for item in (*beside, *anchored)]
    if not found:
        return (NOT_ANCHORED,)
    last = max(found, key=lambda item: item.entries)
    count = len({item.signature for item in found})
    notes = [
        f'anchored: {count} checkpoints by the key {last.key}, the last at entry {last.entries} '
        f'on {moment(last.at_s)}'
    ]
    if last.entries < len(rows):
        notes.append(
            f'entries {last.entries + 1} to {len(rows)} are vouched for by nobody: no checkpoint '
            'covers them; that they were changed, or that more stood behind them, cannot be '
            'excluded'
        )
    if not anchored:
        notes.append(COPY_ALONE)
    if not beside:
        notes.append(COPY_GONE)
    if not keys.are_pinned:
        notes.append(
            f'the key {last.key} stands beside the record: compare it with that of the cell, '
            'which `./medicell users` prints there'
        )
    return tuple(notes)


def moment(at_s: float) -> str:
    """Return a time for people, to the second."""
    return datetime.fromtimestamp(at_s, timezone.utc).strftime('%Y-%m-%d %H:%M:%S UTC')
