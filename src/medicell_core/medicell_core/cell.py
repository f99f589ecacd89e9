"""The cell as the orchestrator holds it: start an operation, hear how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from medicell_core.operations import Operation, Outcome, Role

OnSend = Callable[[str], None]
"""Is told the identity of the device's journal for which a goal is sent, before it is sent."""


def untold(journal: str) -> None:
    """Take no note of the journal for which a goal is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostContact:
    """A device out of contact, and the operations whose answers are waited for from it."""

    role: Role
    operation_ids: tuple[str, ...]


class Cell(Protocol):
    """The orchestrator's one way to the devices; over ROS, or in the same process."""

    def now_s(self) -> float:
        """Return the cell's time in seconds since the Unix epoch."""
        ...

    def start(self, role: Role, goal: Operation, *, on_send: OnSend = untold) -> None:
        """Send a goal as soon as it may be; returns at once. A refusal arrives as an outcome too.

        `on_send` is called once, before the first sending; never for one that is not sent.
        """
        ...

    def take_up(
        self, role: Role, goal: Operation, *, journal: str, lost: bool, cancelled: bool
    ) -> None:
        """Send a goal of which a process before this one may have sent it; returns at once.

        Only a device with the `journal` of the first sending is asked: that one knows. One that
        was given up as `lost` has an outcome: it is only made sure that it will not begin. One
        that is `cancelled` does not begin if it has not, ends early if it runs, and answers.
        """
        ...

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return how an operation ended, or None while it runs."""
        ...

    def lost(self) -> tuple[LostContact, ...]:
        """Return the devices that are waited for and cannot be reached; they may come back."""
        ...

    def cancel(self, operation_id: str) -> None:
        """Ask for an operation to end early; its outcome still arrives."""
        ...

    def stop(self, reason: str) -> None:
        """Bring every device to its safe state now."""
        ...

    def clear(self) -> None:
        """Bring every device out of its safe state."""
        ...

    def wait(self, timeout_s: float) -> None:
        """Say what is outstanding, then block until an outcome, a `wake` or wall `timeout_s`."""
        ...

    def wake(self) -> None:
        """Let `wait` return now; may be called from any thread."""
        ...
