"""What every driver is: verbs that take an operation and a context, and a way to stop.

A driver class has one method per operation of its role, named in snake case
(`transfer(goal, context) -> TransferResult`), plus the members of :class:`Driver`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from medicell_core.clock import Clock
from medicell_core.operations import Role
from medicell_record.journal import OperationJournal


class OperationContext(Protocol):
    """What a running operation holds: its time, its progress, and whether it may go on."""

    @property
    def owner(self) -> str:
        """The operation's id, under which it takes time."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock of the cell."""
        ...

    @property
    def journal(self) -> OperationJournal:
        """The device's journal, for the steps of an operation that has several."""
        ...

    def sleep(self, duration_s: float, *, step: str = '') -> None:
        """Let time pass in steps; raises CANCELLED or STOPPED within one step."""
        ...

    def check(self) -> None:
        """Raise CANCELLED or STOPPED if the operation must end now."""
        ...

    def report(self, fraction_done: float, step: str) -> None:
        """Publish progress (0 to 1) with a short text."""
        ...


Moving = Callable[[OperationContext], AbstractContextManager[None]]
"""Holds the instrument for one movement; raises CANCELLED or STOPPED before it."""


class Driver(Protocol):
    """The part that all drivers share; the verbs are per role in `contracts` modules."""

    role: Role

    def connect(self) -> None:
        """Reach the instrument; safe to call twice. Raises HARDWARE_FAULT."""
        ...

    def stop(self) -> None:
        """Bring the instrument to its safe state now: pumps off, valves shut. Safe twice."""
        ...

    def reset(self) -> None:
        """Leave the safe state; the next operation may start. Safe to call twice."""
        ...

    def telemetry(self) -> dict[str, float]:
        """Return the instrument's readings now, units in the keys; takes less than 100 ms."""
        ...

    def health(self) -> dict[str, str]:
        """Return what diagnostics should show; an entry `fault` only when there is one."""
        ...
