"""Gazebo 11 on the cell's clock: it runs in turns of its own, during which the cell waits."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitTimeout
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from medicell_core.clock import Clock
from medicell_core.errors import ErrorCode, MedicellError
from medicell_devices.arm.port import ArmTrajectory, GripperState, JointSamples
from medicell_gazebo.arm import GazeboArm
from medicell_gazebo.lock_step import Contact, LockStep
from medicell_gazebo.pose_log import PoseLog
from medicell_gazebo.running import REST_S
from medicell_gazebo.witness import Witness
from medicell_record.motion import Motion

OWNER = 'sampler/gazebo'
"""Who takes turns on the cell's clock."""
PERIOD_S = 0.05
"""Of the cell's time between two turns while the arm is used: half of the supervision's look."""
REST_PERIOD_S = 3600.0
"""The same while it is not: nothing moves, and whatever is asked for wakes it."""
LAG_S = 0.1
"""So far the physics stays behind the cell's time while the arm is used: what the arm is told must
be heard before the physics has run past it."""
STOP_S = 5.0
"""Wall seconds that the thread may take to end."""
MOTION_S = 1.0
"""Wall seconds between two tellings of the motion's figures while the arm is used."""
POSES_S = 10.0
"""The same of the poses, which are many."""


class Hearer(Protocol):
    """Is told what the physics gives; called from the thread that runs it."""

    def joints(self, samples: JointSamples, gripper: GripperState) -> None:
        """Take new joint states."""
        ...

    def touched(self, contacts: tuple[Contact, ...], now_s: float) -> None:
        """Take all that has touched so far."""
        ...

    def collided(self, contacts: tuple[Contact, ...], now_s: float) -> None:
        """Take what has touched and must not, each once."""
        ...

    def moved(self, motion: Motion) -> None:
        """Take what the physics has shown of the batch so far."""
        ...

    def logged(self, poses: PoseLog) -> None:
        """Take every pose that was measured so far."""
        ...

    def ran(self, simulated_s: float) -> None:
        """Take how far the physics has run by its own time."""
        ...


