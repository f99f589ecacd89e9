"""The batch that is to be archived: ended, and its record sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medicell_core.entries import BatchStarted
from medicell_core.errors import ErrorCode, InputError
from medicell_record.place import has_record, record_of
from medicell_record.record import BatchRecord, HashedEntry, RecordedEntry
from medicell_record.verify import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedBatch:
    """A batch that has ended, as its record tells it: decoded, and as it was hashed."""

    folder: Path
    started: BatchStarted
    entries: tuple[RecordedEntry, ...]
    hashed: tuple[HashedEntry, ...]

    @property
    def head(self) -> str:
        """The hash of the last entry."""
        return self.hashed[-1].hash


def read_ended(folder: Path, *, home: Path | None = None) -> EndedBatch:
    """Read the batch of a run's folder; `home` is the folder of the cells' state.

    Raises InputError for a folder without a record, a record that is not sound, and a batch that
    has not ended.
    """
    if not has_record(folder):
        raise InputError(ErrorCode.RECORD_UNREADABLE, 'holds no record', file=str(folder))
    checked = verify(record_of(folder), folder=folder, home=home)
    if not checked.sound:
        raise InputError(
            ErrorCode.CHAIN_BROKEN,
            f'is not exported: it is BROKEN, {checked.problem}: {checked.detail}',
            file=checked.name,
        )
    if not checked.closed:
        raise InputError(
            ErrorCode.NOT_ALLOWED_IN_STATE,
            'is not exported: the batch has not ended',
            file=checked.name,
        )
    with BatchRecord.open(record_of(folder), read_only=True) as record:
        entries, hashed = tuple(record.entries()), tuple(record.hashed_entries())
    started = entries[0].entry
    if not isinstance(started, BatchStarted) or hashed[-1].hash != checked.head_hash:
        raise InputError(
            ErrorCode.RECORD_UNREADABLE,
            'is not exported: it begins with no batch, or has grown since it was checked',
            file=checked.name,
        )
    return EndedBatch(folder=folder, started=started, entries=entries, hashed=hashed)
