"""A device that cannot be reached, as the orchestrator meets it: at its seam to the cell."""

from __future__ import annotations

from medicell_bringup.campaign.interfering import InPhase
from medicell_core.cell import Cell, LostContact, OnSend, untold
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Operation, Outcome, Role
from medicell_sim.world import World

SILENT_WAITS = 2
"""For how many waits of the orchestrator a device is out of contact that comes back."""


class CutCell:
    """A :class:`medicell_core.cell.Cell` by way of another; the link to a device may be cut."""

    def __init__(self, cell: Cell, by: InPhase) -> None:
        self._cell = cell
        self._by = by
        self.cut = ''
        """The operation whose device was cut off; empty before."""
        self.role: Role | None = None

    def now_s(self) -> float:
        """Return the cell's time in seconds since the Unix epoch."""
        return self._cell.now_s()

    def start(self, role: Role, goal: Operation, *, on_send: OnSend = untold) -> None:
        """Send a goal; the first of the phase is the one on whose way the link is cut."""
        if not self._by.struck and self._by.in_phase(goal.operation_id):
            self._by.strike()
            self.cut, self.role = goal.operation_id, role
        self.send(role, goal, on_send)

    def send(self, role: Role, goal: Operation, on_send: OnSend) -> None:
        """Pass a goal on."""
        self._cell.start(role, goal, on_send=on_send)

    def take_up(
        self, role: Role, goal: Operation, *, journal: str, lost: bool, cancelled: bool
    ) -> None:
        """Pass a goal on that may have been sent before."""
        self._cell.take_up(role, goal, journal=journal, lost=lost, cancelled=cancelled)

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return how an operation ended, or None while it runs or nobody has told."""
        return self._cell.outcome(operation_id)

    def lost(self) -> tuple[LostContact, ...]:
        """Return the device that cannot be reached."""
        return self._cell.lost()

    def cancel(self, operation_id: str) -> None:
        """Ask for an operation to end early."""
        self._cell.cancel(operation_id)

    def stop(self, reason: str) -> None:
        """Bring every device to its safe state now."""
        self._cell.stop(reason)

    def clear(self) -> None:
        """Bring every device out of its safe state."""
        self._cell.clear()

    def wait(self, timeout_s: float) -> None:
        """Block until there is news."""
        self._cell.wait(timeout_s)

    def wake(self) -> None:
        """Let `wait` return now."""
        self._cell.wake()

    def given_up(self, operation_id: str) -> Outcome:
        """Return what an operation ends with whose device cannot be reached any more."""
        text = f'{operation_id}: {self.role}: out of contact'
        lost = MedicellError(ErrorCode.COMMUNICATION_LOST, text)
        return Outcome.of_error(lost, at_s=self.now_s())


class ContactLost(InPhase):
    """A device is out of contact while it works, and then tells what it has done."""

    def cell(self, cell: Cell, world: World) -> Cell:
        """Return a cell in which that happens."""
        return _Silent(cell, self)


class _Silent(CutCell):
    _waits = SILENT_WAITS

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return how an operation ended, of a device that is in contact."""
        return None if self._away(operation_id) else self._cell.outcome(operation_id)

    def lost(self) -> tuple[LostContact, ...]:
        """Return the device that is out of contact."""
        if self.role is None or not self._away(self.cut):
            return ()
        return (LostContact(role=self.role, operation_ids=(self.cut,)),)

    def wait(self, timeout_s: float) -> None:
        """Block until there is news; the device comes back after some waits."""
        self._cell.wait(timeout_s)
        if self.cut:
            self._waits -= 1

    def _away(self, operation_id: str) -> bool:
        return operation_id == self.cut and self._waits > 0


class AnswerLost(InPhase):
    """A device does its work, and nobody hears of it."""

    def cell(self, cell: Cell, world: World) -> Cell:
        """Return a cell in which that happens."""
        return _Unheard(cell, self)


class _Unheard(CutCell):
    def outcome(self, operation_id: str) -> Outcome | None:
        """Return how an operation ended; of the one that is cut off, that it was given up."""
        outcome = self._cell.outcome(operation_id)
        return self.given_up(operation_id) if outcome and operation_id == self.cut else outcome


class GoalLost(InPhase):
    """A goal never reaches its device."""

    def cell(self, cell: Cell, world: World) -> Cell:
        """Return a cell in which that happens."""
        return _Unreached(cell, self)


class _Unreached(CutCell):
    def send(self, role: Role, goal: Operation, on_send: OnSend) -> None:
        """Pass a goal on, unless its device is cut off."""
        if goal.operation_id != self.cut:
            self._cell.start(role, goal, on_send=on_send)

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return how an operation ended; of the one that is cut off, that it was given up."""
        if operation_id == self.cut:
            return self.given_up(operation_id)
        return self._cell.outcome(operation_id)
