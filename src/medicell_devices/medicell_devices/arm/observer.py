"""What is known of an arm: where it was told to be, where it is, how it came to stand."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_devices.arm.following import Following
from medicell_devices.arm.history import JointHistory
from medicell_devices.arm.path import JointLimits
from medicell_devices.arm.port import Arm, ArmTrajectory, Array, JointSamples
from medicell_devices.arm.supervision import Tolerances, standing_since
from medicell_devices.contract import Moving, OperationContext

SLOWEST_RAD_S = 0.02
"""Slower than this in every joint counts as standing."""
HELD_S = 0.1
"""Wall seconds, and then as many of the cell's, between two looks whether a stop is over."""

_NO_TIME_S = 1e-9

OnStanding = Callable[[float], None]
"""Told in how many seconds the arm came to stand; NaN when that could not be measured."""


@contextmanager
def _unless_ended(context: OperationContext) -> Iterator[None]:
    """Hold nothing; only an operation that is to end sets nothing in motion."""
    context.check()
    yield


def _always() -> bool:
    return True


class ArmObserver:
    """Takes in joint states, keeps those of a move, and measures stops; thread-safe."""

    def __init__(
        self,
        arm: Arm,
        now_s: Callable[[], float],
        *,
        home: Array,
        limits: JointLimits,
        tolerances: Tolerances,
        look_s: float,
        held_wall_s: float = HELD_S,
        hold: Callable[[float], object] | None = None,
        moving: Moving | None = None,
        powered: Callable[[], bool] | None = None,
    ) -> None:
        self._arm = arm
        self._now_s = now_s
        self._limits = limits
        self._tolerances = tolerances
        self._look_s = look_s
        self._held_wall_s = held_wall_s
        self._hold = threading.Event().wait if hold is None else hold
        self._moving = _unless_ended if moving is None else moving
        self._powered = _always if powered is None else powered
        self._lock = threading.RLock()
        self._released = threading.Condition(self._lock)
        self._held = self._resuming = self._stopping = False
        self._share = 1.0
        self._home = np.array(home)
        self._goal: Array | None = None
        self._following: Following | None = None
        self._seen_s = -math.inf
        self._refused = ''
        self._judged_s = -math.inf
        self._history = JointHistory(len(home))
        self._stop_begun_s: float | None = None
        self._on_standing: list[OnStanding] = []
        self._listener: Callable[[JointSamples], None] | None = None
        self.stopping_time_s = math.nan
        self.tracking_error_rad = 0.0

    @property
    def limits(self) -> JointLimits:
        """What the arm's joints may do."""
        return self._limits

    @property
    def held(self) -> bool:
        """Whether a protective stop is in force."""
        return self._held

    @property
    def speed_override_pct(self) -> float:
        """The pace of every path in per cent of the planned one."""
        return 100.0 * self._share

    @property
    def unfinished(self) -> bool:
        """Whether the arm stands, or moves, on a path that it has not gone to its end."""
        return self._following is not None

    def commanded(self) -> ArmTrajectory | None:
        """Return the trajectory that the arm is told to follow, or None at rest at a goal."""
        with self._lock:
            following = self._following
            return None if following is None or self._goal is not None else following.told

    def measured_posture(self) -> Array:
        """Return the newest measured joints; raises JOINT_STATE_LOST before the first."""
        newest = self._history.newest
        if newest is None:
            raise OperationFailed(
                ErrorCode.JOINT_STATE_LOST, 'the arm has not told where its joints are'
            )
        return newest[1]

    def measured(self) -> JointSamples:
        """Return the joint states measured since `begin_record`."""
        with self._lock:
            return self._history.samples()

    def begin_record(self) -> None:
        """Forget the joint states measured until now, but for the newest."""
        self.poll()
        with self._lock:
            newest = self._history.newest
            self._history.clear()
            if newest is not None:
                self._history.add(
                    JointSamples(times_s=np.array([newest[0]]), positions_rad=newest[1][None])
                )
            self.tracking_error_rad = 0.0

    def listen(self, listener: Callable[[JointSamples], None] | None) -> None:
        """Tell new joint states to a listener, in the thread that has found them."""
        self._listener = listener

    def poll(self) -> None:
        """Take in the joint states that have come, and whether a stop has ended."""
        with self._lock:
            came = self._arm.samples(self._seen_s)
            self._refused = came.refused
            if len(came.times_s):
                self._seen_s = float(came.times_s[-1])
                self._history.add(came)
            told = self._standing()
        for on_standing in told:
            on_standing(self.stopping_time_s)
        if len(came.times_s) and self._listener is not None:
            self._listener(came)

    def rest(self, context: OperationContext, duration_s: float, *, step: str = '') -> None:
        """Let an operation's time pass, no faster than the arm's own; nobody looks meanwhile.

        An arm that does not live on the cell's clock has its pace of the wall: the operation
        keeps its turn until that is made up for, so that the cell's time stands meanwhile.
        """
        left_s, pace = duration_s, self._arm.pace
        while True:
            part_s = left_s if math.isinf(pace) else min(left_s, self._look_s)
            begun_s, begun_wall_s = self._now_s(), time.monotonic()
            context.sleep(part_s, step=step)
            owed_s = (self._now_s() - begun_s) / pace - (time.monotonic() - begun_wall_s)
            if owed_s > 0.0:
                self._hold(owed_s)
            left_s -= part_s
            if left_s <= _NO_TIME_S:
                return

    def _measured_now(self, context: OperationContext) -> Array:
        """Return joints that were measured after now: an older state may be of another place."""
        begun_s = self._now_s()
        while True:
            self.rest(context, self._look_s)
            self.poll()
            newest = self._history.newest
            if newest is not None and newest[0] > begun_s:
                return newest[1]
            waited_s = self._now_s() - begun_s
            if waited_s >= self._tolerances.lost_s:
                raise OperationFailed(
                    ErrorCode.JOINT_STATE_LOST,
                    f'no joint state has come for {waited_s:.2f} s; where the arm stands is not '
                    f'known; allowed are {self._tolerances.lost_s:g} s{self._why_refused()}',
                )

    def _why_refused(self) -> str:
        """Return what is to be said of joint states that came and were not taken."""
        return f'; {self._refused}' if self._refused else ''

    def _standing(self) -> list[OnStanding]:
        """Measure a stop that has ended; returns whom to tell; lock held."""
        begun_s, following = self._stop_begun_s, self._following
        if begun_s is None:
            told, self._on_standing = self._on_standing, []
            return told
        end_s = begun_s if following is None else following.pace.end_s
        now_s = self._now_s()
        if now_s < end_s + self._look_s:
            return []
        run = self._history.samples(begun_s if following is None else following.run_begun_s)
        if len(run.times_s) and run.times_s[-1] >= end_s:
            still_s = standing_since(self._history.samples(begun_s), slowest_rad_s=SLOWEST_RAD_S)
            self.stopping_time_s = still_s - begun_s
        elif now_s < end_s + self._tolerances.lost_s:
            return []
        else:
            self.stopping_time_s = math.nan
        self._stop_begun_s = None
        if following is not None:
            following.stood(run)
        told, self._on_standing = self._on_standing, []
        return told
