"""The cell as Pinocchio and Coal see it: the arm, all that can be touched, and open air.

The bodies are the collision bodies of the model's URDF. Containers that may stand at the
stations, and the air over those that are open, are cylinders beside them, so that one check
answers for collision and for first air.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import coal
import numpy as np
import numpy.typing as npt
import pinocchio as pin

from medicell_motion.arm import JOINT_NAMES, JOINTS, Array
from medicell_motion.body import BASE, CARRIED, PART_OF_LINK, TOOL
from medicell_motion.geometry import CellGeometry
from medicell_motion.model import body_names, reduced_model

Booleans = npt.NDArray[np.bool_]

HAND = ('tool', 'finger')
"""What is beside a container while it is gripped."""

APART = 2
"""Links of the arm that are as many joints apart or fewer cannot meet within the limits."""

_BENDS = 101
OWN_AIR = f'air over the {CARRIED}'
_COARSENESS = (1.0, 1.5, 2.0, 4.0, 8.0, 16.0)
"""Margins of the checks in clearances: the wide ones clear much of a free path at once."""

_WIDEN_AFTER = 4
"""Checks that a margin has to pass one after another before the next wider one is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What stands where while a path is checked.

    `occupied` are the stations with a container, `uncovered` those of them whose container is
    open. `carrying` says whether the hand holds a container, `carried_open` whether that is
    open. At `gripping` the hand is beside the container: the container is not in the hand's
    way, and its air is held against the arm but not against the hand.
    """

    occupied: frozenset[str]
    uncovered: frozenset[str] = frozenset()
    carrying: bool = False
    carried_open: bool = False
    gripping: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """A part of the arm, and what it comes too close to or over."""

    link: str
    body: str
    air: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two bodies that may meet, by what makes them count."""

    link: str
    body: str
    station: str
    air: bool


