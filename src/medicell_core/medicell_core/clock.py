"""Time as devices and orchestrator see it: the wall on hardware, the world in simulation."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where an operation takes its time from.

    An *owner* is what waits: the `operation_id` of a running operation, or a sampler such as
    `sampler/incubator`. In simulation, time stands still while any owner has begun and is
    neither sleeping nor ended, so nothing depends on how fast a process happens to run.
    """

    def now_s(self) -> float:
        """Return the time in seconds since the Unix epoch."""
        ...

    def begin(self, owner: str) -> None:
        """Announce an owner; in simulation blocks until it is this owner's turn."""
        ...

    def sleep(self, owner: str, duration_s: float) -> None:
        """Block for a duration of this clock's time (zero or more seconds)."""
        ...

    def wake(self, owner: str) -> None:
        """End an owner's sleep before its time: it raises CANCELLED. Safe to call twice."""
        ...

    def end(self, owner: str) -> None:
        """Announce that an owner needs no more time. Safe to call twice."""
        ...


class WallClock:
    """The clock of real hardware; `wake` lets a closing process leave every sleep at once."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def now_s(self) -> float:
        """Return the wall clock's time in seconds since the Unix epoch."""
        return time.time()

    def begin(self, owner: str) -> None:
        """Do nothing: real time needs no permission."""

    def sleep(self, owner: str, duration_s: float) -> None:
        """Block for `duration_s` of wall time, or until the clock is closed."""
        self._closed.wait(max(0.0, duration_s))

    def wake(self, owner: str) -> None:
        """Do nothing: sleeps on the wall are short, and `close` ends them all."""

    def end(self, owner: str) -> None:
        """Do nothing: real time needs no permission."""

    def close(self) -> None:
        """End every sleep now, and those to come."""
        self._closed.set()
