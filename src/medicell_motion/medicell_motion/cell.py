"""The robot in its isolator: plans that reach, touch nothing, and keep first air."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_motion.arm import BRANCHES, JOINT_NAMES, Array
from medicell_motion.body import CARRIED, first_contact, moving_parts
from medicell_motion.first_air import AirColumn, first_breach
from medicell_motion.geometry import CellGeometry, shipped_geometry
from medicell_motion.route import approach_legs, carry_routes
from medicell_motion.stations import Grip, Station, grip_of, grip_poses
from medicell_motion.trajectory import Trajectory, joined, quintic_shares, timed

_STEP_M = 0.008
_STEP_RAD = 0.02
_MIN_SAMPLES = 16
_MAX_JUMP_RAD = 0.5
"""Between two samples; more means that a posture flips on the way."""
_PLACED_M = 1e-3
_PLACED_RAD = 1e-6
_REMEMBERED = 512
_TURN = 2.0 * np.pi
_SEVERITY = (ErrorCode.FIRST_AIR_BREACH, ErrorCode.PATH_BLOCKED, ErrorCode.OUT_OF_REACH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked motion: `times_s` (n,) from 0, `positions_rad` (n, 6), ready for the controller.

    `grasp_s` is when the container at the first station is gripped (0 without a posture to
    come from); `path_length_m` is how far the gripped point travels in all.
    """

    times_s: Array
    positions_rad: Array
    duration_s: float
    path_length_m: float
    names: tuple[str, ...]
    grasp_s: float