class Scene:
    """Checks postures and paths; not for more than one thread at a time."""

    def __init__(self, geometry: CellGeometry, urdf: str) -> None:
        """Build the model; raises InputError when the URDF lacks the arm."""
        self._geometry = geometry
        self._model, bodies = reduced_model(urdf)
        self._bodies = pin.GeometryModel()
        self._parts: dict[int, str] = {}
        self._fixed: dict[int, tuple[str, str, bool]] = {}
        self._base = self._model.frames[self._model.getFrameId(BASE)].placement
        self._add_robot_and_cell(bodies, body_names(urdf))
        self._add_containers()
        self._pairs = self._make_pairs()
        self._data = self._model.createData()
        clearance = geometry.travel.clearance_m
        self.margins_m = tuple(clearance * factor for factor in _COARSENESS)
        self._levels = [self._level(margin) for margin in self.margins_m]
        self._active = np.ones(len(self._pairs), dtype=np.bool_)
        self.radii = self._travel_radii()
        self.checks = 0
        self.look(Surroundings(occupied=frozenset()))

    def look(self, around: Surroundings) -> None:
        """Take over what stands where."""
        active = np.array([_counts(pair, around) for pair in self._pairs], dtype=np.bool_)
        for index in np.flatnonzero(active != self._active):
            for data, _ in self._levels:
                if active[index]:
                    data.activateCollisionPair(int(index))
                else:
                    data.deactivateCollisionPair(int(index))
        self._active = active

    def free(self, posture: Array, *, level: int = 0) -> bool:
        """Say whether nothing is closer than a level's margin; level 0 is the clearance."""
        self.checks += 1
        manager = self._levels[level][1]
        return not pin.computeCollisions(self._model, self._data, manager, posture, True)

    def touch(self, posture: Array) -> Touch | None:
        """Return the first pair that is closer than the clearance, or None."""
        data = self._levels[0][0]
        if not pin.computeCollisions(self._model, self._data, self._bodies, data, posture, True):
            return None
        for index, result in enumerate(data.collisionResults):
            if self._active[index] and result.isCollision():
                pair = self._pairs[index]
                return Touch(link=pair.link, body=pair.body, air=pair.air)
        return None

    def gap_m(self, posture: Array) -> float:
        """Return the least distance of all pairs that count, in metres; slow."""
        data = self._levels[0][0]
        pin.updateGeometryPlacements(self._model, self._data, self._bodies, data, posture)
        found = [
            pin.computeDistance(self._bodies, data, int(index)).min_distance
            for index in np.flatnonzero(self._active)
        ]
        return float(min(found, default=np.inf))

    def travel_m(self, path: Array) -> Array:
        """Return a bound of how far any point of the arm goes between the samples, (n - 1,)."""
        return np.asarray(np.abs(np.diff(path, axis=0)) @ self.radii)

    def first_touch(self, path: Array) -> int | None:
        """Return the first sample of a path that is too close to something, or None.

        The path is dense: no point of the robot may travel further than the clearance between
        two samples (see :meth:`travel_m`). A sample with the margin m free answers for all
        samples from which no point is further away than m less the clearance, and what lies
        between two samples keeps at least half the clearance too. The margin follows the gap:
        one that fails gives way to the next narrower, so that along a wall few checks fail.
        """
        travelled = [0.0, *np.cumsum(self.travel_m(path)).tolist()]
        widest = len(self.margins_m) - 1
        low, level, passed = 0, widest, 0
        while low < len(path):
            middle, after = self._covered(travelled, low, level)
            if self.free(path[middle], level=level):
                low, passed = after, passed + 1
                if passed == _WIDEN_AFTER:
                    level, passed = min(level + 1, widest), 0
            elif level == 0:
                return low
            else:
                level, passed = level - 1, 0
        return None

    def _covered(self, travelled: Sequence[float], low: int, level: int) -> tuple[int, int]:
        """Return the sample that answers with a level's margin from `low` on, and up to where."""
        if level == 0:
            return low, low + 1
        away = self.margins_m[level] - self.margins_m[0]
        middle = bisect_right(travelled, travelled[low] + away, low) - 1
        return middle, bisect_right(travelled, travelled[middle] + away, middle)

    def tip(self, posture: Array) -> Array:
        """Return the tip's pose in the robot's base, (4, 4), by Pinocchio."""
        pin.framesForwardKinematics(self._model, self._data, posture)
        tool = self._data.oMf[self._model.getFrameId(TOOL)]
        return np.asarray((self._base.inverse() * tool).homogeneous)

    def _level(
        self, margin_m: float
    ) -> tuple[pin.GeometryData, pin.TreeBroadPhaseManager_NaiveCollisionManager]:
        """Return the data and the broad phase of checks with a margin."""
        data = self._bodies.createData()
        for request in data.collisionRequests:
            request.security_margin = margin_m
        # Some hundred boxes are compared faster one by one than a tree of them is kept.
        kind = pin.TreeBroadPhaseManager_NaiveCollisionManager
        return data, kind(self._model, self._bodies, data)

    def _add_robot_and_cell(self, bodies: pin.GeometryModel, names: dict[str, str]) -> None:
        """Take over the arm's bodies, and of the cell's those that it can reach."""
        arm = self._geometry.arm
        shoulder = self._base.translation + np.array([0.0, 0.0, arm.shoulder_height_m])
        for item in bodies.geometryObjects:
            link, _, _ = item.name.rpartition('_')
            part = PART_OF_LINK.get(link)
            shape = item.geometry
            if item.parentJoint > 0 and isinstance(shape, coal.Cylinder):
                # The joints' round hubs stick out at both ends of a link.
                item.geometry = coal.Capsule(shape.radius, 2.0 * shape.halfLength)
            elif part is None and not self._reaches(item, shoulder):
                continue
            index = self._bodies.addGeometryObject(item)
            if part is not None and item.parentJoint > 0:
                self._parts[index] = part
            else:
                self._fixed[index] = (part or names[item.name], '', False)

    def _reaches(self, item: pin.GeometryObject, shoulder: Array) -> bool:
        """Say whether a body is near enough for the arm to touch it."""
        item.geometry.computeLocalAABB()
        away = np.linalg.norm(item.placement.act(item.geometry.aabb_center) - shoulder)
        arm, container = self._geometry.arm, self._geometry.container
        widest = self._geometry.travel.clearance_m * _COARSENESS[-1]
        reach = arm.reach_m + container.grip_to_mouth_m + widest
        return bool(away - item.geometry.aabb_radius <= reach)

    def _add_containers(self) -> None:
        """Add a container and its air at every station, and those in the hand."""
        shape, air = self._geometry.container, self._geometry.travel.air_column_radius_m
        ceiling = max(box.high_m[2] for box in self._geometry.obstacles)
        for station in self._geometry.stations.values():
            at, name = station.position_m, f'container at {station.name}'
            body = coal.Cylinder(shape.radius_m, 2.0 * shape.grip_to_mouth_m)
            self._fixed[self._add(body, name, 0, self._base, at)] = (name, station.name, False)
            # Down to the container's bottom: a thick link beside the mouth is held off too.
            low = at[2] - shape.grip_to_mouth_m
            centre = np.array([at[0], at[1], (low + ceiling) / 2.0])
            column = coal.Cylinder(air, ceiling - low)
            place = self._add(column, f'air over {name}', 0, self._base, centre)
            self._fixed[place] = (name, station.name, True)
        joint = self._model.getJointId(JOINT_NAMES[-1])
        tool = self._model.frames[self._model.getFrameId(TOOL)].placement
        # The tool's x points down while a container stands upright in the hand.
        upright = tool * pin.SE3(pin.utils.rotate('y', -np.pi / 2.0), np.zeros(3))
        held = coal.Capsule(shape.radius_m, 2.0 * (shape.grip_to_mouth_m - shape.radius_m))
        self._parts[self._add(held, CARRIED, joint, upright, np.zeros(3))] = CARRIED
        above = np.array([0.0, 0.0, shape.grip_to_mouth_m + ceiling / 2.0])
        column = coal.Cylinder(air, ceiling)
        self._parts[self._add(column, OWN_AIR, joint, upright, above)] = OWN_AIR

    def _add(
        self,
        shape: coal.CollisionGeometry,
        name: str,
        joint: int,
        frame: pin.SE3,
        at: Array,
    ) -> int:
        placement = frame * pin.SE3(np.eye(3), at)
        item = pin.GeometryObject(name, joint, placement, shape)
        return int(self._bodies.addGeometryObject(item))

    def _make_pairs(self) -> list[_Pair]:
        """Add all pairs that may meet to the model; return them in its order."""
        pairs: list[_Pair] = []
        for one, other, pair in self._candidates():
            if pair.link == 'tool' and pair.body == 'forearm' and self._stay_apart(one, other):
                continue
            self._bodies.addCollisionPair(pin.CollisionPair(min(one, other), max(one, other)))
            pairs.append(pair)
        return pairs

    def _stay_apart(self, one: int, other: int) -> bool:
        """Say whether axis 5 alone, within its limits, brings two round bodies no contact.

        The tool begins so near to the forearm that this pair would spoil every wide margin.
        """
        arm, data = self._geometry.arm, self._model.createData()
        bodies = [self._bodies.geometryObjects[index] for index in (one, other)]
        least = np.inf
        for bend in np.linspace(arm.lower_limit_rad[4], arm.upper_limit_rad[4], _BENDS):
            pin.forwardKinematics(self._model, data, np.array([0.0, 0.0, 0.0, 0.0, bend, 0.0]))
            first, second = (data.oMi[item.parentJoint] * item.placement for item in bodies)
            gap = coal.distance(
                bodies[0].geometry,
                coal.Transform3s(first.rotation, first.translation),
                bodies[1].geometry,
                coal.Transform3s(second.rotation, second.translation),
                coal.DistanceRequest(),
                coal.DistanceResult(),
            )
            least = min(least, gap)
        return bool(least > self._geometry.travel.clearance_m)

    def _candidates(self) -> Iterator[tuple[int, int, _Pair]]:
        joint_of = {
            index: self._bodies.geometryObjects[index].parentJoint for index in self._parts
        }
        for index, part in self._parts.items():
            if part == OWN_AIR:
                for other, link in self._parts.items():
                    if link not in (*HAND, CARRIED, OWN_AIR):
                        yield index, other, _Pair(link=link, body=CARRIED, station='', air=True)
                continue
            if part == 'shoulder':
                # A body around axis 1: it is where it was, however the arm turns.
                continue
            for other, (name, station, air) in self._fixed.items():
                if name == 'base' and joint_of[index] <= APART:
                    continue
                yield index, other, _Pair(link=part, body=name, station=station, air=air)
            for other, link in self._parts.items():
                apart = joint_of[index] - joint_of[other]
                if link == OWN_AIR or apart < APART or (apart == APART and part == 'wrist'):
                    continue
                yield index, other, _Pair(link=part, body=link, station='', air=False)
            if part == CARRIED:
                wrist = next(other for other, link in self._parts.items() if link == 'wrist')
                yield index, wrist, _Pair(link=part, body='wrist', station='', air=False)

    def _travel_radii(self) -> Array:
        """Return per joint how far from its axis any point of what it moves can be, in metres."""
        arm, links, vial = self._geometry.arm, self._geometry.links, self._geometry.container
        hand = arm.wrist_to_tip_m + max(vial.grip_to_mouth_m, links.wrist_m)
        from_elbow = arm.forearm_m + hand
        from_shoulder = arm.upper_arm_m + from_elbow
        beside = max(links.tool_m, vial.grip_to_mouth_m, vial.radius_m + 4.0 * links.tool_m / 3.0)
        radii = [from_shoulder, from_shoulder, from_elbow, hand, hand, beside]
        assert len(radii) == JOINTS
        return np.array(radii)


def _counts(pair: _Pair, around: Surroundings) -> bool:
    """Say whether a pair is to be checked."""
    if pair.link == CARRIED and not around.carrying:
        return False
    if pair.air and not pair.station:
        return around.carrying and around.carried_open
    if not pair.station:
        return True
    if pair.air:
        beside = pair.station in around.gripping and pair.link in HAND
        return pair.station in around.uncovered and not beside
    return pair.station in around.occupied and pair.station not in around.gripping
