"""Carries vials with the arm: grips, goes, sets down, and knows what it holds after a stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_core.operations import MoveContainerResult
from medicell_devices.arm.air import AirFigures, Around, air_figures
from medicell_devices.arm.motion import ArmMotion
from medicell_devices.arm.path import JointPath
from medicell_devices.arm.port import Arm, Array, Grip, GripperState, JointSamples
from medicell_devices.arm.settings import ArmSettings
from medicell_devices.arm.sloshing import Sloshing
from medicell_devices.arm.way_back import way_back
from medicell_devices.contract import Moving, OperationContext
from medicell_devices.failure import PartlyDone
from medicell_motion.cell import Plan, RobotCell


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """A container's way from one station to another; nothing may pass over the open ones.

    `is_open` says whether the container itself is.
    """

    container: str
    start: str
    station: str
    open_stations: frozenset[str]
    is_open: bool

    @property
    def coming(self) -> Around:
        """What is open while the empty hand comes."""
        own = {self.start} if self.is_open else set()
        return Around(open_stations=self.open_stations | own, carrying=False, carried_open=False)

    @property
    def going(self) -> Around:
        """What is open while the container is carried."""
        standing = self.open_stations - {self.start, self.station}
        return Around(open_stations=standing, carrying=True, carried_open=self.is_open)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A container between the fingers, and the checked way on which it is.

    `planned` is what the plan says of first air.
    """

    carry: Carry
    path: JointPath
    length_m: float
    planned: AirFigures


