"""What is read of checkpoints: beside a record, in the cells' anchors, and by which keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medicell_core.errors import InputError
from medicell_record.anchor.checkpoints import Checkpoint, parse_checkpoint
from medicell_record.anchor.files import lines_of
from medicell_record.anchor.keys import PublicKey
from medicell_record.anchor.place import ANCHOR_FILE, COPY_FILE, PUBLIC_FILE, cells_with_state
from medicell_record.canonical import canonical_json
from medicell_record.checking.chain import Rows
from medicell_record.checking.problems import Fault, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to look: the record itself, the run's folder, the cells' state, a key that is known.

    `folder` is None where the record has none, `home` where it is the user's own; `key` is the
    file of the public key to trust instead of those that are pinned here.
    """

    record: str
    folder: Path | None
    home: Path | None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A checkpoint whose signature holds, and the file and line where it stands.

    `cell` is the state folder of the cell whose anchor has it; None for one beside the record.
    """

    checkpoint: Checkpoint
    where: str
    cell: Path | None = None


class CheckpointFault(Exception):
    """Carries a fault out of the reading of files."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What the cells know of a record, and notes on what in their files could not be taken.

    `here` is the last checkpoint of whatever record is known to have stood at this place.
    """

    found: tuple[Found, ...]
    here: Found | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The public keys of the cells that have their state here, or that one which was given."""

    pinned: tuple[tuple[Path, PublicKey], ...]
    beside: PublicKey | None
    given: PublicKey | None
    notes: tuple[str, ...] = ()
    """Of the cells whose key cannot be read: what they know is not looked at."""

    @classmethod
    def at(cls, place: Place) -> Keys:
        """Read them; raises InputError for one beside the record, or given, that is no key."""
        beside = None if place.folder is None else place.folder / PUBLIC_FILE
        pinned: list[tuple[Path, PublicKey]] = []
        notes: list[str] = []
        try:
            cells = list(cells_with_state(place.home))
        except (InputError, OSError) as error:
            cells = []
            notes.append(f'what the cells know was not looked at: {error}')
        for cell in cells:
            try:
                pinned.append((cell, PublicKey.read(cell / PUBLIC_FILE)))
            except InputError as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    notes.append(_passed_over(cell, error))
        return cls(
            pinned=tuple(pinned),
            notes=tuple(notes),
            beside=PublicKey.read(beside) if beside is not None and beside.is_file() else None,
            given=None if place.key is None else PublicKey.read(place.key),
        )

    @property
    def trusted(self) -> tuple[PublicKey, ...]:
        """By what a record's checkpoints and signatures must be signed; the strictest known."""
        if self.given is not None:
            return (self.given,)
        if self.pinned:
            return tuple(key for _, key in self.pinned)
        return () if self.beside is None else (self.beside,)

    @property
    def are_pinned(self) -> bool:
        """Whether the trusted keys come from elsewhere than the record's own folder."""
        return self.given is not None or bool(self.pinned)


def check_key(place: Place, keys: Keys) -> None:
    """Raise for a key beside the record that is none of those to be trusted."""
    known = [item.key_id for item in keys.trusted]
    if keys.beside is not None and keys.beside.key_id not in known:
        assert place.folder is not None
        raise CheckpointFault(
            _other_key(f'{place.folder / PUBLIC_FILE} is', keys.beside.key_id, known)
        )


def read_beside(rows: Rows, place: Place, keys: Keys) -> list[Found]:
    """Return the checkpoints in the run's folder; raises for one that is not of this record."""
    if place.folder is None:
        return []
    found: list[Found] = []
    path = place.folder / COPY_FILE
    try:
        lines = _lines(path, keys.trusted)
    except OSError as error:
        raise CheckpointFault(_altered(str(path), f'cannot be read: {error}')) from error
    for line in lines:
        checkpoint = line.checkpoint
        if checkpoint is None:
            raise CheckpointFault(line.fault)
        run = found[0].checkpoint.run if found else checkpoint.run
        if checkpoint.record != rows[0].hash or checkpoint.run != run:
            raise CheckpointFault(
                Fault(
                    problem=Problem.OTHER_RECORD,
                    sequence=1,
                    detail=f'{line.where} is of another record: of run {checkpoint.run}, whose '
                    f'first entry has the hash {checkpoint.record}',
                )
            )
        found.append(Found(checkpoint=checkpoint, where=line.where))
    return found