MadeArm = tuple[LockStep, GazeboArm, Witness]
"""A Gazebo, the arm in it, and who sees how the vials are moved."""
MakeArm = Callable[[Mapping[str, str], Callable[[], float]], MadeArm]
"""Starts Gazebo with vials by station, on a clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demand:
    """What is to be done, from a time of the cell's clock on, and until when the arm moves by it.

    NaN where it is not the arm's. After what `shows` the poses are told once nothing moves.
    """

    at_s: float
    act: Callable[[GazeboArm, Witness], None]
    until_s: float = math.nan
    shows: bool = False


class LockStepPhysics:
    """Runs Gazebo up to shortly before the cell's time at each of its turns.

    Nothing else in the cell goes on meanwhile, so a slow machine only takes longer. What the arm
    is told takes effect at its own time, if the physics has not run past it. Methods return at
    once, from any thread. `on_lost` is told, from a thread of this, when the turns cannot go on:
    the cell's clock or Gazebo has gone, or something unforeseen has come up.
    """

    def __init__(
        self,
        clock: Clock,
        make: MakeArm,
        hearer: Hearer,
        *,
        on_lost: Callable[[Exception], None],
    ) -> None:
        self._clock = clock
        self._make = make
        self._hearer = hearer
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._demands: deque[_Demand] = deque()
        self._vials: Mapping[str, str] | None = None
        self._leaving: set[str] = set()
        self._in_use = self._used = self._moved = self._due = False
        self._stopping = False
        self._physics_s = clock.now_s()
        self._until_s = self._told_s = -math.inf
        self._logged_s = self._motion_wall_s = self._logged_wall_s = -math.inf
        self._gazebo, self._arm, self._witness = self._made({})
        self._waker = ThreadPoolExecutor(max_workers=1, thread_name_prefix='gazebo/wake')
        self._thread = threading.Thread(target=self._run, name=OWNER, daemon=True)
        try:
            self._tell(rests=False, ended=False)
        except BaseException:
            self._gazebo.close()
            raise
        self._thread.start()

    def start(self, trajectory: ArmTrajectory) -> None:
        """Have the arm follow a trajectory from its start on."""
        self._demand(trajectory.start_s, lambda arm, _: arm.start(trajectory), trajectory.end_s)

    def stop(self) -> None:
        """Have the arm stand."""
        self._demand(math.inf, lambda arm, _: arm.stop(), -math.inf)

    def grip(self, *, closed: bool) -> None:
        """Close the fingers or open them."""
        self._demand(math.inf, lambda arm, _: arm.grip(closed=closed), -math.inf)

    def use(self, in_use: bool) -> None:
        """Say whether an operation uses the arm, which then wants joint states all the time."""
        changed, self._in_use = in_use is not self._in_use, in_use
        if in_use or changed:
            self._wake()

    def place(self, vials: Mapping[str, str]) -> None:
        """Make the world anew with vials at stations; the arm is at home in it."""
        with self._lock:
            self._vials = vials
            self._leaving.clear()
        self._wake()

    def take(self, vial: str) -> None:
        """Take a vial out of the world before the fingers close next: the hand has left it then.

        One that the world has not is none to take.
        """
        with self._lock:
            self._leaving.add(vial)

    def drive(self, joint: str, position: float, at_s: float) -> None:
        """Have a joint beside the arm go to a position; raises InputError where it cannot."""
        self._witness.check_drive(joint, position)
        self._demand(at_s, lambda _, witness: witness.drive(joint, position))

    def seen(self, vial: str, station: str, at_s: float) -> None:
        """Have the bodies be where people have put vials; raises InputError for no station."""
        self._witness.check_seen(station)
        self._demand(at_s, lambda _, witness: witness.seen(vial, station), shows=True)

    def lost(self, vial: str, at_s: float) -> None:
        """Take a vial out of the world; one that the world has not is none to take."""
        self._demand(at_s, lambda _, witness: witness.lost(vial), shows=True)

    def closed(self, vial: str, at_s: float) -> None:
        """Take in that a vial stands open no more; also of one that the world has not."""
        self._demand(at_s, lambda _, witness: witness.closed(vial))

    def close(self) -> bool:
        """End the turns and Gazebo; returns whether that came in time. Safe to call twice."""
        if self._stopping:
            return not self._thread.is_alive()
        self._stopping = True
        try:
            # A clock that has gone answers neither this nor the turn that is waited for.
            with suppress(WaitTimeout):
                self._waker.submit(self._woken).result(STOP_S)
            self._thread.join(STOP_S)
        finally:
            self._waker.shutdown(wait=False)
            self._gazebo.close()
        return not self._thread.is_alive()

    def _demand(
        self,
        at_s: float,
        act: Callable[[GazeboArm, Witness], None],
        until_s: float = math.nan,
        *,
        shows: bool = False,
    ) -> None:
        demand = _Demand(at_s=at_s, act=act, until_s=until_s, shows=shows)
        with self._lock:
            self._demands.append(demand)
        self._wake()

    def _wake(self) -> None:
        """Have the next turn come now; the callbacks of a node must not wait for the world."""
        if not self._stopping:
            self._waker.submit(self._woken)

    def _woken(self) -> None:
        try:
            self._clock.wake(OWNER)
        except MedicellError as error:
            if not self._stopping:
                self._on_lost(error)

    def _now_s(self) -> float:
        """Return the time up to which the physics is to run."""
        return self._physics_s

    def _run(self) -> None:
        try:
            self._await(partial(self._clock.begin, OWNER))
            while not self._stopping:
                period_s = self._turn()
                self._await(partial(self._clock.sleep, OWNER, period_s))
        except Exception as error:
            # Whatever it is: a thread that ends unheard leaves a node that only looks alive.
            closed = isinstance(error, MedicellError) and error.code is ErrorCode.WORLD_CLOSED
            if not self._stopping and not closed:
                try:
                    self._hearer.logged(self._witness.poses())
                    self._hearer.moved(self._witness.motion(lost=str(error)))
                finally:
                    self._on_lost(error)
        finally:
            self._end()

    def _await(self, turn: Callable[[], None]) -> None:
        """Wait for the next turn; one that comes early is one."""
        try:
            turn()
        except MedicellError as error:
            if error.code is not ErrorCode.CANCELLED:
                raise

    def _end(self) -> None:
        try:
            self._clock.end(OWNER)
        except MedicellError:
            # Whoever keeps the clock has gone: nobody is left to be told.
            return

    def _turn(self) -> float:
        """Bring the physics on with the cell's time; returns when the next turn is due."""
        now_s = self._clock.now_s()
        with self._lock:
            vials, self._vials = self._vials, None
            demands = list(self._demands)
            self._demands.clear()
        if vials is not None:
            self._physics_s = now_s
            self._gazebo.close()
            self._gazebo, self._arm, self._witness = self._made(vials)
            self._logged_s = -math.inf
            if self._stopping:
                # Who closes may have looked before it was there.
                self._gazebo.close()
                return REST_PERIOD_S
        for demand in demands:
            self._physics_s = min(now_s, max(self._physics_s, demand.at_s))
            demand.act(self._arm, self._witness)
            self._due = self._due or demand.shows
            if not math.isnan(demand.until_s):
                self._until_s = max(self._until_s, demand.until_s + REST_S, now_s + REST_S)
        moves = self._in_use or now_s <= self._until_s + LAG_S
        self._physics_s = max(self._physics_s, now_s - LAG_S) if moves else now_s
        ended = self._used > self._in_use or self._moved > moves
        self._used, self._moved = self._in_use, moves
        self._tell(rests=not moves, ended=ended)
        if moves:
            return PERIOD_S
        # What moves beside the arm is looked at again when it stands.
        return max(PERIOD_S, min(REST_PERIOD_S, self._arm.running.moves_for_s))

    def _made(self, vials: Mapping[str, str]) -> MadeArm:
        made = self._make(vials, self._now_s)
        made[1].on_closing = self._take_out
        return made

    def _take_out(self) -> None:
        """Measure what was set down, and take out what has left the cell: a place holds one."""
        self._witness.settled()
        with self._lock:
            leaving, self._leaving = self._leaving, set()
        for vial in sorted(leaving & {body.name for body in self._arm.running.world.vials}):
            self._witness.take_out(vial)

    def _tell(self, *, rests: bool, ended: bool) -> None:
        """Tell what has come since the last time; figures and poses at once where they matter.

        The arm `rests`, or what it did has just `ended`.
        """
        samples = self._arm.samples(self._told_s)
        if len(samples.times_s):
            self._told_s = float(samples.times_s[-1])
        self._hearer.joints(samples, self._arm.gripper())
        self._hearer.touched(self._arm.contacts, self._physics_s)
        collisions = self._arm.collisions()
        if collisions:
            self._hearer.collided(collisions, self._physics_s)
        now_wall_s = time.monotonic()
        if collisions or rests or ended or now_wall_s - self._motion_wall_s >= MOTION_S:
            self._motion_wall_s = now_wall_s
            self._hearer.moved(self._witness.motion())
        running = self._arm.running
        shown = self._due and running.rests
        if running.physics_s > self._logged_s and (
            collisions or ended or shown or now_wall_s - self._logged_wall_s >= POSES_S
        ):
            self._logged_s, self._logged_wall_s = running.physics_s, now_wall_s
            self._due = self._due and not shown
            self._hearer.logged(self._witness.poses())
        self._hearer.ran(running.physics_s)