class Carrier:
    """The arm with its gripper; what ends a carry early leaves the container gripped.

    The same carry, asked for again, then goes on along the same way. Before any other one the
    container is brought back along that way to where it was gripped.
    """

    def __init__(
        self,
        cell: RobotCell,
        arm: Arm,
        motion: ArmMotion,
        settings: ArmSettings,
        *,
        grip_s: float,
        moving: Moving,
    ) -> None:
        self._cell = cell
        self._motion = motion
        self._settings = settings
        self._grip_s = grip_s
        self._moving = moving
        self._arm = arm
        self._load: Load | None = None
        self._gripped = False
        self._told_s = -math.inf
        self._reached: Carry | None = None
        self._measured = AirFigures()
        self._part: Around | None = None
        self._rises: dict[str, float] = {}

    def use(self, arm: Arm) -> None:
        """Carry with an arm from now on."""
        self._arm = arm

    @property
    def reached(self) -> Carry | None:
        """The carry whose container the fingers are at, or hold, or None."""
        return self._reached

    @property
    def gripper(self) -> GripperState:
        """The newest state of the gripper."""
        return self._arm.gripper()

    @property
    def grip(self) -> Grip:
        """What the gripper's state says."""
        settings = self._settings
        return self.gripper.judged(open_m=settings.open_m, least_force_n=settings.least_grip_n)

    def rise(self, container: str) -> float | None:
        """Return how high the liquid of an open container has stood since `set_rise`.

        By stops and changes of pace with it in the hand; a share of its freeboard. None for a
        container of which only an earlier carrier may know.
        """
        return self._rises.get(container)

    def set_rise(self, container: str, rise: float) -> None:
        """Go on from a height: 0 once what was is told, or the container is empty."""
        self._rises[container] = rise

    def carry(
        self, carry: Carry, context: OperationContext, *, arrive: Callable[[], str]
    ) -> MoveContainerResult:
        """Bring a container to its station; `arrive` puts it down and returns where it then is.

        Joint states of a move that ended early count in the one that goes on with it. Raises what
        planning and supervision raise; CONTAINER_DROPPED; FIRST_AIR_BREACH with the result when
        the measured joints were over an open container.
        """
        if self._load is None:
            self._measured = AirFigures()
        try:
            load = self._bring(carry, context)
            self._set_down(load, context, arrive)
        finally:
            self._end_part()
        return self._result(load)

    def _bring(self, carry: Carry, context: OperationContext) -> Load:
        """Bring a container to its station, whatever is between the fingers; still gripped."""
        load = self._load
        if load is None:
            return self._fetch(carry, context)
        held = load.carry
        if (held.container, held.station) == (carry.container, carry.station):
            self._go_on(load, context)
            return load
        self._bring_back(load, context)
        return self._fetch(carry, context)

    def _fetch(self, carry: Carry, context: OperationContext) -> Load:
        """Plan, go to a container, grip it and carry it to its station."""
        motion = self._motion
        motion.forget()
        plan = self._cell.plan_move(
            carry.start,
            carry.station,
            open_stations=carry.open_stations,
            posture=motion.locate(context),
            carried_open=carry.is_open,
        )
        whole = JointPath(plan.times_s, plan.positions_rad, motion.limits)
        self._begin_part(carry.coming)
        self._stand_open(context)
        motion.rest(context, 0.0, step='reaching')
        motion.follow(whole.part(0.0, plan.grasp_s), context)
        liquid = Sloshing(self._cell.geometry) if carry.is_open else None
        path = whole.part(plan.grasp_s, plan.duration_s, liquid=liquid)
        load = Load(
            carry=carry,
            path=path,
            length_m=plan.path_length_m,
            planned=self._planned(plan, carry),
        )
        self._close(load, context)
        motion.rest(context, 0.0, step=f'carrying {carry.container}')
        motion.follow(path, context)
        return load

    def _stand_open(self, context: OperationContext) -> None:
        """Wait until the fingers are open: a hand that goes off sooner tears what it held along.

        Raises GOAL_NOT_REACHED when they are not, within their time and that of settling.
        """
        settings = self._settings
        opening_s = self._told_s + settings.opening_s - context.clock.now_s()
        if opening_s > 0.0:
            self._motion.rest(context, opening_s, step='opening the fingers')
        left_s = self._grip_s + settings.settle_s
        while self.grip is not Grip.OPEN:
            if left_s <= 0.0:
                raise OperationFailed(
                    ErrorCode.GOAL_NOT_REACHED,
                    f'the fingers do not open: by {self.gripper.opening_m * 1e3:.1f} mm until '
                    f'now, open is more than {settings.open_m * 1e3:.1f} mm',
                )
            self._motion.rest(context, settings.supervision_period_s, step='opening the fingers')
            left_s -= settings.supervision_period_s

    def _close(self, load: Load, context: OperationContext) -> None:
        """Grip what stands at the station; raises CONTAINER_DROPPED when nothing is there."""
        self._reached = load.carry
        self._grip(context, closed=True)
        # What ends the operation from here on leaves the fingers at the beginning of the way.
        self._load, self._gripped = load, False
        self._motion.stand_on(load.path)
        self._make_sure(load, context)
        self._begin_part(load.carry.going)

    def _make_sure(self, load: Load, context: OperationContext) -> None:
        """Give the fingers their time; raises CONTAINER_DROPPED when they hold nothing."""
        self._motion.rest(context, self._grip_s, step=f'gripping {load.carry.container}')
        if self.grip is not Grip.HOLDING:
            state = self.gripper
            self._let_go(context)
            raise OperationFailed(
                ErrorCode.CONTAINER_DROPPED,
                f'the gripper closed on nothing at {load.carry.start}: its force is '
                f'{state.force_n:.1f} N, {load.carry.container} needs '
                f'{self._settings.least_grip_n:g} N',
            )
        self._gripped = True

    def _go_on(self, load: Load, context: OperationContext) -> None:
        """Carry on along the way on which an earlier operation ended."""
        self._motion.rest(context, 0.0, step=f'carrying {load.carry.container} on')
        if not self._gripped:
            self._make_sure(load, context)
        self._begin_part(load.carry.going)
        if self._motion.unfinished:
            self._motion.go_on(context, self._way_back)

    def _bring_back(self, load: Load, context: OperationContext) -> None:
        """Return a container along its way to where it was gripped, and let it go."""
        self._motion.rest(context, 0.0, step=f'bringing {load.carry.container} back')
        self._begin_part(load.carry.going)
        if not self._motion.unfinished:
            self._motion.stand_on(load.path, at_s=load.path.duration_s)
        self._motion.back(context, self._way_back)
        self._motion.rest(context, self._grip_s, step=f'setting {load.carry.container} down')
        self._let_go(context)

    def _set_down(self, load: Load, context: OperationContext, arrive: Callable[[], str]) -> None:
        carry = load.carry
        self._motion.rest(context, self._grip_s, step=f'setting {carry.container} down')
        with self._moving(context):
            station = arrive()
            # At once: nothing may end the operation between the two.
            self._tell(context, closed=False)
        self._forget()
        if station != carry.station:
            raise OperationFailed(
                ErrorCode.CONTAINER_DROPPED,
                f'{carry.container} was lost between {carry.start} and {carry.station}; it is at '
                f'{station}',
            )

    def _let_go(self, context: OperationContext) -> None:
        self._grip(context, closed=False)
        self._forget()

    def _forget(self) -> None:
        load = self._load
        if load is not None and load.path.liquid is not None:
            container, before = load.carry.container, self._rises.get(load.carry.container, 0.0)
            self._rises[container] = max(before, load.path.liquid.peak)
        self._motion.forget()
        self._load = self._reached = None

    def _grip(self, context: OperationContext, *, closed: bool) -> None:
        with self._moving(context):
            self._tell(context, closed=closed)

    def _tell(self, context: OperationContext, *, closed: bool) -> None:
        self._arm.grip(closed=closed)
        self._told_s = context.clock.now_s()

    def _planned(self, plan: Plan, carry: Carry) -> AirFigures:
        """Return what the plan says of first air, the empty hand's way and the carry."""
        way = JointSamples(times_s=plan.times_s, positions_rad=plan.positions_rad)
        loaded = plan.times_s >= plan.grasp_s
        geometry = self._cell.geometry
        coming = air_figures(geometry, _where(way, ~loaded), carry.coming)
        return coming + air_figures(geometry, _where(way, loaded), carry.going)

    def _begin_part(self, around: Around) -> None:
        """Measure from now on with other containers open, or another hand."""
        self._end_part()
        self._motion.begin_record()
        self._part = around

    def _end_part(self) -> None:
        """Hold the joints measured until now against first air."""
        around, self._part = self._part, None
        if around is not None:
            self._measured += air_figures(self._cell.geometry, self._motion.measured(), around)

    def _way_back(self, first: Array, last: Array) -> JointPath:
        """Return the checked way back to a path with what is between the fingers."""
        load = self._load
        assert load is not None
        carry, around = load.carry, load.carry.going
        others = frozenset(self._cell.stations) - {carry.start, carry.station}
        return way_back(
            self._cell,
            first,
            last,
            limits=self._motion.limits,
            occupied=others,
            around=around,
            liquid=load.path.liquid,
        )

    def _result(self, load: Load) -> MoveContainerResult:
        """Return what the move has shown; raises FIRST_AIR_BREACH with it."""
        measured = self._measured
        result = MoveContainerResult(
            path_length_m=load.length_m,
            planned_samples=load.planned.samples,
            planned_gap_m=load.planned.gap_m,
            planned_breaches=load.planned.breaches,
            measured_samples=measured.samples,
            measured_gap_m=measured.gap_m,
            measured_breaches=measured.breaches,
            tracking_error_rad=self._motion.tracking_error_rad,
        )
        if measured.breaches:
            raise PartlyDone(
                ErrorCode.FIRST_AIR_BREACH,
                f'measured: {measured.first}, by {measured.samples} joint states; '
                f'{load.carry.container} is at {load.carry.station}',
                result,
            )
        return result


def _where(samples: JointSamples, chosen: npt.NDArray[np.bool_]) -> JointSamples:
    return JointSamples(
        times_s=samples.times_s[chosen], positions_rad=samples.positions_rad[chosen]
    )
