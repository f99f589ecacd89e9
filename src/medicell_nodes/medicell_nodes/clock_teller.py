"""Tells the cell's time: the newest one, and not more often than its hearers need."""

from __future__ import annotations

import threading
from collections.abc import Callable

PAUSE_S = 0.05
"""Wall seconds between two tellings: each of them wakes every node of the cell."""
PERIOD_S = 0.5
"""Wall seconds after which the time is told again though it stands, for nodes that came since."""


class ClockTeller:
    """Calls `publish` with the newest time from a thread of its own, until closed.

    Steps of time that follow each other within `PAUSE_S` are told as one: in leaps there are
    hundreds of them a second.
    """

    def __init__(self, publish: Callable[[float], None]) -> None:
        self._publish = publish
        self._now_s: float | None = None
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name='clock', daemon=True)
        self._thread.start()

    def tell(self, now_s: float) -> None:
        """Take a new time, to be told soon; from any thread, never blocks."""
        self._now_s = now_s
        self._changed.set()

    def close(self) -> None:
        """Tell no more; safe to call twice."""
        self._closing.set()
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(PAUSE_S):
            self._changed.wait(PERIOD_S)
            self._changed.clear()
            if self._now_s is not None and not self._closing.is_set():
                self._publish(self._now_s)