@dataclass(slots=True)
class RobotCell:
    """Plans moves between stations; plans are remembered, so repeated moves cost nothing."""

    geometry: CellGeometry
    _carries: dict[tuple[str, str, frozenset[str]], Trajectory] = field(
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
    ) -> Plan:
        """Plan to carry a container from one station to another.

        `open_stations` hold open containers that nothing may pass over; the container that is
        carried is always taken to be open. With `posture`, the plan begins there, with an
        empty hand. Raises UNKNOWN_STATION, OUT_OF_REACH, FIRST_AIR_BREACH, PATH_BLOCKED.
        """
        start, goal = self._station(from_station), self._station(to_station)
        for name in sorted(open_stations):
            self._station(name)
        key = (from_station, to_station, frozenset(open_stations))
        carry = self._carries.get(key)
        if carry is None:
            carry = self._carry(start, goal, open_stations)
            if len(self._carries) >= _REMEMBERED:
                del self._carries[next(iter(self._carries))]
            self._carries[key] = carry
        if posture is None:
            return self._as_plan(carry, grasp_s=0.0)
        coming = self._approach(
            np.asarray(posture, dtype=np.float64), start, carry.positions_rad[0], open_stations
        )
        return self._as_plan(joined([coming, carry]), grasp_s=coming.duration_s)

    def _station(self, name: str) -> Station:
        """Return a station by name."""
        station = self.geometry.stations.get(name)
        if station is None:
            known = ', '.join(self.geometry.stations)
            raise OperationRefused(
                ErrorCode.UNKNOWN_STATION, f'station {name!r} is unknown; known are {known}'
            )
        return station

    def _best_posture(self, grip: Grip, *, what: str) -> Array:
        """Return the posture of a grip in the preferred branch; raises OUT_OF_REACH."""
        for branch in self._branches():
            posture = self._posture(grip, branch)
            if posture is not None:
                return posture
        raise self._out_of_reach(grip, what)

    def _posture(self, grip: Grip, branch: int) -> Array | None:
        """Return the posture of a grip in one branch, or None when it is beyond a limit."""
        path = self.geometry.arm.branch(grip_poses(grip.as_array()[None]), branch)
        path = path + self._turns(path, None)
        return np.asarray(path[0]) if bool(self.geometry.arm.within_limits(path)[0]) else None

    def _branches(self) -> list[int]:
        """Return all branches, those first that have most room to the limits at home.

        One order for the whole cell, so that a move begins in the branch the last one ended in.
        """
        home = grip_poses(self._home_grip().as_array()[None])
        best = self.geometry.arm.inverse(home[0])
        postures = self.geometry.arm.branches(home)[0]
        nearest = [int(np.argmin(_turned(postures - posture))) for posture in best]
        return list(dict.fromkeys([*nearest, *range(BRANCHES)]))

    def _home_grip(self) -> Grip:
        """Return where the tool waits: on the ring, straight ahead, at the shoulder's height."""
        return Grip(
            radius_m=self.geometry.travel.ring_radius_m,
            azimuth_rad=0.0,
            height_m=self.geometry.arm.shoulder_height_m,
        )

    def _out_of_reach(self, grip: Grip, what: str) -> OperationRefused:
        """Return the refusal that names the pose and the reach."""
        arm = self.geometry.arm
        x, y, z = grip_poses(grip.as_array()[None])[0, :3, 3]
        away = float(np.linalg.norm([x, y, z - arm.shoulder_height_m]))
        return OperationRefused(
            ErrorCode.OUT_OF_REACH,
            f'{what}: no posture within the joint limits puts the grip at x {x:.3f} y {y:.3f} '
            f'z {z:.3f} m, {away:.3f} m from the shoulder; reach is {arm.reach_m:.3f} m',
        )

    def _carry(self, start: Station, goal: Station, open_: frozenset[str]) -> Trajectory:
        """Return the first route on which the carried container and all others keep their air."""
        for station in (start, goal):
            self._best_posture(station.grip, what=f'station {station.name}')
        first: list[OperationRefused] = []
        for branch in self._branches():
            refusals: list[OperationRefused] = []
            for route in carry_routes(start, goal, self.geometry.travel.ring_radius_m):
                try:
                    return self._checked_carry(route, branch, start, goal, open_)
                except OperationRefused as refusal:
                    refusals.append(refusal)
            first = first or refusals
        raise min(first, key=lambda refusal: _SEVERITY.index(refusal.code))

    def _checked_carry(
        self,
        route: list[Array],
        branch: int,
        start: Station,
        goal: Station,
        open_: frozenset[str],
    ) -> Trajectory:
        """Return the motion along a route in one branch; raises what speaks against it."""
        moved = joined(self._along(route, branch))
        ends = frozenset({start.name, goal.name})
        self._check(moved, ends, open_ - ends, carrying=True)
        return moved

    def _approach(
        self, posture: Array, start: Station, grasp: Array, open_: frozenset[str]
    ) -> Trajectory:
        """Return the way of the empty hand from a posture to the grasp at a station."""
        arm = self.geometry.arm
        if posture.shape != (len(JOINT_NAMES),) or not bool(arm.within_limits(posture)):
            raise OperationRefused(
                ErrorCode.INVALID_GOAL,
                f'posture {posture.tolist()} is not six joints within their limits',
            )
        here = grip_of(arm.forward(posture))
        ring = self.geometry.travel.ring_radius_m
        there = _same_place(start.grip, here)
        route = [] if there else approach_legs(here, start, ring)
        branch = int(np.argmin(_turned(self._branch_postures(start.grip) - grasp)))
        parts = self._along(route, branch, last=grasp)
        first = parts[0].positions_rad[0] if parts else grasp
        if float(np.abs(first - posture).max()) > _PLACED_RAD:
            parts.insert(0, self._turn(posture, first))
        if not parts:
            return Trajectory(times_s=np.zeros(1), positions_rad=grasp[None])
        way = joined(parts)
        left = {name for name, s in self.geometry.stations.items() if _same_place(s.grip, here)}
        self._check(way, frozenset({start.name, *left}), open_ | {start.name}, carrying=False)
        return way

    def _branch_postures(self, grip: Grip) -> Array:
        """Return all eight postures of a grip, (8, 6); NaN where there is none."""
        return np.asarray(self.geometry.arm.branches(grip_poses(grip.as_array()[None]))[0])

    def _along(
        self, route: list[Array], branch: int, *, last: Array | None = None
    ) -> list[Trajectory]:
        """Return the timed motions along a route; the arm rests at each corner.

        With `last`, full turns are chosen so that the route ends in that posture.
        """
        if not route:
            return []
        rows = [_sampled(leg) for leg in route]
        grips = np.concatenate(rows)
        path = self.geometry.arm.branch(grip_poses(grips), branch)
        lost = np.flatnonzero(~np.isfinite(path).all(axis=1))
        if lost.size:
            raise self._out_of_reach(_grip(grips[lost[0]]), 'way')
        path = np.unwrap(path, axis=0)
        path = path + self._turns(path, last)
        outside = np.flatnonzero(~self.geometry.arm.within_limits(path))
        if outside.size:
            raise self._out_of_reach(_grip(grips[outside[0]]), 'way')
        if float(np.abs(np.diff(path, axis=0)).max()) > _MAX_JUMP_RAD:
            raise OperationRefused(ErrorCode.PATH_BLOCKED, 'the arm would flip on the way')
        parts = np.split(path, np.cumsum([len(row) for row in rows])[:-1])
        return [timed(part, self.geometry.arm) for part in parts]

    def _turns(self, path: Array, last: Array | None) -> Array:
        """Return the full turns per joint that bring a path to a posture or into its limits."""
        if last is not None:
            return np.asarray(np.round((last - path[-1]) / _TURN) * _TURN)
        low = np.asarray(self.geometry.arm.lower_limit_rad)
        high = np.asarray(self.geometry.arm.upper_limit_rad)
        middle = (path.min(axis=0) + path.max(axis=0)) / 2.0
        return np.asarray(np.round(((low + high) / 2.0 - middle) / _TURN) * _TURN)

    def _turn(self, first: Array, last: Array) -> Trajectory:
        """Return the straight motion of all joints between two postures."""
        count = max(_MIN_SAMPLES, int(np.abs(last - first).max() / _STEP_RAD))
        share = quintic_shares(count)[:, None]
        return timed(first + share * (last - first), self.geometry.arm)

    def _check(
        self, moved: Trajectory, empty: frozenset[str], open_: frozenset[str], *, carrying: bool
    ) -> None:
        """Raise FIRST_AIR_BREACH or PATH_BLOCKED for the first that goes wrong."""
        travel = self.geometry.travel
        parts = moving_parts(self.geometry, moved.positions_rad, carrying=carrying)
        columns = [self._standing_column(self.geometry.stations[n]) for n in sorted(open_)]
        if carrying:
            columns.append(self._carried_column(moved.positions_rad))
        breach = first_breach(moved.times_s, parts, columns, clearance_m=travel.clearance_m)
        if breach is not None:
            raise OperationRefused(
                ErrorCode.FIRST_AIR_BREACH,
                f'{breach.link} would be over the open {breach.container} at '
                f'{breach.time_s:.2f} s; its air column is {travel.air_column_radius_m:.3f} m '
                f'in radius and must stay empty',
            )
        contact = first_contact(self.geometry, moved.times_s, parts, empty=empty)
        if contact is not None:
            raise OperationRefused(
                ErrorCode.PATH_BLOCKED,
                f'{contact.link} would come closer than {travel.clearance_m:.3f} m to '
                f'{contact.body} at {contact.time_s:.2f} s',
            )

    def _standing_column(self, station: Station) -> AirColumn:
        """Return the air above an open container at a station."""
        mouth = station.position_m.copy()
        mouth[2] += self.geometry.container.grip_to_mouth_m
        return AirColumn(
            container=f'container at {station.name}',
            mouth_m=mouth[None],
            radius_m=self.geometry.travel.air_column_radius_m,
        )

    def _carried_column(self, positions_rad: Array) -> AirColumn:
        """Return the air above the container that is carried."""
        mouth = self.geometry.arm.skeleton(positions_rad)[:, 4].copy()
        mouth[:, 2] += self.geometry.container.grip_to_mouth_m
        return AirColumn(
            container=CARRIED,
            mouth_m=mouth,
            radius_m=self.geometry.travel.air_column_radius_m,
            ignored=CARRIED,
        )

    def _as_plan(self, moved: Trajectory, *, grasp_s: float) -> Plan:
        """Return the plan of a checked motion."""
        tips = self.geometry.arm.skeleton(moved.positions_rad)[:, 4]
        return Plan(
            times_s=moved.times_s.copy(),
            positions_rad=moved.positions_rad.copy(),
            duration_s=moved.duration_s,
            path_length_m=float(np.linalg.norm(np.diff(tips, axis=0), axis=1).sum()),
            names=JOINT_NAMES,
            grasp_s=grasp_s,
        )


