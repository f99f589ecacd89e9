"""What the tree's leaves ask of the engine, whether a batch goes on or through its record."""

from __future__ import annotations

from collections.abc import Callable

from medicell_core.entries import Answer, Command
from medicell_orchestrator.engine.course import Course
from medicell_orchestrator.engine.ordering import Orders
from medicell_orchestrator.engine.suspending import Suspension
from medicell_orchestrator.phase import Ask
from medicell_orchestrator.resuming.history import History


class EngineDesk:
    """A :class:`medicell_orchestrator.behaviours.Desk`; `changed` is called with a question."""

    def __init__(
        self,
        history: History,
        course: Course,
        orders: Orders,
        suspension: Suspension,
        changed: Callable[[], None],
    ) -> None:
        self._history = history
        self._course = course
        self._orders = orders
        self._suspension = suspension
        self._changed = changed

    @property
    def holding(self) -> bool:
        """Whether nothing new may be started."""
        return self._orders.holding

    @property
    def may_send(self) -> bool:
        """Whether something new may be started: not when held, nor until a device is back."""
        if not self._history.over:
            return isinstance(self._history.next, Command)
        return not self.holding and not self._suspension.lasts

    def ask(self, request: Ask) -> None:
        """Put a question to a person; the batch is Held until it is answered."""
        self._orders.ask(request)
        self._changed()

    def answer_to(self, request: Ask) -> Answer | None:
        """Return the answer to a question once, or None while there is none."""
        return self._orders.answer_to(request)

    def entered(self, path: str) -> None:
        """Take note that a phase begins."""
        self._course.entered(path)
