"""The cell in one process: the devices' operation servers and the world, without ROS."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol

from medicell_core.cell import LostContact, OnSend, untold
from medicell_core.errors import MedicellError
from medicell_core.operations import Operation, Outcome, Progress, Role
from medicell_devices.server import OperationServer
from medicell_record.journal import mark_of
from medicell_sim.port import WorldControl, WorldPort


class LocalWorld(WorldPort, WorldControl, Protocol):
    """What `medicell_sim.world.World` is to this module."""


class LocalCell:
    """A :class:`medicell_core.cell.Cell` on servers of the same process.

    `start` and `wait` belong to the engine's thread; the other verbs may be called from any.
    Before `wait` blocks, the world is told which operations are outstanding: those started
    whose outcome has not been read. Time stands still until it has been told.
    """

    def __init__(
        self, servers: Mapping[Role, OperationServer], world: LocalWorld, *, sequence: int = 0
    ) -> None:
        self._servers = dict(servers)
        self._world = world
        self._sequence = sequence
        self._changed = threading.Condition()
        self._news = False
        self._running: dict[str, Role] = {}
        self._outcomes: dict[str, Outcome] = {}

    def successor(self) -> LocalCell:
        """Return another cell on the same devices, as a new orchestrator has; this one is done."""
        return LocalCell(self._servers, self._world, sequence=self._sequence)

    def now_s(self) -> float:
        """Return the world's time in seconds since the Unix epoch."""
        return self._world.now_s()

    def start(self, role: Role, goal: Operation, *, on_send: OnSend = untold) -> None:
        """Submit a goal; a refusal arrives as an outcome too."""
        on_send(self._servers[role].journal_identity)
        self._submit(role, goal, b'')

    def _submit(
        self, role: Role, goal: Operation, journal_mark: bytes, *, cancelled: bool = False
    ) -> None:
        key = goal.operation_id
        with self._changed:
            self._running[key] = role
        self._servers[role].submit(
            goal,
            on_progress=_ignore,
            on_done=lambda outcome: self._take(key, outcome),
            cancelled=cancelled,
            journal_mark=journal_mark,
        )

    def take_up(
        self, role: Role, goal: Operation, *, journal: str, lost: bool, cancelled: bool
    ) -> None:
        """Submit a goal that may have been submitted before, to the device that knows of it.

        Nothing is ever given up as `lost` here: devices of the same process answer.
        """
        if not lost:
            self._submit(role, goal, mark_of(journal), cancelled=cancelled)

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return how an operation ended, or None while it runs."""
        with self._changed:
            outcome = self._outcomes.get(operation_id)
            if outcome is not None:
                self._running.pop(operation_id, None)
            return outcome

    def lost(self) -> tuple[LostContact, ...]:
        """Return nothing: devices of the same process cannot go out of contact."""
        return ()

    def cancel(self, operation_id: str) -> None:
        """Ask for an operation to end early."""
        with self._changed:
            role = self._running.get(operation_id)
        if role is not None and self._servers[role].cancel(operation_id):
            # At once, so that no time goes by before it ends, however the threads are run.
            self._world.wake(operation_id)

    def stop(self, reason: str) -> None:
        """Bring every device to its safe state now."""
        for server in self._servers.values():
            server.stop(reason)

    def clear(self) -> None:
        """Bring every device out of its safe state; raises the first device's refusal."""
        refusals: list[MedicellError] = []
        for server in self._servers.values():
            try:
                server.clear()
            except MedicellError as error:
                refusals.append(error)
        if refusals:
            raise refusals[0]

    def wait(self, timeout_s: float) -> None:
        """Say what is outstanding, then block until an outcome, a `wake` or the timeout."""
        with self._changed:
            if not self._news:
                self._sequence += 1
                self._world.idle(self._sequence, sorted(self._running))
                self._changed.wait_for(lambda: self._news, timeout_s)
            self._news = False

    def wake(self) -> None:
        """Let `wait` return now."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def _take(self, key: str, outcome: Outcome) -> None:
        with self._changed:
            self._outcomes[key] = outcome
            self._news = True
            self._changed.notify_all()


def _ignore(progress: Progress) -> None:
    """Drop progress: nobody watches a batch in one process."""
