"""The cell while a batch goes through its record: it answers as it did, and asks no device."""

from __future__ import annotations

import math

from medicell_core.cell import Cell, LostContact, OnSend, untold
from medicell_core.entries import Cleared, Completed
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import OBSERVES, OPERATIONS, Operation, Outcome, Result, Role
from medicell_core.serialise import from_json
from medicell_orchestrator.resuming.history import History
from medicell_orchestrator.resuming.journals import KnownJournals


class RecordedCell:
    """A :class:`medicell_core.cell.Cell` that answers from a history until that is over.

    An outcome is told when it is the history's next entry, so that outcomes come in the order
    in which they came. Afterwards everything goes to `live`, and what the history has commanded
    and not answered is asked there under its own id. Belongs to the engine's thread, but for
    `stop` and `wake`.
    """

    def __init__(self, history: History, live: Cell, journals: KnownJournals) -> None:
        self._journals = journals
        self._history = history
        self._live = live
        self._commands = history.commands()
        self._started: dict[str, tuple[Operation, OnSend]] = {}
        self._cancelled: set[str] = set()
        self._unsent: dict[str, Outcome] = {}
        """What was commanded, never sent, and is not to be."""

    def now_s(self) -> float:
        """Return the live cell's time."""
        return self._live.now_s()

    def start(self, role: Role, goal: Operation, *, on_send: OnSend = untold) -> None:
        """Take note of a goal that was commanded; one that may have been sent is asked for."""
        key = goal.operation_id
        if not self._history.over:
            self._started[key] = (goal, on_send)
        elif key in self._commands:
            self._take_up(key, goal, on_send)
        else:
            self._live.start(role, goal, on_send=on_send)

    def take_up(
        self, role: Role, goal: Operation, *, journal: str, lost: bool, cancelled: bool
    ) -> None:
        """Hand on to the live cell."""
        self._live.take_up(role, goal, journal=journal, lost=lost, cancelled=cancelled)

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return how an operation ended if the history tells it next; else None."""
        if self._history.over:
            return self._unsent.get(operation_id) or self._live.outcome(operation_id)
        told = self._history.next
        if not isinstance(told, Completed) or told.operation_id != operation_id:
            return None
        at_s = self._history.next_s if told.timed else math.nan
        code = ErrorCode(told.error_code)
        result = _result_of(self._commands[operation_id].command.operation, told)
        return Outcome(error_code=code, error_msg=told.error_msg, result=result, at_s=at_s)

    def lost(self) -> tuple[LostContact, ...]:
        """Return who is out of contact now; the history has its own word of what was."""
        return self._live.lost() if self._history.over else ()

    def cancel(self, operation_id: str) -> None:
        """Take note that it was cancelled, for one that has not ended."""
        if self._history.over:
            self._live.cancel(operation_id)
        else:
            self._cancelled.add(operation_id)

    def stop(self, reason: str) -> None:
        """Stop the live devices; what was stopped in the history has been."""
        if self._history.over:
            self._live.stop(reason)

    def clear(self) -> None:
        """Clear the live devices, or end as the history tells."""
        if self._history.over:
            self._live.clear()
            return
        told = self._history.next
        if not isinstance(told, Cleared):
            raise self._history.stuck()
        if told.error_code != ErrorCode.OK:
            raise MedicellError(ErrorCode(told.error_code), told.error_msg)

    def wait(self, timeout_s: float) -> None:
        """Wait with the live cell."""
        self._live.wait(timeout_s)

    def wake(self) -> None:
        """Wake the live cell."""
        self._live.wake()

    def go_live(self, *, cancelled: bool) -> None:
        """Ask the live devices what has become of what was sent, each under its own id.

        What has not begun of it is not to begin any more when all is `cancelled`.
        """
        if cancelled:
            self._cancelled.update(self._started)
        for key, (goal, on_send) in self._started.items():
            code = self._commands[key].code
            if code is None or (
                code is ErrorCode.COMMUNICATION_LOST and not isinstance(goal, OBSERVES)
            ):
                self._take_up(key, goal, on_send)

    def _take_up(self, key: str, goal: Operation, on_send: OnSend) -> None:
        """Go on with a goal; one that was never sent is a new one, or is none if it was lost."""
        known = self._commands[key]
        lost, cancelled = known.code is not None, key in self._cancelled
        journal = self._journals.of(key)
        if journal is not None:
            self._live.take_up(known.role, goal, journal=journal, lost=lost, cancelled=cancelled)
        elif cancelled and not lost:
            never = MedicellError(ErrorCode.CANCELLED, f'{key}: was never sent')
            self._unsent[key] = Outcome.of_error(never, at_s=self._live.now_s())
        elif not lost:
            self._live.start(known.role, goal, on_send=on_send)


def _result_of(operation: str, told: Completed) -> Result | None:
    """Return the result as it was told: one without fields came if all was well."""
    kind = OPERATIONS[operation].result
    if told.result or told.error_code == ErrorCode.OK:
        return from_json(kind, told.result)
    return None
