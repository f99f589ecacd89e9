"""Whether the wall's clock is set while a batch runs by it."""

from __future__ import annotations

import time
from collections.abc import Callable

from medicell_core.clock import Clock

NOTED = 'noted: a duration across it is not that between the times of the record'
"""What is done about it; by it the deviation is known from those of the recipe's steps."""

LEAST_S = 2.0
"""Seconds by which the clock must be set at once to be told; time servers slew it by less (R)."""


class ClockWatch:
    """Holds the wall's clock against `steady`, which nobody sets."""

    def __init__(self, wall: Clock, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._ahead_s = self._now_ahead_s()

    def look(self) -> str:
        """Return by how much the clock was set since the last look; empty if it was not."""
        before_s, self._ahead_s = self._ahead_s, self._now_ahead_s()
        set_s = self._ahead_s - before_s
        if abs(set_s) < LEAST_S:
            return ''
        way = 'forward' if set_s > 0.0 else 'back'
        return f"the wall's clock was set {way} by {abs(set_s):.1f} s"

    def _now_ahead_s(self) -> float:
        return self._wall.now_s() - self._steady()
