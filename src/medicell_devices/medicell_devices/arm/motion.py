"""Moves an arm along checked paths: at any pace, stopped and resumed on the path, supervised."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from medicell_core.errors import ErrorCode, MedicellError, OperationFailed
from medicell_devices.arm.following import Following
from medicell_devices.arm.observer import HELD_S, ArmObserver, OnStanding
from medicell_devices.arm.path import JointPath
from medicell_devices.arm.port import Arm, Array
from medicell_devices.arm.supervision import (
    goal_departure,
    greatest_error,
    path_departure,
    stream_departure,
)
from medicell_devices.contract import OperationContext

REJOIN_GOALS = 2.0
"""So many goal tolerances off its path, an arm goes on along it without going back to it first."""

WayBack = Callable[[Array, Array], JointPath]
"""Returns the checked way from where the arm stands to a posture of its path, or raises."""


class ArmMotion(ArmObserver):
    """The one way to an arm: follows paths, holds joint states against them, stops on them.

    `follow`, `go_on` and `back` block the operation that moves; the other methods return at
    once, from any thread. What ends a motion early leaves the arm standing on its path, from
    where `go_on` continues and `back` returns.
    """

    def use(self, arm: Arm) -> None:
        """Move another arm from now on; where it stands is what it measures."""
        with self._lock:
            self._arm, self._goal = arm, None
            self._history.clear()
            self._seen_s = -math.inf

    def set_speed_override(self, percent: float) -> None:
        """Change the pace of every path, of the one under way too; 1 to 100 per cent."""
        if not 1.0 <= percent <= 100.0:
            raise MedicellError(
                ErrorCode.INVALID_GOAL, f'percent is {percent:g}; allowed are 1 to 100 %'
            )
        with self._lock:
            self._share = percent / 100.0
            if not self._held:
                self._repace(self._share)

    def protective_stop(self, on_standing: OnStanding | None = None) -> None:
        """Brake on the path and stand there until `resume`; safe to call twice.

        `on_standing` is told the measured stopping time, from the thread that has measured it.
        """
        with self._lock:
            self._held, self._resuming = True, False
            if on_standing is not None:
                self._on_standing.append(on_standing)
            self._brake()
        self.poll()

    def resume(self) -> None:
        """End a protective stop: what was under way goes on from where it stands. Safe twice.

        An arm that still brakes comes to stand first, and its stop is measured. A stop of any
        kind that comes before it stands takes the resume back: another one is needed then.
        """
        with self._lock:
            self._resuming = self._held and self._stop_begun_s is not None
            if not self._resuming:
                self._release()

    def withdraw_resume(self) -> None:
        """Take a resume back that waits for the arm to stand; safe without one."""
        with self._lock:
            self._resuming = False

    def poll(self) -> None:
        """Take in the joint states that have come; go on if that was asked for and it stands.

        Never without power: an emergency stop takes back what was asked for before it.
        """
        super().poll()
        with self._lock:
            # Taken back too where whoever is asked for power does not answer.
            resuming, self._resuming = self._resuming, False
            if resuming and self._powered():
                self._resuming = self._stop_begun_s is not None
                if not self._resuming:
                    self._release()

    def halt(self) -> None:
        """Brake on the path; the motion is over and is not resumed by itself. Safe twice."""
        with self._lock:
            self._resuming = False
            if self._following is None:
                return
            self._following.ended = True
            self._brake()

    def follow(self, path: JointPath, context: OperationContext, *, from_s: float = 0.0) -> None:
        """Follow a path to rest at its end; a protective stop suspends it.

        Raises PATH_TOLERANCE_EXCEEDED, JOINT_STALLED, JOINT_STATE_LATE, JOINT_STATE_LOST and
        GOAL_NOT_REACHED when the joints do not, with the arm stopped; CANCELLED, STOPPED.
        """
        self._follow(path, context, from_s=from_s)

    def rest(self, context: OperationContext, duration_s: float, *, step: str = '') -> None:
        """Let an operation's time pass; raises COLLISION when something was touched meanwhile.

        The arm is then stopped. What is touched while it comes to stand is told with the next one.
        """
        super().rest(context, duration_s, step=step)
        touched = '' if self._stopping else self._arm.collision()
        if touched:
            raise self._stopped(OperationFailed(ErrorCode.COLLISION, touched), context)

    def locate(self, context: OperationContext) -> Array:
        """Return where the arm stands: as commanded after a whole path, else as measured now.

        One that is at home, within the tolerance of a goal, has been commanded there. Raises
        JOINT_STATE_LOST when no joint state comes.
        """
        self._await_rest(context)
        with self._lock:
            goal = self._goal
        if goal is not None:
            return np.array(goal)
        here = self._measured_now(context)
        at_home = bool((np.abs(here - self._home) <= self._tolerances.goal_rad).all())
        return np.array(self._home) if at_home else here

    def go_on(self, context: OperationContext, way_back: WayBack) -> None:
        """Follow an unfinished path from where the arm stands on it to its end.

        An arm that stands off it, since a joint did not follow, first goes back to the nearest
        place it has passed, by the way that `way_back` returns; what that raises is raised.
        """
        path, place_s = self._rejoined(context, way_back)
        self.follow(path, context, from_s=place_s)

    def back(self, context: OperationContext, way_back: WayBack) -> None:
        """Return along an unfinished path to its beginning, which it then stands at."""
        path, place_s = self._rejoined(context, way_back)
        if place_s > 0.0:
            self._follow(
                path.reversed_from(place_s),
                context,
                whole=path,
                place=lambda gone_s: place_s - gone_s,
            )
        with self._lock:
            self._goal = path.at(0.0)
        self.stand_on(path)

    def stand_on(self, path: JointPath, *, at_s: float = 0.0) -> None:
        """Take the arm to stand at a place of a path that it is to go: the path is unfinished."""
        with self._lock:
            # A resume or another pace does not set off along it: who follows it does.
            self._stand(path, at_s).ended = True

    def forget(self) -> None:
        """Give an unfinished path up: the arm stands free."""
        with self._lock:
            self._following = None

    def await_release(self, context: OperationContext) -> None:
        """Wait while a protective stop is in force; raises CANCELLED or STOPPED."""
        while self._held:
            with self._released:
                self._released.wait(self._held_wall_s)
            self.rest(context, HELD_S, step='held by a protective stop')
            self.poll()

    def _follow(
        self,
        path: JointPath,
        context: OperationContext,
        *,
        from_s: float = 0.0,
        whole: JointPath | None = None,
        place: Callable[[float], float] | None = None,
    ) -> None:
        """Follow a path, for the sake of a whole one where that is another."""
        self._await_rest(context)
        self.await_release(context)
        # What is told to end, or to be safe, is told so before the arm is halted: after that
        # nothing sets off.
        with self._moving(context), self._lock:
            following = self._stand(path, from_s, whole, place)
            self._seen_s = max(self._seen_s, following.begun_s)
            self._judged_s = following.begun_s
            self._goal = None
            if not self._held:
                self._repace(self._share)
        while not self._arrived(context):
            pass
        with self._lock:
            self._goal, self._following = path.at(path.duration_s), None

    def _stand(
        self,
        path: JointPath,
        at_s: float,
        whole: JointPath | None = None,
        place: Callable[[float], float] | None = None,
    ) -> Following:
        """Take the arm to stand at a place of a path, for the sake of a whole one; lock held."""
        self._following = Following(
            path, now_s=self._now_s(), path_s=at_s, whole=whole, place=place
        )
        return self._following

    def _arrived(self, context: OperationContext) -> bool:
        """Wait for the next look and take it; returns whether the end is reached."""
        with self._lock:
            following, held = self._following, self._held
            assert following is not None
            now_s = self._now_s()
            dwell_s = self._tolerances.dwell_s if following.at_end else 0.0
            # First the sum: time that is added up by parts may never come to it.
            left_s = (following.pace.end_s + dwell_s) - now_s
        if following.ended:
            context.check()
            raise OperationFailed(ErrorCode.STOPPED, 'the arm was stopped on its path')
        if left_s > 0.0:
            self.rest(context, min(self._look_s, left_s))
        elif held:
            self.await_release(context)
            with self._lock:
                # A person may take any time: only what comes from now on is late or not.
                self._seen_s = max(self._seen_s, self._now_s())
        elif not following.at_end:
            with self._lock:
                self._repace(self._share)
        else:
            if self._settled(following, now_s):
                return True
            self.rest(context, min(self._look_s, self._tolerances.settle_s))
        self._look(context, following)
        return False

    def _look(self, context: OperationContext, following: Following) -> None:
        """Take in the joint states and raise what they say, after a controlled stop."""
        self.poll()
        now_s = self._now_s()
        with self._lock:
            since_s = self._judged_s - self._tolerances.stall_window_s
            samples = self._history.samples(max(since_s, following.begun_s))
            self._judged_s = self._seen_s
            wanted = following.wanted(samples.times_s)
            age_s = now_s - self._seen_s
            self.tracking_error_rad = max(self.tracking_error_rad, greatest_error(samples, wanted))
        departure = path_departure(samples, wanted, following.begun_s, self._tolerances)
        if departure is not None:
            raise self._stopped(departure, context)
        if age_s > self._tolerances.late_s:
            raise self._silent(context, following, now_s)

    def _settled(self, following: Following, now_s: float) -> bool:
        """Say whether the joints are at the goal; raises GOAL_NOT_REACHED after its time."""
        waited_s = now_s - following.pace.end_s
        newest = self._history.newest
        if newest is None or newest[0] < following.pace.end_s:
            return False
        goal = following.path.at(following.path.duration_s)
        departure = goal_departure(newest[1], goal, waited_s, self._tolerances)
        if departure is not None and waited_s >= self._tolerances.settle_s:
            self.halt()
            raise departure
        return departure is None

    def _silent(
        self, context: OperationContext, following: Following, now_s: float
    ) -> OperationFailed:
        """Stop, then find out whether joint states come late or not at all."""
        last_s = self._seen_s
        self.halt()
        while self._seen_s <= last_s and self._now_s() - last_s < self._tolerances.lost_s:
            self.rest(context, self._look_s)
            self.poll()
        lost = self._seen_s <= last_s
        error = stream_departure(
            code=ErrorCode.JOINT_STATE_LOST if lost else ErrorCode.JOINT_STATE_LATE,
            age_s=(self._now_s() if lost else now_s) - last_s,
            begun_s=following.begun_s,
            now_s=now_s,
            tolerances=self._tolerances,
        )
        error = OperationFailed(error.code, f'{error.message}{self._why_refused()}')
        return self._stopped(error, context)

    def _stopped(self, error: OperationFailed, context: OperationContext) -> OperationFailed:
        """Bring the arm to stand and return the error with how long that took."""
        self._stopping = True
        try:
            self.halt()
            self._await_rest(context)
            self.rest(context, self._look_s)
            self.poll()
        finally:
            self._stopping = False
        took_s = self.stopping_time_s
        told = 'its stop was not measured' if math.isnan(took_s) else f'stood after {took_s:.2f} s'
        return OperationFailed(error.code, f'{error.message}; {told}')

    def _rejoined(self, context: OperationContext, way_back: WayBack) -> tuple[JointPath, float]:
        """Bring the arm back to its unfinished path; returns the path and where it is on it."""
        self._await_rest(context)
        self.await_release(context)
        here = self._measured_now(context)
        with self._lock:
            following = self._following
            assert following is not None
            path, place_s = following.whole, following.place_s(self._now_s())
        if bool(
            (np.abs(here - path.at(place_s)) <= REJOIN_GOALS * self._tolerances.goal_rad).all()
        ):
            return path, place_s
        place_s, _ = path.nearest(here, before_s=place_s)
        way = way_back(here, path.at(place_s))
        self._follow(way, context, whole=path, place=lambda _: place_s)
        self.stand_on(path, at_s=place_s)
        return path, place_s

    def _await_rest(self, context: OperationContext) -> None:
        """Let a stop that is under way come to its end, and be measured."""
        with self._lock:
            following = self._following
            left_s = 0.0 if following is None else following.pace.end_s - self._now_s()
        if left_s > 0.0:
            self.rest(context, left_s)
        self.poll()
        while self._stop_begun_s is not None:
            self.rest(context, self._look_s)
            self.poll()

    def _release(self) -> None:
        self._held = self._resuming = False
        self._repace(self._share)
        self._released.notify_all()

    def _repace(self, share: float) -> None:
        """Change the pace of what is under way; lock held."""
        following = self._following
        if following is None or (following.ended and share > 0.0):
            return
        told = following.repaced(self._now_s(), share)
        if told is not None:
            self._arm.start(told)

    def _brake(self) -> None:
        """Ramp to a stand on the path; where none can be told hold at once. Lock held."""
        try:
            self._ramp_down()
        except Exception:
            # Off its path and unmeasured: the motion is over, and its liquid cannot be judged.
            if self._following is not None:
                self._following.ended = True
                self._following.unjudged()
            self.stopping_time_s = math.nan
            self._arm.stop()
            raise

    def _ramp_down(self) -> None:
        following, now_s = self._following, self._now_s()
        if following is None or now_s >= following.pace.end_s:
            if self._stop_begun_s is None:
                self.stopping_time_s = 0.0
        elif not following.braking:
            self._stop_begun_s = now_s
            self._repace(0.0)
