"""Who makes the batch of a folder: one process at a time, with a sign of life for the next one."""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from medicell_core.clock import Clock, WallClock
from medicell_core.errors import ErrorCode, MedicellError
from medicell_orchestrator.resuming.taking_up import Absence

FILE = 'orchestrator.alive'
"""In the batch's folder: the lock, and by whom and when it was held last."""

BEAT_S, BEAT_CELL_S = 1.0, 30.0
"""Wall seconds, and seconds of the cell, between two signs of life, whichever come first: in a
simulation at full speed a wall second is hours.
"""

_LOG = logging.getLogger(__name__)
_WIDTH = 255
"""Bytes of the sign: always as many, so that none is ever left over from a longer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSign:
    """The last sign of life: of which process, when by the cell's clock and when by the wall."""

    process: str
    cell_s: float
    wall_s: float
    settled: bool = False
    """Whether the cell's time is known to be that of its process's end."""


class Tenure:
    """The right to make the batch of a folder; it ends with the process that has it.

    Raises BATCH_RUNNING, naming the process, when another one has it. `last` is the sign of the
    one before; None in a folder without.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self._clock = WallClock() if clock is None else clock
        self._beaten_s = self._beaten_cell_s = -math.inf
        self._process = f'process {os.getpid()} on {platform.node()}'
        self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o644)
        self.last = _sign_in(os.pread(self._file, _WIDTH, 0))
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            holder = 'another process' if self.last is None else self.last.process
            raise MedicellError(
                ErrorCode.BATCH_RUNNING, f'{folder}: {holder} makes this batch'
            ) from error
        # Whoever comes now is told of this process, and when the one before it was there last.
        before = self.last or LastSign(process='', cell_s=-math.inf, wall_s=self._clock.now_s())
        self._write(replace(before, process=self._process))

    def beat(self, cell_s: float) -> None:
        """Give a sign of life at a time of the cell, if the last one is long enough ago.

        One that cannot be written is logged, and the next one is due as ever: no batch ends by it.
        """
        wall_s = self._clock.now_s()
        if (
            abs(wall_s - self._beaten_s) < BEAT_S
            and abs(cell_s - self._beaten_cell_s) < BEAT_CELL_S
        ):
            return
        self._beaten_s, self._beaten_cell_s = wall_s, cell_s
        self._write(LastSign(process=self._process, cell_s=cell_s, wall_s=wall_s))

    def settle(self, cell_s: float) -> float:
        """Say when by the cell's clock the process before this one ended, and return it.

        What was said first is kept until the next sign of life: a cell whose time goes on
        meanwhile is taken up after the same gap, however often that is tried.
        """
        if self.last is None or not self.last.settled:
            wall_s = self._clock.now_s() if self.last is None else self.last.wall_s
            self.last = LastSign(process=self._process, cell_s=cell_s, wall_s=wall_s, settled=True)
            self._write(self.last)
        return self.last.cell_s

    def _write(self, sign: LastSign) -> None:
        text = json.dumps(asdict(sign))
        try:
            os.pwrite(self._file, text[:_WIDTH].ljust(_WIDTH - 1).encode() + b'\n', 0)
        except OSError as error:
            _LOG.warning('no sign of life of the batch: %s', error)

    def absence(self, *, by: str, software_version: str = '') -> Absence:
        """Return for how long nobody has made the batch, by the last sign before this process."""
        if self.last is None:
            return Absence(by=by, software_version=software_version)
        return Absence(
            by=by,
            software_version=software_version,
            seen_s=self.last.cell_s,
            down_s=max(0.0, self._clock.now_s() - self.last.wall_s),
        )

    def close(self) -> None:
        """Give the right up."""
        os.close(self._file)


def _sign_in(data: bytes) -> LastSign | None:
    """Return the sign of life that a file holds; None when a crash has torn it."""
    try:
        said = json.loads(data)
        return LastSign(
            process=str(said['process']),
            cell_s=float(said['cell_s']),
            wall_s=float(said['wall_s']),
            settled=bool(said.get('settled', False)),
        )
    except (ValueError, KeyError, TypeError):
        return None
