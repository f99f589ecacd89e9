"""One running operation: its time in steps, its progress, and whether it may go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from medicell_core.clock import Clock
from medicell_core.errors import ErrorCode, MedicellError, OperationFailed
from medicell_core.operations import Operation, Outcome, Progress
from medicell_record.journal import OperationJournal

OnProgress = Callable[[Progress], None]
OnDone = Callable[[Outcome], None]
_LOG = logging.getLogger(__name__)


class RunningOperation:
    """The OperationContext of a server's operation, and the handle that ends it early."""

    def __init__(
        self,
        goal: Operation,
        clock: Clock,
        *,
        step_s: float,
        lanes: frozenset[str],
        journal: OperationJournal,
        on_progress: OnProgress,
        on_done: OnDone,
    ) -> None:
        self.goal = goal
        self.lanes = lanes
        self._clock = clock
        self._journal = journal
        self._step_s = step_s
        self._on_progress = [on_progress]
        self._on_done = [on_done]
        self._lock = threading.Lock()
        self._end: OperationFailed | None = None
        self._fraction = 0.0
        self._last_step = ''

    @property
    def owner(self) -> str:
        """The operation's id, under which it takes time."""
        return self.goal.operation_id

    @property
    def clock(self) -> Clock:
        """The clock of the cell."""
        return self._clock

    @property
    def journal(self) -> OperationJournal:
        """The device's journal, for the steps of an operation that has several."""
        return self._journal

    def sleep(self, duration_s: float, *, step: str = '') -> None:
        """Let time pass in steps; raises CANCELLED or STOPPED within one step."""
        self.check()
        if step and step != self._last_step:
            self.report(self._fraction, step)
        left_s = duration_s
        while left_s > 0.0:
            now_s = min(left_s, self._step_s)
            self._sleep_step(now_s)
            left_s -= now_s
            self.check()

    def _sleep_step(self, duration_s: float) -> None:
        try:
            self._clock.sleep(self.owner, duration_s)
        except MedicellError:
            self.check()
            raise

    def check(self) -> None:
        """Raise CANCELLED or STOPPED if the operation must end now."""
        with self._lock:
            if self._end is not None:
                raise self._end

    def report(self, fraction_done: float, step: str) -> None:
        """Publish progress (0 to 1) with a short text; what fails here stops no movement."""
        self._fraction = min(1.0, max(0.0, fraction_done))
        self._last_step = step
        for told in list(self._on_progress):
            try:
                told(Progress(fraction_done=self._fraction, step=step))
            except Exception:
                _LOG.exception('%s: progress was not told', self.owner)

    def listen(self, on_progress: OnProgress) -> None:
        """Tell one more listener of its progress."""
        self._on_progress.append(on_progress)

    def join(self, other: RunningOperation) -> None:
        """Tell another's listeners too: the same goal was sent again while it runs."""
        with self._lock:
            self._on_progress += other._on_progress
            self._on_done += other._on_done
            if self._end is None:
                self._end = other._end

    def tell_end(self, outcome: Outcome) -> None:
        """Tell everyone who listens how it ended; whom it cannot be told costs nobody else."""
        for told in list(self._on_done):
            try:
                told(outcome)
            except Exception:
                _LOG.exception('%s: its end was not told', self.owner)

    @property
    def ending(self) -> bool:
        """Whether it is to end at its next step."""
        with self._lock:
            return self._end is not None

    def end_early(self, code: ErrorCode, reason: str) -> None:
        """Have the operation end at its next step; the first reason counts."""
        with self._lock:
            if self._end is None:
                self._end = OperationFailed(code, reason)
