"""Simulated time: whose turn it is, and how far the clock may go before the next one."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from medicell_core.errors import ErrorCode, MedicellError, OperationRefused

Callback = Callable[[MedicellError | None], None]
"""Told once that it is the owner's turn (None), or why it never will be."""

_WALL_STEP_S = 0.1
"""Wall seconds between two steps while a batch follows the wall."""
_REST_STEP_S = 0.5
"""The same while nothing is awaited: each step is told to every node of the cell."""
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sleeper:
    """An owner that waits for its turn; without a callback it is announced, not yet there."""

    wake_s: float
    callback: Callback | None
    woken: bool = False


class Timeline:
    """Time for many owners, of whom at most one runs.

    Turns go by (time, owner), so their order depends on nothing but the durations asked for.
    Nothing moves unless no owner runs and every operation named by the last `idle` sleeps
    here. With no operation named, time passes at `rest_pace` (simulated over wall time, 0
    stands); before the first word it stands (`paused_until_idle`) or passes likewise. `on_step`
    is told of a new time before it is one, with a lock held; `on_time` afterwards. When `on_step`
    raises a MedicellError, time stands for good, and every sleep ends with that error.
    """

    def __init__(
        self,
        *,
        start_s: float,
        paused_until_idle: bool,
        speed: float,
        leap_limit_s: float,
        rest_pace: float = 1.0,
        on_time: Callable[[float], None] | None = None,
        on_step: Callable[[float], None] | None = None,
    ) -> None:
        if not speed > 0.0:
            raise OperationRefused(ErrorCode.INVALID_GOAL, f'speed: {speed} is not above 0')
        self._now_s = start_s
        self._speed = speed
        if not 0.0 <= rest_pace < math.inf:
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'rest_pace: {rest_pace} is not a finite number from 0'
            )
        self._rest_pace = rest_pace
        self._leap_limit_s = leap_limit_s
        self._paused = paused_until_idle
        self._on_time = on_time
        self._on_step = on_step
        self._failure: MedicellError | None = None
        self._changed = threading.Condition(threading.Lock())
        self._sleepers: dict[str, _Sleeper] = {}
        self._running: str | None = None
        self._running_woken = False
        self._sequence = -1
        self._outstanding: frozenset[str] = frozenset()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name='timeline', daemon=True)
        self._thread.start()

    @property
    def running(self) -> str:
        """The owner whose turn it is; empty when nobody's."""
        return self._running or ''

    def now_s(self) -> float:
        """Return the time in seconds since the Unix epoch."""
        return self._now_s

    def register(self, owner: str) -> None:
        """Announce an owner without waiting: its turn comes now, and time waits for its begin."""
        with self._changed:
            self._require_open()
            if owner not in self._sleepers and owner != self._running:
                self._sleepers[owner] = _Sleeper(self._now_s, None)
                self._changed.notify_all()

    def begin_async(self, owner: str, callback: Callback, *, wake_s: float = -math.inf) -> None:
        """Announce an owner; `callback` is called, from any thread, when its turn comes.

        That is not before `wake_s`, for one that slept when the world's process died. Raises
        INVALID_GOAL when the owner has begun already, WORLD_CLOSED after `close`.
        """
        with self._changed:
            self._require_open()
            known = self._sleepers.get(owner)
            if owner == self._running or (known is not None and known.callback is not None):
                raise OperationRefused(
                    ErrorCode.INVALID_GOAL, f'owner: "{owner}" has begun and not ended'
                )
            begins_s = self._now_s if known is None else known.wake_s
            self._sleepers[owner] = _Sleeper(max(begins_s, wake_s), callback)
            self._changed.notify_all()

    def sleep_async(self, owner: str, duration_s: float, callback: Callback) -> None:
        """Let an owner's turn end; `callback` is called when its next one comes.

        Raises INVALID_GOAL when it is not this owner's turn or the duration is not finite.
        """
        if not math.isfinite(duration_s):
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'duration_s: {duration_s} is not finite'
            )
        with self._changed:
            self._require_open()
            if owner != self._running:
                raise OperationRefused(
                    ErrorCode.INVALID_GOAL, f'owner: it is not the turn of "{owner}" to sleep'
                )
            self._running = None
            self._sleepers[owner] = _Sleeper(
                self._now_s + max(0.0, duration_s), callback, self._running_woken
            )
            self._changed.notify_all()

    def begin(self, owner: str) -> None:
        """Announce an owner and block until its turn; raises WORLD_CLOSED."""
        self._block(lambda callback: self.begin_async(owner, callback))

    def sleep(self, owner: str, duration_s: float) -> None:
        """Block an owner for a duration of simulated time; raises WORLD_CLOSED."""
        self._block(lambda callback: self.sleep_async(owner, duration_s, callback))

    def end(self, owner: str) -> None:
        """Forget an owner; if it sleeps, its sleep raises CANCELLED. Safe to call twice."""
        with self._changed:
            sleeper = self._sleepers.pop(owner, None)
            if self._running == owner:
                self._running = None
            self._changed.notify_all()
        if sleeper is not None and sleeper.callback is not None:
            sleeper.callback(_cancelled(owner))

    def wake(self, owner: str) -> None:
        """Give an owner that sleeps the next turn: its sleep raises CANCELLED, and it runs.

        It runs until it sleeps again or ends, whether or not time may go on. For an owner that
        runs already, its next sleep is the one. Safe to call twice.
        """
        with self._changed:
            sleeper = self._sleepers.get(owner)
            if owner == self._running:
                self._running_woken = True
            if sleeper is not None and sleeper.callback is not None:
                sleeper.woken = True
                self._changed.notify_all()

    def idle(self, sequence: int, outstanding: list[str]) -> None:
        """Take the newest word on which operations the orchestrator waits for; drop older ones."""
        with self._changed:
            if sequence <= self._sequence:
                return
            self._sequence = sequence
            self._outstanding = frozenset(outstanding)
            self._changed.notify_all()

    def require_rest(self) -> None:
        """Raise DEVICE_BUSY while anybody takes part."""
        with self._changed:
            self._require_rest()

    def pass_by(self, duration_s: float) -> None:
        """Let time go on while nobody takes part; raises DEVICE_BUSY while anybody does."""
        with self._changed:
            self._require_rest()
            self._reach(self._now_s + duration_s)
            now_s = self._now_s
        if self._on_time is not None:
            self._on_time(now_s)

    def close(self) -> None:
        """Stop time for good; every sleep raises WORLD_CLOSED. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _require_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise OperationRefused(ErrorCode.WORLD_CLOSED, 'the world is closed')

    def _require_rest(self) -> None:
        self._require_open()
        taking = [*self._sleepers, *filter(None, [self._running])]
        if taking:
            raise OperationRefused(
                ErrorCode.DEVICE_BUSY, f'time is taken by {", ".join(sorted(taking))}'
            )

    def _block(self, start: Callable[[Callback], None]) -> None:
        turn = threading.Event()
        errors: list[MedicellError] = []

        def called(error: MedicellError | None) -> None:
            if error is not None:
                errors.append(error)
            turn.set()

        start(called)
        turn.wait()
        if errors:
            raise errors[0]

    def _quiet(self) -> bool:
        """Whether nobody runs, and all that the orchestrator waits for is here."""
        if self._running is not None or (self._paused and self._sequence < 0):
            return False
        return all(name in self._sleepers for name in self._outstanding)

    def _next(self) -> tuple[float, str] | None:
        if not self._sleepers:
            return None
        return min((item.wake_s, owner) for owner, item in self._sleepers.items())

    def _run(self) -> None:
        while True:
            with self._changed:
                try:
                    turn, stepped = self._advance()
                except MedicellError as error:
                    _LOG.error('time stands: %s', error.message)
                    self._failure = error
                if self._closed or self._failure is not None:
                    break
                now_s = self._now_s
            if stepped and self._on_time is not None:
                self._on_time(now_s)
            if turn is not None and turn.callback is not None:
                self._call(turn.callback, _cancelled(self.running) if turn.woken else None)
        with self._changed:
            left = [item.callback for item in self._sleepers.values() if item.callback]
            self._sleepers.clear()
        closed = OperationRefused(ErrorCode.WORLD_CLOSED, 'the world was closed')
        for waiting in left:
            self._call(waiting, self._failure or closed)

    def _call(self, callback: Callback, error: MedicellError | None) -> None:
        """Call back; time must go on for all others when one callback is broken."""
        owner = self.running
        try:
            callback(error)
        except Exception:
            _LOG.exception('the callback of "%s" failed; its turn is over', owner)
            self.end(owner)

    def _next_woken(self) -> str | None:
        """Return the first by name of those who run next whatever time does."""
        if self._running is not None:
            return None
        return min((owner for owner, item in self._sleepers.items() if item.woken), default=None)

    def _give_turn(self, owner: str) -> _Sleeper:
        self._running, self._running_woken = owner, False
        return self._sleepers.pop(owner)

    def _advance(self) -> tuple[_Sleeper | None, bool]:
        """Wait, holding the lock, until a turn is due or time has taken a step."""
        anchor_s: float | None = None
        while not self._closed:
            woken = self._next_woken()
            if woken is not None:
                return self._give_turn(woken), False
            if not self._quiet():
                anchor_s = None
                self._changed.wait()
                continue
            due = self._next()
            if due is not None and due[0] <= self._now_s:
                if self._sleepers[due[1]].callback is None:
                    anchor_s = None
                    self._changed.wait()
                    continue
                return self._give_turn(due[1]), False
            pace = self._speed if self._outstanding else self._rest_pace
            if pace <= 0.0:
                anchor_s = None
                self._changed.wait()
                continue
            limit_s = self._leap_limit_s if due is None else due[0] - self._now_s
            limit_s = min(limit_s, self._leap_limit_s)
            if math.isinf(pace):
                self._step(limit_s, due)
                return None, True
            wall_s = time.monotonic()
            if anchor_s is None:
                anchor_s = wall_s
            elapsed_s = (wall_s - anchor_s) * pace
            wanted_s = min(limit_s, pace * (_WALL_STEP_S if self._outstanding else _REST_STEP_S))
            if elapsed_s >= wanted_s:
                self._step(min(limit_s, elapsed_s), due)
                return None, True
            self._changed.wait((wanted_s - elapsed_s) / pace)
        return None, False

    def _step(self, step_s: float, due: tuple[float, str] | None) -> None:
        reached_s = self._now_s + step_s
        self._reach(reached_s if due is None else min(reached_s, due[0]))

    def _reach(self, now_s: float) -> None:
        if self._on_step is not None:
            self._on_step(now_s)
        self._now_s = now_s


def _cancelled(owner: str) -> OperationRefused:
    return OperationRefused(ErrorCode.CANCELLED, f'owner: "{owner}" was woken before its time')
