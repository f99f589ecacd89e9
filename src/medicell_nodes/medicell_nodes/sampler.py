"""A thread that takes a sample each period of the cell's time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from medicell_core.clock import Clock, WallClock
from medicell_core.errors import MedicellError

STOP_S = 5.0
"""Wall seconds that the thread may take to end."""
_RETRY_S = 0.05
_LOG = logging.getLogger(__name__)


@runtime_checkable
class Registers(Protocol):
    """A clock that can be told of an owner before the owner's thread has come so far."""

    def register(self, owner: str) -> None:
        """Announce an owner without waiting: time waits for its `begin`."""
        ...


class Sampler:
    """Calls `take` at once and then every `period_s`, until stopped.

    When the clock fails, the sampler ends and `on_lost` is told, from its thread. `start`
    returns when a simulated clock knows of the sampler, so that the number of samples depends
    on simulated time alone.
    """

    def __init__(
        self,
        owner: str,
        clock: Clock,
        *,
        period_s: float,
        take: Callable[[], None],
        on_lost: Callable[[MedicellError], None],
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._period_s = period_s
        self._take = take
        self._on_lost = on_lost
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=owner, daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether samples are still taken."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Announce the sampler and start it; a sampler starts once."""
        if isinstance(self._clock, Registers):
            self._clock.register(self._owner)
        self._thread.start()

    def stop(self) -> bool:
        """End the sampler, asleep or not; returns whether it ended in time. Safe to call twice."""
        self._stopping = True
        deadline = time.monotonic() + STOP_S
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._wake()
            self._thread.join(_RETRY_S)
        return not self._thread.is_alive()

    def _wake(self) -> None:
        if isinstance(self._clock, WallClock):
            self._clock.close()
            return
        self._tell(self._clock.wake)

    def _tell(self, verb: Callable[[str], None]) -> None:
        try:
            verb(self._owner)
        except MedicellError as error:
            _LOG.debug('%s: %s', self._owner, error.message)

    def _run(self) -> None:
        try:
            self._clock.begin(self._owner)
            while not self._stopping:
                self._sample()
                self._clock.sleep(self._owner, self._period_s)
        except MedicellError as error:
            if not self._stopping:
                self._on_lost(error)
        finally:
            self._tell(self._clock.end)

    def _sample(self) -> None:
        """Take a sample; a failed one is told and does not end the sampler."""
        try:
            self._take()
        except Exception:
            _LOG.exception('%s: a sample failed', self._owner)
