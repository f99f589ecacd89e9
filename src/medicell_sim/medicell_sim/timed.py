"""The part of the world that is its clock."""

from __future__ import annotations

from collections.abc import Callable

from medicell_sim.timeline import Timeline


class TimedWorld:
    """Implements Clock; `timeline` serves callers that must not block."""

    def __init__(
        self,
        *,
        start_s: float,
        paused_until_idle: bool,
        speed: float,
        leap_limit_s: float,
        rest_pace: float,
        on_time: Callable[[float], None] | None,
        on_step: Callable[[float], None] | None = None,
    ) -> None:
        self.timeline = Timeline(
            start_s=start_s,
            paused_until_idle=paused_until_idle,
            speed=speed,
            leap_limit_s=leap_limit_s,
            rest_pace=rest_pace,
            on_time=on_time,
            on_step=on_step,
        )

    def now_s(self) -> float:
        """Return the time in seconds since the Unix epoch."""
        return self.timeline.now_s()

    def begin(self, owner: str) -> None:
        """Announce an owner and block until its turn."""
        self.timeline.begin(owner)

    def sleep(self, owner: str, duration_s: float) -> None:
        """Block for a duration of simulated time."""
        self.timeline.sleep(owner, duration_s)

    def end(self, owner: str) -> None:
        """Announce that an owner needs no more time."""
        self.timeline.end(owner)

    def wake(self, owner: str) -> None:
        """Give an owner that sleeps the next turn; its sleep raises CANCELLED."""
        self.timeline.wake(owner)

    def register(self, owner: str) -> None:
        """Announce an owner without waiting."""
        self.timeline.register(owner)

    def close(self) -> None:
        """End every sleep with WORLD_CLOSED."""
        self.timeline.close()

    def idle(self, sequence: int, outstanding: list[str]) -> None:
        """Take the orchestrator's word on what it waits for."""
        self.timeline.idle(sequence, outstanding)
