"""Ways from a posture to one of several, past all that stands around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_motion.arm import Array
from medicell_motion.geometry import CellGeometry
from medicell_motion.scene import Scene, Surroundings, Touch
from medicell_motion.search import Search
from medicell_motion.spaces import JointSpace, LevelSpace, Line, Space, radial
from medicell_motion.stations import grip_poses
from medicell_motion.trajectory import Curve, Trajectory, timed

MOST_EDGES = 20_000
"""Edges after which a search ends without an answer; counted, so that it ends alike every time.

The hardest pairs of the bench take one seed 1,800 and another 15,000.
"""

MOST_STRAIGHT = 8
"""Goal postures that are tried by a straight line before the search."""

SHORTENING_EDGES = 16
_FIRST_SAMPLES = 48
_MOST_SAMPLES = 20_000
_SEED = 20_260_101


@dataclass(slots=True)
class Planner:
    """Plans in one scene; not for more than one thread at a time."""

    geometry: CellGeometry
    scene: Scene
    most_edges: int = MOST_EDGES
    edges: int = field(default=0, init=False)

    def transit(
        self,
        starts: Sequence[Array],
        goals: Sequence[Array],
        around: Surroundings,
        *,
        seed: int = _SEED,
    ) -> list[Curve]:
        """Return ways, one after another, from one of some postures to one of others.

        A container that is carried open stays upright: starts and goals must hold it so. Tried
        are straight lines, then a search. Raises FIRST_AIR_BREACH or PATH_BLOCKED, by name,
        where all starts or all goals are blocked; PATH_NOT_FOUND where the search ends without an
        answer.
        """
        self.scene.look(around)
        starts, goals = self._free(starts, 'start'), self._free(goals, 'goal')
        pairs = self._nearest(starts, goals)
        search = self.search(upright=around.carrying and around.carried_open)
        line = search.straight(pairs[:MOST_STRAIGHT])
        if line is not None:
            lines: list[Line] | None = [line]
        else:
            chance = np.random.default_rng(seed)
            lines = search.connect(
                starts,
                goals,
                chance=chance,
                hints=self._hints(search.space, *pairs[0]),
                go_on=lambda: search.edges < self.most_edges,
            )
            if lines is not None:
                most = search.edges + SHORTENING_EDGES
                lines = search.shortened(lines, chance=chance, go_on=lambda: search.edges < most)
        self.edges = search.edges
        if lines is None:
            raise self._not_found(search, *pairs[0])
        return [self.curve(search.space, line) for line in lines]

    def search(self, *, upright: bool) -> Search:
        """Return a search among all postures, or among those that hold a container upright."""
        kind = LevelSpace if upright else JointSpace
        space: Space = kind(self.geometry.arm, self.scene.radii)
        return Search(self.scene, space, self.geometry.travel.clearance_m)

    @staticmethod
    def curve(space: Space, line: Line) -> Curve:
        """Return the way of a line."""
        return lambda shares: space.postures(line, shares)

    def check(self, curves: Sequence[Curve], *, open_liquid: bool) -> None:
        """Raise FIRST_AIR_BREACH or PATH_BLOCKED for the first thing on ways, with its time.

        The surroundings are those of the last :meth:`transit` or `scene.look`.
        """
        for index, curve in enumerate(curves):
            path = self.sampled(curve)
            blocked = self.scene.first_touch(path)
            if blocked is not None:
                moved = self.timed(curves[: index + 1], open_liquid=open_liquid)
                raise self.refusal(path[blocked], moved)

    def timed(self, curves: Sequence[Curve], *, open_liquid: bool) -> Trajectory:
        """Run along ways, at rest between them."""
        return timed(curves, self.geometry, open_liquid=open_liquid)

    def sampled(self, curve: Curve) -> Array:
        """Return a way so densely that no point goes further than the clearance in between.

        Raises OUT_OF_REACH for postures that are none or outside the limits, PATH_BLOCKED where
        the arm would flip.
        """
        count, step = _FIRST_SAMPLES, self.geometry.travel.clearance_m
        while True:
            path = curve(np.linspace(0.0, 1.0, count))
            if not bool(self.geometry.arm.within_limits(path).all()):
                text = 'no posture within the joint limits all the way'
                raise OperationRefused(ErrorCode.OUT_OF_REACH, text)
            finer = float(self.scene.travel_m(path).max()) / step
            if finer <= 1.0:
                return path
            count = int(np.ceil(count * finer * 1.05)) + 1
            if count > _MOST_SAMPLES:
                raise OperationRefused(ErrorCode.PATH_BLOCKED, 'the arm would flip on the way')

    def refusal(
        self, posture: Array, moved: Trajectory | None, what: str = ''
    ) -> OperationRefused:
        """Return the refusal of a posture that touches something, with its time on a motion."""
        touch = self.scene.touch(posture)
        assert touch is not None, 'a posture that was found blocked is blocked'
        when = ''
        if moved is not None:
            nearest = np.abs(moved.positions_rad - posture).max(axis=1).argmin()
            when = f' at {moved.times_s[nearest]:.2f} s'
        return self._refused([touch], when, what)

    def _free(self, postures: Sequence[Array], what: str) -> list[Array]:
        """Return those that touch nothing; raises what all of them touch."""
        free = [posture for posture in postures if self.scene.free(posture)]
        if not free:
            found = [self.scene.touch(posture) for posture in postures]
            touches = [item for item in found if item is not None]
            raise self._refused(touches, '', f'at the {what} ')
        return free

    def _nearest(
        self, starts: Sequence[Array], goals: Sequence[Array]
    ) -> list[tuple[Array, Array]]:
        """Return pairs of start and goal, those first that take the joints the least time."""
        speed = np.asarray(self.geometry.arm.max_velocity_rad_s)
        pairs = [(start, goal) for start in starts for goal in goals]
        return sorted(pairs, key=lambda pair: float((np.abs(pair[1] - pair[0]) / speed).max()))

    def _hints(self, space: Space, start: Array, goal: Array) -> list[Array]:
        """Return places over the ring at the azimuths of start and goal, arm drawn back."""
        travel, arm = self.geometry.travel, self.geometry.arm
        drawn = arm.inverse(
            grip_poses(np.array([[travel.ring_radius_m, 0.0, arm.shoulder_height_m]]))[0]
        )
        if not len(drawn):
            return []
        hints: list[Array] = []
        for posture in (start, goal):
            place = space.coordinates(posture)
            if isinstance(space, LevelSpace):
                hints.append(radial(place))
            back = drawn[0] + np.append(posture[0] - drawn[0][0], np.zeros(5))
            hints.append(space.coordinates(back))
        return hints

    def _refused(self, touches: Sequence[Touch], when: str, what: str) -> OperationRefused:
        """Return the refusal that names what would be touched, or what air would be entered."""
        travel = self.geometry.travel
        named = dict.fromkeys((touch.link, touch.body, touch.air) for touch in touches)
        texts = [
            f'{link} would be over the open {body}{when}; its air column is '
            f'{travel.air_column_radius_m:.3f} m in radius and must stay empty'
            if air
            else f'{link} would come closer than {travel.clearance_m:.3f} m to {body}{when}'
            for link, body, air in named
        ]
        over = all(air for _, _, air in named)
        code = ErrorCode.FIRST_AIR_BREACH if over else ErrorCode.PATH_BLOCKED
        return OperationRefused(code, what + '; '.join(texts))

    def _not_found(self, search: Search, start: Array, goal: Array) -> OperationRefused:
        """Return the refusal of a search without an answer; it tells what the direct way meets."""
        direct = ''
        try:
            begin, end = search.space.coordinates(start), search.space.coordinates(goal)
            curve = self.curve(search.space, search.line(start, begin, end))
            self.check([curve], open_liquid=False)
        except OperationRefused as refusal:
            direct = f'; on the direct way {refusal.message}'
        return OperationRefused(
            ErrorCode.PATH_NOT_FOUND,
            f'no way was found in {search.edges} attempts, none is proved blocked{direct}',
        )
