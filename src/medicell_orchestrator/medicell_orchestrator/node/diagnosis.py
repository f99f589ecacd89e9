"""What /diagnostics says of the orchestrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from medicell_core.states import PackMLState
from medicell_ros.conversion import time_to_message

if TYPE_CHECKING:
    from medicell_orchestrator.engine.snapshot import BatchSnapshot


def diagnostics_message(
    name: str, state: PackMLState, alarm: str, batch: BatchSnapshot | None, now_s: float
) -> DiagnosticArray:
    """Return the orchestrator's health: ERROR out of contact, WARN while a person is asked."""
    question = None if batch is None else batch.question
    level = DiagnosticStatus.WARN if question else DiagnosticStatus.OK
    status = DiagnosticStatus(
        level=DiagnosticStatus.ERROR if alarm else level,
        name=name,
        message=alarm or ('a question is open' if question else state.name),
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
