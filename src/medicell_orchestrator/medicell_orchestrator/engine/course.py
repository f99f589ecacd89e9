"""The course of a batch: its PackML state, its phase and its outcome, each change recorded."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.entries import StateChanged
from medicell_core.errors import ErrorCode
from medicell_core.states import PackMLState
from medicell_orchestrator.batch import Batch

READY, FAILED, HELD, ABORTED = 'ready_for_release', 'failed_limits', 'held', 'aborted'
"""The outcomes of a batch."""

IN_HOLD = (PackMLState.HOLDING, PackMLState.HELD)
IN_SUSPENSION = (PackMLState.SUSPENDING, PackMLState.SUSPENDED, PackMLState.UNSUSPENDING)
OVER = (PackMLState.COMPLETE, PackMLState.ABORTED, PackMLState.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """With which outcome a batch is to end, and why."""

    outcome: str
    reason: str


class Course:
    """Where a batch stands. Any thread may read it; the engine's thread changes it."""

    def __init__(self, batch: Batch) -> None:
        self.state = PackMLState.IDLE
        self.phase = ''
        """The phase that began last, by its path in the recipe; empty before the first."""
        self.outcome = ''
        """Empty until the batch is closed."""
        self._batch = batch
        self._phases = sum(1 for _ in batch.recipe.phases())
        self._begun = 0

    @property
    def over(self) -> bool:
        """Whether the batch has ended."""
        return bool(self.outcome)

    @property
    def progress(self) -> float:
        """Fraction of the procedure that is done, 0 to 1."""
        return 1.0 if self.over else max(0, self._begun - 1) / self._phases

    def go(self, state: PackMLState, reason: str) -> None:
        """Record a change of the state, and come to it."""
        self._batch.append(
            StateChanged(from_state=self.state.name, to_state=state.name, reason=reason)
        )
        self.state = state

    def entered(self, phase: str) -> None:
        """Take note that a phase begins."""
        self.phase = phase
        self._begun += 1

    def noted(self, code: ErrorCode, text: str, action: str) -> None:
        """Record what came from outside in this phase, and keeps the batch from nothing."""
        self._batch.deviation(self.phase, code, text, action, recovered=True)

    def overcame(self, text: str, action: str) -> None:
        """Record a loss of communication in this phase that the batch has got over."""
        self.noted(ErrorCode.COMMUNICATION_LOST, text, action)
