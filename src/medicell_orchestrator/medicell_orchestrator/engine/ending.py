"""How a batch ends: its devices stopped and heard, its labels counted, its record closed."""

from __future__ import annotations

import time
from collections.abc import Callable

from py_trees.behaviour import Behaviour
from py_trees.common import Status

from medicell_core.entries import BatchClosed, StateChanged
from medicell_core.errors import ErrorCode
from medicell_core.states import PackMLState
from medicell_orchestrator.batch import Batch
from medicell_orchestrator.behaviours import failure_of, steps_below, was_aborted
from medicell_orchestrator.engine.course import ABORTED, FAILED, HELD, READY, Course, End
from medicell_orchestrator.engine.ordering import Orders
from medicell_record.release.labels import label_balance

STOP_S = 10.0
"""Wall seconds that stopped devices may take to say what became of their operations."""


class Ending:
    """Ends one batch; `changed` is called when it has ended. Belongs to the engine's thread."""

    def __init__(
        self,
        batch: Batch,
        course: Course,
        orders: Orders,
        root: Behaviour,
        changed: Callable[[], None],
    ) -> None:
        self.end: End | None = None
        """How the batch will end whose devices are being stopped; None before."""
        self._deadline_s = 0.0
        self._batch = batch
        self._course = course
        self._orders = orders
        self._root = root
        self._changed = changed

    def finish(self) -> None:
        """End the batch as its tree has ended: released or not, aborted or Held."""
        if self._root.status is Status.SUCCESS:
            failed = self._batch.failed_limits
            self._complete(FAILED if failed else READY, '; '.join(failed) or 'all limits met')
            return
        failure = failure_of(self._root)
        reason = 'failed' if failure is None else failure.message
        if failure is not None and failure.code is ErrorCode.LIMIT_FAILED:
            self._complete(FAILED, reason)
        else:
            outcome = ABORTED if was_aborted(self._root) else HELD
            self.stop(End(outcome=outcome, reason=reason))

    def stop(self, end: End) -> None:
        """Stop the cell; the batch ends when every device has said what became of its work."""
        self._batch.cell.stop(end.reason)
        # Before the entry: where a record ends with it, the batch is taken up as one that ends.
        self.end = end
        self.grant_time()
        self._course.go(PackMLState.ABORTING, end.reason)
        self.await_devices(end)

    def grant_time(self) -> None:
        """Give the devices their full time to answer, from now."""
        self._deadline_s = time.monotonic() + STOP_S

    def await_devices(self, end: End) -> None:
        """Close the record if every device has answered, or has had its time."""
        running = [leaf for leaf in steps_below(self._root) if leaf.collect()]
        if running and not self._waited_enough():
            return
        reason = end.reason
        if running:
            lost = ', '.join(key for leaf in running for key in leaf.outstanding)
            reason = f'{reason}; no answer within {STOP_S:g} s from: {lost}'
        self._close(end.outcome, PackMLState.ABORTED, reason)

    def fail(self, error: BaseException) -> None:
        """End the batch after a defect; it is over even if the record cannot be written."""
        reason = f'defect of the software: {error!r}'
        try:
            self._batch.cell.stop(reason)
            self._close(ABORTED, PackMLState.ABORTED, reason)
        finally:
            self._course.state, self._course.outcome = PackMLState.ABORTED, ABORTED

    def _waited_enough(self) -> bool:
        if self._batch.history.over:
            return time.monotonic() >= self._deadline_s
        told = self._batch.history.next
        return isinstance(told, StateChanged) and told.to_state == PackMLState.ABORTED.name

    def _complete(self, outcome: str, reason: str) -> None:
        self._course.go(PackMLState.COMPLETING, reason)
        self._close(outcome, PackMLState.COMPLETE, reason)

    def _close(self, outcome: str, state: PackMLState, reason: str) -> None:
        self._course.go(state, reason)
        labels = label_balance(self._batch.entries)
        if labels.printed or labels.unaccounted:
            self._batch.append(labels)
        figures = self._batch.closing_figures()
        self._batch.append(BatchClosed(outcome=outcome, reason=reason, figures=figures))
        self._orders.withdraw_question()
        self._course.outcome = outcome
        self._changed()
