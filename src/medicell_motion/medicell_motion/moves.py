"""Moves between stations: fetch a container, lift it, carry it past the others, set it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_motion.arm import Arm, Array, branch_of, full_turns
from medicell_motion.geometry import CellGeometry
from medicell_motion.planner import Planner
from medicell_motion.route import at_radius, carry_routes
from medicell_motion.scene import Surroundings
from medicell_motion.stations import Station, grip_poses
from medicell_motion.trajectory import Curve, Trajectory, joined, standstill

_PLACED_M = 1e-3
_PLACED_RAD = 1e-6
_BESIDE_M = 0.04
"""A hand that is nearer to a station than this is taken to be beside its container."""

_ENDS = np.array([0.0, 0.5, 1.0])
_SEVERITY = (
    ErrorCode.FIRST_AIR_BREACH,
    ErrorCode.PATH_BLOCKED,
    ErrorCode.PATH_NOT_FOUND,
    ErrorCode.OUT_OF_REACH,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """Lift and lowering of a move in one branch, both free."""

    branch: int
    lift: Curve
    lower: Curve

    @property
    def lifted(self) -> Array:
        """Return the posture at the end of the lift."""
        return np.asarray(self.lift(_ENDS)[-1])

    @property
    def above(self) -> Array:
        """Return the posture from which the container is lowered."""
        return np.asarray(self.lower(_ENDS)[0])


@dataclass(frozen=True, slots=True)
class Moves:
    """Plans between stations by a planner of the whole cell."""

    geometry: CellGeometry
    planner: Planner

    def is_placed(self, posture: Array, station: Station) -> bool:
        """Say whether the hand is where it grips at a station."""
        off = self.geometry.arm.forward(posture) - station.pose
        return bool(np.abs(off[:3, 3]).max() < _PLACED_M and np.abs(off).max() < _PLACED_M)

    def carry(
        self,
        start: Station,
        goal: Station,
        uncovered: frozenset[str],
        branches: Sequence[int],
        *,
        is_open: bool,
    ) -> Trajectory:
        """Return the motion of a gripped container from one station to another."""
        ends = frozenset({start.name, goal.name})
        around = Surroundings(
            occupied=frozenset(self.geometry.stations) - ends,
            uncovered=uncovered - ends,
            carrying=True,
            carried_open=is_open,
        )
        ways: list[_Ways] = []
        refusals: list[OperationRefused] = []
        for branch in branches:
            self.planner.scene.look(around)
            try:
                ways.append(self._ends(start, goal, branch))
            except OperationRefused as refusal:
                refusals.append(refusal)
                continue
            routed = self._routed(start, goal, ways[-1], around)
            if routed is not None:
                return self.planner.timed(routed, open_liquid=is_open)
        if not ways:
            raise min(refusals, key=lambda refusal: _SEVERITY.index(refusal.code))
        curves = self.planner.transit([ways[0].lifted], [way.above for way in ways], around)
        curves = self._with_ends(ways[0].lift, curves, ways)
        return self.planner.timed(curves, open_liquid=is_open)

    def fetched(
        self, posture: Array, start: Station, carry: Trajectory, uncovered: frozenset[str]
    ) -> tuple[Trajectory, float]:
        """Return the way of the empty hand to a carried container, then the carry; and its time.

        The container at the station is taken to be open.
        """
        coming = self._approach(posture, start, carry.positions_rad[0], uncovered | {start.name})
        return joined([coming, carry]), coming.duration_s

    def _ends(self, start: Station, goal: Station, branch: int) -> _Ways:
        """Return lift and lowering in a branch; raises what speaks against them."""
        lift, lower = (self._leg(_rise(item), branch) for item in (start, goal))
        self.planner.check([lift], open_liquid=False)
        self.planner.check([lower], open_liquid=False)
        return _Ways(branch=branch, lift=lift, lower=reversed_curve(lower))

    def _routed(
        self, start: Station, goal: Station, way: _Ways, around: Surroundings
    ) -> list[Curve] | None:
        """Return a straight way or a level route in one branch, or None when all are blocked."""
        search = self.planner.search(upright=around.carried_open)
        line = search.straight([(way.lifted, way.above)])
        if line is not None:
            return [way.lift, self.planner.curve(search.space, line), way.lower]
        for route in carry_routes(start, goal, self.geometry.travel.ring_radius_m):
            curves = self._legs(route, way.branch)
            try:
                self.planner.check(curves, open_liquid=False)
            except OperationRefused:
                continue
            return curves
        return None

    def _with_ends(
        self, lift: Curve, between: Sequence[Curve], ways: Sequence[_Ways]
    ) -> list[Curve]:
        """Return a way with its lift and the lowering that begins where it ends."""
        end = between[-1](np.linspace(0.0, 1.0, 64))[-1]
        lower = min(ways, key=lambda way: float(np.abs(way.above - end).max())).lower
        return [lift, *between, lower]

    def _approach(
        self, posture: Array, start: Station, grasp: Array, uncovered: frozenset[str]
    ) -> Trajectory:
        """Return the way of the empty hand from a posture to the grasp at a station."""
        everywhere = frozenset(self.geometry.stations)
        if self.is_placed(posture, start) and np.abs(posture - grasp).max() < 10 * _PLACED_M:
            if float(np.abs(posture - grasp).max()) < _PLACED_RAD:
                return standstill(grasp)
            return self.planner.timed([_straight(posture, grasp)], open_liquid=False)
        beside = self._beside(posture)
        curves: list[Curve] = []
        if beside is not None:
            curves = [self._retreat(posture)]
            around = Surroundings(
                occupied=everywhere, uncovered=uncovered, gripping=frozenset({beside})
            )
            self.planner.scene.look(around)
            self.planner.check(curves, open_liquid=False)
            posture = curves[0](np.linspace(0.0, 1.0, 64))[-1]
        grip = start.grip.as_array()
        ring = self.geometry.travel.ring_radius_m
        reach = self._leg(
            np.stack([at_radius(grip, ring), grip]), branch_of(self.geometry.arm, grasp), grasp
        )
        around = Surroundings(
            occupied=everywhere, uncovered=uncovered, gripping=frozenset({start.name})
        )
        self.planner.scene.look(around)
        self.planner.check([reach], open_liquid=False)
        outside = Surroundings(occupied=everywhere, uncovered=uncovered)
        ahead = reach(np.linspace(0.0, 1.0, 64))[0]
        if float(np.abs(ahead - posture).max()) > _PLACED_RAD:
            curves += self.planner.transit([posture], [ahead], outside)
        return self.planner.timed([*curves, reach], open_liquid=False)

    def _beside(self, posture: Array) -> str | None:
        """Return the station whose container the hand is beside, or None."""
        tip = self.geometry.arm.forward(posture)[:3, 3]
        away = {
            name: float(np.linalg.norm(tip - station.position_m))
            for name, station in self.geometry.stations.items()
        }
        nearest = min(away, key=lambda name: away[name])
        return nearest if away[nearest] < _BESIDE_M else None

    def _retreat(self, posture: Array) -> Curve:
        """Return the way of a hand beside a container back to the ring, as it is held."""
        arm = self.geometry.arm
        pose = arm.forward(posture)
        inwards = pose[:2, 2] * (self.geometry.travel.ring_radius_m - np.hypot(*pose[:2, 3]))
        number = branch_of(arm, posture)

        def curve(shares: Array) -> Array:
            poses = np.repeat(pose[None], len(shares), axis=0)
            poses[:, :2, 3] += shares[:, None] * inwards
            path = np.unwrap(arm.branch(poses, number), axis=0)
            return path + _nearest_turns(path[0], posture)

        return curve

    def _legs(self, route: Sequence[Array], branch: int) -> list[Curve]:
        """Return the legs of a route, each from where the last one ends."""
        curves: list[Curve] = []
        anchor: Array | None = None
        for leg in route:
            curve = self._leg(leg, branch, begin=anchor)
            anchor = curve(np.linspace(0.0, 1.0, 64))[-1]
            curves.append(curve)
        return curves

    def _leg(
        self, leg: Array, branch: int, end: Array | None = None, *, begin: Array | None = None
    ) -> Curve:
        """Return a straight line in radius, azimuth and height; full turns are as at an end."""
        arm = self.geometry.arm
        whole = _along(arm, leg, branch, np.linspace(0.0, 1.0, 64))
        if begin is not None:
            turns = _nearest_turns(whole[0], begin)
        elif end is not None:
            turns = _nearest_turns(whole[-1], end)
        else:
            turns = full_turns(arm, whole)
        first = whole[0] + turns

        def curve(shares: Array) -> Array:
            path = _along(arm, leg, branch, np.concatenate([[0.0], shares]))
            return np.asarray((path + _nearest_turns(path[0], first))[1:])

        return curve


def reversed_curve(curve: Curve) -> Curve:
    """Return the same way in the other direction."""
    return lambda shares: curve(1.0 - shares[::-1])[::-1]


def _along(arm: Arm, leg: Array, branch: int, shares: Array) -> Array:
    grips = leg[0] + shares[:, None] * (leg[1] - leg[0])
    return np.unwrap(arm.branch(grip_poses(grips), branch), axis=0)


def _nearest_turns(angles: Array, wanted: Array) -> Array:
    """Return the full turns that bring angles next to wanted ones."""
    return np.asarray(np.round((wanted - angles) / (2.0 * np.pi)) * 2.0 * np.pi)


def _rise(station: Station) -> Array:
    """Return the leg by which a container is lifted at a station."""
    grip = station.grip.as_array()
    return np.stack([grip, grip + np.array([0.0, 0.0, station.approach_m])])


def _straight(first: Array, last: Array) -> Curve:
    return lambda shares: first + shares[:, None] * (last - first)