def _sampled(leg: Array) -> Array:
    """Return grips along a leg at quintic shares, close enough together to be checked."""
    first, last = leg
    reach = max(first[0], last[0])
    length = float(np.linalg.norm((last - first) * [1.0, reach, 1.0]))
    share = quintic_shares(max(_MIN_SAMPLES, int(np.ceil(length / _STEP_M))))[:, None]
    return np.asarray(first + share * (last - first))


def _grip(row: Array) -> Grip:
    """Return a row of radius, azimuth and height as a grip."""
    return Grip(radius_m=float(row[0]), azimuth_rad=float(row[1]), height_m=float(row[2]))


def _turned(difference: Array) -> Array:
    """Return per row the greatest difference of angles, full turns aside; infinite for NaN."""
    rest = np.abs((difference + np.pi) % _TURN - np.pi).max(axis=1)
    return np.asarray(np.where(np.isfinite(rest), rest, np.inf))


def _same_place(one: Grip, other: Grip) -> bool:
    """Say whether two grips are the same within what a placed container may be off."""
    return bool(
        np.allclose(
            grip_poses(one.as_array()[None])[0, :3, 3],
            grip_poses(other.as_array()[None])[0, :3, 3],
            atol=_PLACED_M,
            rtol=0.0,
        )
    )
