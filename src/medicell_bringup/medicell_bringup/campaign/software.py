"""Software and its machine failing under a batch: processes killed, disks full."""

from __future__ import annotations

import os
import signal
import threading

from medicell_bringup.campaign.interfering import InPhase
from medicell_core.cell import Cell
from medicell_core.entries import Completed, Entry
from medicell_core.errors import ErrorCode, MedicellError
from medicell_orchestrator.batch import RecordSink
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_sim.world import World

WITHIN_S = 0.02
"""Wall seconds after an operation was sent within which its process is killed."""
SHORT_TURNS = 4
"""Turns of the engine for which a disk stays short of room."""


class ProcessKilled(InPhase):
    """The whole process is killed while an operation of the phase runs."""

    def turn(self, engine: BatchEngine, cell: Cell, world: World) -> None:
        """Kill this process soon, once an operation is under way."""
        if not self.struck and self.works(engine):
            self.strike()
            after_s = self.chance().uniform(0.0, WITHIN_S)
            threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL)).start()


class RecordNotWritten(InPhase):
    """The end of the phase's first operation cannot be recorded."""

    def record(self, record: RecordSink) -> RecordSink:
        """Return a record that once takes no entry."""
        return _Refusing(record, self)


class _Refusing:
    def __init__(self, record: RecordSink, by: RecordNotWritten) -> None:
        self._record = record
        self._by = by

    def append(self, entry: Entry, *, at_s: float, actor: str) -> object:
        """Append an entry; raises DISK_FULL once."""
        if (
            isinstance(entry, Completed)
            and self._by.in_phase(entry.operation_id)
            and not self._by.struck
        ):
            self._by.strike()
            raise MedicellError(ErrorCode.DISK_FULL, 'the record: no space left on device')
        return self._record.append(entry, at_s=at_s, actor=actor)


class DiskShort(InPhase):
    """A disk runs short of room while an operation of the phase runs."""

    _left = 0

    def turn(self, engine: BatchEngine, cell: Cell, world: World) -> None:
        """Be short of room for some turns, once an operation is under way."""
        if not self.struck and self.works(engine):
            self.strike()
            self._left = SHORT_TURNS

    def shortage(self) -> str:
        """Return what is short, for some turns."""
        self._left -= 1
        return 'the disk of the record has 1 MB left' if self._left >= 0 else ''
