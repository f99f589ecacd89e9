"""What /diagnostics says of the orchestrator."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from medicell_core.states import PackMLState
from medicell_ros.conversion import time_to_message

if TYPE_CHECKING:
    from medicell_orchestrator.engine.snapshot import BatchSnapshot

STANDS_S = 1.5
"""Wall seconds after which a clock that stands while a batch is made is told (R): looked at each
second, and told within 2.
"""


class StandingClock:
    """For how long the cell's time has not moved on, by `steady`, which nobody sets.

    A simulated cell that computes for long stands too, and so does one whose world is paused.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._now_s = -1.0
        self._since_s = steady()

    def look(self, now_s: float, *, awaited: bool) -> str:
        """Return how long time has stood while it was awaited; empty if it was not for long."""
        if now_s != self._now_s or not awaited:
            self._now_s, self._since_s = now_s, self._steady()
        stood_s = self._steady() - self._since_s
        return f'the clock has stood for {stood_s:.1f} s' if stood_s >= STANDS_S else ''


def diagnostics_message(
    name: str,
    state: PackMLState,
    batch: BatchSnapshot | None,
    now_s: float,
    *,
    alarm: str,
    warning: str,
) -> DiagnosticArray:
    """Return the orchestrator's health: ERROR by an alarm, WARN while a person is asked."""
    question = None if batch is None else batch.question
    warning = warning or ('a question is open' if question else '')
    level = DiagnosticStatus.WARN if warning else DiagnosticStatus.OK
    status = DiagnosticStatus(
        level=DiagnosticStatus.ERROR if alarm else level,
        name=name,
        message=alarm or warning or state.name,
        values=[KeyValue(key='state', value=state.name)],
    )
    if batch is not None:
        status.values += [
            KeyValue(key='batch', value=batch.batch_id),
            KeyValue(key='phase', value=batch.phase),
            KeyValue(key='question', value='' if question is None else question.question_id),
        ]
    array = DiagnosticArray(status=[status])
    array.header.stamp = time_to_message(now_s)
    return array