def read_anchors(rows: Rows, place: Place, keys: Keys) -> Anchors:
    """Return the checkpoints of this record that the cells keep.

    Raises for a line of it that does not hold, and for another record at its place where this
    one is not known. What is wrong with lines that are not of it says nothing against it: one
    cell's file, which holds all of its records, must not stop those of the others.
    """
    found: list[Found] = []
    notes: list[str] = []
    here: Found | None = None
    names = (rows[0].hash, canonical_json(place.record))
    given = () if keys.given is None else (keys.given,)
    for cell, key in keys.pinned:
        bad: list[_Line] = []
        try:
            lines = _lines(cell / ANCHOR_FILE, (key, *given))
        except OSError as error:
            notes.append(_passed_over(cell, error))
            continue
        for line in lines:
            item = line.checkpoint
            if item is None:
                if any(name in line.text for name in names):
                    raise CheckpointFault(line.fault)
                bad.append(line)
                continue
            told = Found(checkpoint=item, where=line.where, cell=cell)
            if item.record == rows[0].hash:
                found.append(told)
            if item.place == place.record and (here is None or here.checkpoint.at_s <= item.at_s):
                here = told
        if bad:
            notes.append(
                f'lines of {cell / ANCHOR_FILE} that do not hold, and name neither this record '
                f'nor its place: {len(bad)}; the first is {bad[0].fault.detail}'
            )
    if here is not None and not found:
        raise CheckpointFault(_other_record(here))
    return Anchors(found=tuple(found), here=here, notes=tuple(notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of a file: its checkpoint, or what is wrong with it."""

    where: str
    text: str
    checkpoint: Checkpoint | None
    fault: Fault
    """What is wrong with it where it is no checkpoint."""


def _lines(path: Path, keys: Sequence[PublicKey]) -> list[_Line]:
    return [
        _line(text, f'{path}:{number}', keys)
        for number, text in enumerate(lines_of(path), start=1)
    ]


def _line(text: str, where: str, keys: Sequence[PublicKey]) -> _Line:
    try:
        checkpoint = parse_checkpoint(text)
    except ValueError as error:
        return _Line(where=where, text=text, checkpoint=None, fault=_altered(where, str(error)))
    key = next((item for item in keys if item.key_id == checkpoint.key), None)
    if key is None:
        known = [item.key_id for item in keys]
        fault = _other_key(f'{where} is signed by', checkpoint.key, known)
        return _Line(where=where, text=text, checkpoint=None, fault=fault)
    fault = _altered(where, f'the key {key.key_id} has not signed that')
    holds = checkpoint.is_signed_by(key)
    return _Line(where=where, text=text, checkpoint=checkpoint if holds else None, fault=fault)


def _other_record(elsewhere: Found) -> Fault:
    last = elsewhere.checkpoint
    return Fault(
        problem=Problem.OTHER_RECORD,
        sequence=1,
        detail=f'{elsewhere.where} tells of another record at this place, of batch '
        f'{last.batch or "without a name"} with {last.entries} entries; of this one the cell '
        'knows nothing',
    )


def _passed_over(cell: Path, error: Exception) -> str:
    return f'what the cell {cell.name} knows was not looked at: {error}'


def _other_key(what: str, key_id: str, known: Sequence[str]) -> Fault:
    return Fault(
        problem=Problem.OTHER_KEY,
        sequence=None,
        detail=f'{what} the key {key_id}; to be trusted here: {", ".join(known) or "none"}; '
        '`medicell verify --key` takes that of another cell',
    )


def _altered(where: str, why: str) -> Fault:
    return Fault(problem=Problem.CHECKPOINT_ALTERED, sequence=None, detail=f'{where}: {why}')
