"""The robot in its isolator: plans that reach, touch nothing, and keep first air."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_motion.arm import BRANCHES, JOINT_NAMES, Array, branch_of, full_turns, turned
from medicell_motion.expansion import expand_shipped
from medicell_motion.geometry import CellGeometry, shipped_geometry
from medicell_motion.stations import Grip, Station, grip_poses

if TYPE_CHECKING:
    from medicell_motion.moves import Moves
    from medicell_motion.planner import Planner
    from medicell_motion.scene import Surroundings
    from medicell_motion.trajectory import Trajectory

_REMEMBERED = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked motion: `times_s` (n,) from 0, `positions_rad` (n, 6), ready for the controller.

    `velocities_rad_s` are those at the samples. `grasp_s` is when the container at the first
    station is gripped (0 without a posture to come from); `path_length_m` is how far the gripped
    point travels in all.
    """

    times_s: Array
    positions_rad: Array
    velocities_rad_s: Array
    duration_s: float
    path_length_m: float
    names: tuple[str, ...]
    grasp_s: float


@dataclass(slots=True)
class RobotCell:
    """Plans moves in a geometry and its model; plans of carrying are remembered.

    `model` gives the URDF. It is asked for, and Pinocchio and Coal are loaded, when the first
    move is planned: who only asks where stations are pays for neither.
    """

    geometry: CellGeometry
    model: Callable[[], str] = expand_shipped
    _made: Planner | None = field(default=None, init=False, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)
    _carries: dict[tuple[str, str, frozenset[str], bool, int], Trajectory] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def shipped(cls) -> RobotCell:
        """Return the cell with the geometry that the package ships."""
        return cls(shipped_geometry())

    @property
    def stations(self) -> tuple[str, ...]:
        """Names of all stations."""
        return tuple(self.geometry.stations)

    @property
    def planner(self) -> Planner:
        """Return the planner, made when it is first asked for."""
        with self._lock:
            if self._made is None:
                # Pinocchio takes a third of a second and 90 MB.
                from medicell_motion.planner import Planner  # noqa: PLC0415
                from medicell_motion.scene import Scene  # noqa: PLC0415

                self._made = Planner(self.geometry, Scene(self.geometry, self.model()))
            return self._made

    def _moves(self) -> Moves:
        """Return the moves between stations, by the planner."""
        from medicell_motion.moves import Moves  # noqa: PLC0415 - see planner

        return Moves(self.geometry, self.planner)

    def _check_grip(self) -> None:
        """Raise FIRST_AIR_BREACH where a level tool at its container's side is over the mouth."""
        tool_m, mouth_m = self.geometry.links.tool_m, self.geometry.container.grip_to_mouth_m
        if tool_m >= mouth_m:
            raise OperationRefused(
                ErrorCode.FIRST_AIR_BREACH,
                f'tool would be over the open carried container in every grip: its radius is '
                f'{tool_m:.3f} m, the mouth {mouth_m:.3f} m above the grip',
            )

    def home(self) -> Array:
        """Return the waiting posture: tool drawn back, straight ahead, level; (6,)."""
        return self._best_posture(self._home_grip(), what='home')

    def grip_posture(self, station: str) -> Array:
        """Return the posture that grips at a station, (6,); raises UNKNOWN_STATION."""
        known = self._station(station)
        return self._best_posture(known.grip, what=f'station {station}')

    def plan_move(
        self,
        from_station: str,
        to_station: str,
        *,
        open_stations: frozenset[str] = frozenset(),
        posture: Array | None = None,
        carried_open: bool = True,
    ) -> Plan:
        """Plan to carry a container from one station to another.

        A container is taken to stand at every other station; those at `open_stations` are open:
        nothing passes over them. A container that is `carried_open` stays upright, nothing of
        the arm comes over it, and its liquid stays in it. With `posture`, the plan begins there,
        with an empty hand.

        Raises UNKNOWN_STATION, OUT_OF_REACH, FIRST_AIR_BREACH, PATH_BLOCKED, PATH_NOT_FOUND.
        """
        start, goal = self._station(from_station), self._station(to_station)
        for name in sorted(open_stations):
            self._station(name)
        here = None if posture is None else self._checked(posture)
        for station in (start, goal):
            self._best_posture(station.grip, what=f'station {station.name}')
        self._check_grip()
        branches = tuple(self._branches())
        with self._lock:
            moves = self._moves()
            if here is not None and moves.is_placed(here, start):
                first = branch_of(self.geometry.arm, here)
                branches = (first, *(number for number in branches if number != first))
            key = (from_station, to_station, frozenset(open_stations), carried_open, branches[0])
            carry = self._carries.get(key)
            if carry is None:
                carry = moves.carry(start, goal, open_stations, branches, is_open=carried_open)
                if len(self._carries) >= _REMEMBERED:
                    del self._carries[next(iter(self._carries))]
                self._carries[key] = carry
            if here is None:
                return _as_plan(self.geometry, carry, grasp_s=0.0)
            whole, grasp_s = moves.fetched(here, start, carry, open_stations)
        return _as_plan(self.geometry, whole, grasp_s=grasp_s)

    def plan_to(self, pose: Array, *, posture: Array, around: Surroundings, seed: int = 0) -> Plan:
        """Plan to bring the tip to a pose, (4, 4) in the base frame, from a posture, (6,).

        Several postures, (k, 6), are as many ways to begin, of which the plan takes one. `around`
        says what stands where and what the hand carries; what is carried open must be upright
        at both ends. The same seed gives the same plan. Raises OUT_OF_REACH, FIRST_AIR_BREACH,
        PATH_BLOCKED, PATH_NOT_FOUND.
        """
        starts = [self._checked(item) for item in np.atleast_2d(posture)]
        goals = self.geometry.arm.postures(pose)
        if not len(goals):
            raise self._no_posture(pose, 'pose')
        with self._lock:
            ways = self.planner.transit(starts, list(goals), around, seed=seed)
            moved = self.planner.timed(ways, open_liquid=around.carrying and around.carried_open)
        return _as_plan(self.geometry, moved, grasp_s=0.0)

    def _checked(self, posture: Array) -> Array:
        """Return a posture; raises INVALID_GOAL when it is none or beyond the limits."""
        found = np.asarray(posture, dtype=np.float64)
        if found.shape != (len(JOINT_NAMES),) or not bool(self.geometry.arm.within_limits(found)):
            raise OperationRefused(
                ErrorCode.INVALID_GOAL,
                f'posture {found.tolist()} is not six joints within their limits',
            )
        return found

    def _station(self, name: str) -> Station:
        """Return a station by name."""
        station = self.geometry.stations.get(name)
        if station is None:
            known = ', '.join(self.geometry.stations)
            raise OperationRefused(
                ErrorCode.UNKNOWN_STATION, f'station {name!r} is unknown; known are {known}'
            )
        return station

    def _branches(self) -> list[int]:
        """Return all branches, those first that have most room to the limits at home.

        One order for the whole cell, so that a move begins in the branch the last one ended in.
        """
        home = grip_poses(self._home_grip().as_array()[None])
        best = self.geometry.arm.inverse(home[0])
        postures = self.geometry.arm.branches(home)[0]
        nearest = [int(np.argmin(turned(postures - posture))) for posture in best]
        return list(dict.fromkeys([*nearest, *range(BRANCHES)]))

    def _best_posture(self, grip: Grip, *, what: str) -> Array:
        """Return the posture of a grip in the preferred branch; raises OUT_OF_REACH."""
        for branch in self._branches():
            posture = self.geometry.arm.branch(grip_poses(grip.as_array()[None]), branch)
            posture = posture + full_turns(self.geometry.arm, posture)
            if bool(self.geometry.arm.within_limits(posture)[0]):
                return np.asarray(posture[0])
        raise self._no_posture(grip_poses(grip.as_array()[None])[0], what)

    def _home_grip(self) -> Grip:
        """Return where the tool waits: on the ring, straight ahead, at the shoulder's height."""
        return Grip(
            radius_m=self.geometry.travel.ring_radius_m,
            azimuth_rad=0.0,
            height_m=self.geometry.arm.shoulder_height_m,
        )

    def _no_posture(self, pose: Array, what: str) -> OperationRefused:
        """Return the refusal that names the pose and the reach."""
        arm = self.geometry.arm
        x, y, z = pose[:3, 3]
        away = float(np.linalg.norm([x, y, z - arm.shoulder_height_m]))
        return OperationRefused(
            ErrorCode.OUT_OF_REACH,
            f'{what}: no posture within the joint limits puts the grip at x {x:.3f} y {y:.3f} '
            f'z {z:.3f} m, {away:.3f} m from the shoulder; reach is {arm.reach_m:.3f} m',
        )


def _as_plan(geometry: CellGeometry, moved: Trajectory, *, grasp_s: float) -> Plan:
    """Return the plan of a checked motion."""
    tips = geometry.arm.skeleton(moved.positions_rad)[:, 4]
    return Plan(
        times_s=moved.times_s.copy(),
        positions_rad=moved.positions_rad.copy(),
        velocities_rad_s=moved.velocities_rad_s.copy(),
        duration_s=moved.duration_s,
        path_length_m=float(np.linalg.norm(np.diff(tips, axis=0), axis=1).sum()),
        names=JOINT_NAMES,
        grasp_s=grasp_s,
    )
