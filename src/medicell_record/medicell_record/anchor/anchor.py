"""The anchor of a record that is being written: its checkpoints in two files outside of it."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from medicell_core.clock import Clock, WallClock
from medicell_core.entries import BatchClosed, BatchStarted, Entry, Signature
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.anchor.checkpoints import Checkpoint, parse_checkpoint
from medicell_record.anchor.files import LOCK_S, append_line, lines_of, write_new
from medicell_record.anchor.keys import SigningKey, cell_key
from medicell_record.anchor.place import ANCHOR_FILE, COPY_FILE, PUBLIC_FILE

_LOG = logging.getLogger(__name__)

DEFAULT_EVERY = 50
"""Entries between two checkpoints: so many can be lost unseen to a cut-off end (R)."""


class Anchor:
    """Signs checkpoints of one record: at its first entry, every so many, and at its end.

    They go to `anchor.jsonl` in the cell's state folder, where those of all its records are, and
    to `checkpoints.jsonl` in the folder of the run, with the public key beside it.

    The first one of a new record must succeed. A later one that cannot be written stops no batch:
    it is tried again with every further entry. `fault` says why it failed, and it is logged once.

    With a `known_head` the record that is taken up must have it: what came after it was checked
    is signed by nobody.
    """

    def __init__(
        self,
        *,
        state: Path,
        folder: Path,
        every: int = DEFAULT_EVERY,
        clock: Clock | None = None,
        known_head: str = '',
    ) -> None:
        if every < 1:
            raise ValueError(f'every is {every}; must be 1 or more')
        self.fault = ''
        self._files = (state / ANCHOR_FILE, folder / COPY_FILE)
        try:
            self._key: SigningKey = cell_key(state)
        except OSError as error:
            raise _unusable(state, error) from error
        self._public_file = folder / PUBLIC_FILE
        self._every = every
        self._clock = WallClock() if clock is None else clock
        self._record = self._run = self._batch = self._place = ''
        self._signed = 0
        self._seen = (0, '')
        self._known_head = known_head

    @property
    def key(self) -> SigningKey:
        """The cell's key."""
        return self._key

    def attach(
        self, *, place: str, record: str, first: Entry, entries: int, head: str, new: bool
    ) -> None:
        """Begin with a record that has entries, and sign a checkpoint.

        One that is not `new` goes on under the name of its run; that its checkpoint cannot be
        written keeps it from nothing, unless its head was to be a known one.

        Raises InputError, and CHAIN_BROKEN for another head than the one that is known.
        """
        if self._known_head not in ('', head):
            raise MedicellError(ErrorCode.CHAIN_BROKEN, f'{place} has grown since it was checked')
        self._record = record
        self._batch = first.batch_id if isinstance(first, BatchStarted) else ''
        self._place = place if '://' in place else os.path.abspath(place)
        self._seen = (entries, head)
        try:
            self._run = ('' if new else self._run_before()) or uuid.uuid4().hex
            write_new(self._public_file, self._key.public.pem, mode=0o644)
            self._sign()
        except OSError as error:
            if new or self._known_head or not self._run:
                raise _unusable(self._files[0].parent, error) from error
            self._failed(error)

    def appended(self, *, entries: int, head: str, entry: Entry) -> None:
        """Take note of an entry that is in the record, and sign when it is time."""
        self._seen = (entries, head)
        due = entries - self._signed >= self._every
        if due or self.fault or isinstance(entry, (BatchClosed, Signature)):
            self._try_to_sign()

    def closing(self) -> None:
        """Sign what has been written since the last checkpoint."""
        if self._record and self._seen[0] > self._signed:
            self._try_to_sign()

    def _run_before(self) -> str:
        """Return the name of this run when the record was begun by another process.

        What stands beside the record tells. Where nothing does, the one run that the cell knows
        of this record is it, wherever the folder is now: a copy has no end of its own. Of
        several, rehearsals that begin alike, it is the last one at this place.
        """
        here = [item for item in self._read(self._files[1]) if item.record == self._record]
        kept = [item for item in self._read(self._files[0]) if item.record == self._record]
        if not here and len({item.run for item in kept}) > 1:
            kept = [item for item in kept if item.place == self._place]
        known = here or kept
        return known[-1].run if known else ''

    @staticmethod
    def _read(path: Path) -> Iterator[Checkpoint]:
        for line in lines_of(path):
            # What is altered is for the check to find, and stops no batch.
            with suppress(ValueError):
                yield parse_checkpoint(line)

    def _try_to_sign(self) -> None:
        try:
            self._sign()
        except OSError as error:
            self._failed(error)
        else:
            if self.fault:
                _LOG.info('%s: a checkpoint at entry %d', self._place, self._signed)
            self.fault = ''

    def _failed(self, error: OSError) -> None:
        before, self.fault = self.fault, f'no checkpoint at entry {self._seen[0]}: {error}'
        if not before:
            _LOG.error('%s: %s; it is tried again with every entry', self._place, self.fault)

    def _sign(self) -> None:
        entries, head = self._seen
        checkpoint = Checkpoint(
            record=self._record,
            run=self._run,
            batch=self._batch,
            place=self._place,
            entries=entries,
            head=head,
            at_s=self._clock.now_s(),
            key='',
        ).signed(self._key)
        for path in self._files:
            # Where the last one failed, the batch has waited long enough.
            append_line(path, checkpoint.line, patience_s=0.0 if self.fault else LOCK_S)
        self._signed = entries


def _unusable(state: Path, error: OSError) -> InputError:
    return InputError(
        ErrorCode.RECORD_UNREADABLE,
        f'a record cannot be anchored here: {error}; the parameter state_dir names another folder',
        file=str(state),
    )
