"""What tests of devices have in common: goals, the balance, a server with what it said."""

from __future__ import annotations

import threading
from collections.abc import Callable

from medicell_core.operations import Operation, Outcome, Progress, Role
from medicell_devices.contract import Driver
from medicell_devices.server import DeviceStatus, OperationServer
from medicell_devices.testing.bench import Bench
from medicell_devices.testing.goals import VALID
from medicell_record.journal import MemoryJournal

WAIT_S = 20.0


def goal(bench: Bench, cls: type[Operation], **changes: object) -> Operation:
    """Return a goal that can be met, but for what is changed."""
    return bench.goal(cls, **{**VALID[cls], **changes})


def balanced(bench: Bench) -> None:
    """Assert that the world has lost nothing and made nothing."""
    balance = bench.world.balance()
    assert balance.volume_error_pct < 0.1
    assert balance.cells_error_pct < 0.1


class Served:
    """A server on a bench, with what it said."""

    def __init__(
        self,
        bench: Bench,
        role: Role,
        *,
        driver: Driver | None = None,
        journal: MemoryJournal | None = None,
    ) -> None:
        self.bench = bench
        self.journal = MemoryJournal() if journal is None else journal
        self.statuses: list[DeviceStatus] = []
        self.outcomes: dict[str, Outcome] = {}
        self.progress: list[Progress] = []
        self._done = threading.Condition()
        self.server = OperationServer(
            driver or bench.driver(role),
            bench.world,
            self.journal,
            on_status=self.statuses.append,
        )

    def submit(
        self, *goals: Operation, progress: Callable[[Progress], None] | None = None
    ) -> None:
        self.bench.await_only(*(goal.operation_id for goal in goals))
        for goal in goals:
            self.server.submit(
                goal,
                on_progress=progress or self.progress.append,
                on_done=lambda outcome, key=goal.operation_id: self._take(key, outcome),
            )

    def outcome(self, goal: Operation) -> Outcome:
        """Wait for a goal's outcome; the wait is bounded."""
        with self._done:
            came = self._done.wait_for(lambda: goal.operation_id in self.outcomes, WAIT_S)
            assert came, f'no outcome of {goal.operation_id} within {WAIT_S} s'
            outcome = self.outcomes.pop(goal.operation_id)
        self.bench.await_only()
        return outcome

    def run_all(self, *goals: Operation) -> dict[str, Outcome]:
        """Submit goals together and wait for all; time goes on for those that still run."""
        self.submit(*goals)
        left = {goal.operation_id for goal in goals}
        found: dict[str, Outcome] = {}
        while left:
            with self._done:
                came = self._done.wait_for(lambda: left & self.outcomes.keys(), WAIT_S)  # noqa: B023
                assert came, f'no outcome of {left} within {WAIT_S} s'
                found |= {key: self.outcomes.pop(key) for key in left & self.outcomes.keys()}
                left -= found.keys()
            self.bench.await_only(*left)
        return found

    def run(self, goal: Operation) -> Outcome:
        self.submit(goal)
        return self.outcome(goal)

    def _take(self, key: str, outcome: Outcome) -> None:
        with self._done:
            self.outcomes[key] = outcome
            self._done.notify_all()
