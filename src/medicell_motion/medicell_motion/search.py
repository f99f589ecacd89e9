"""A search for a path where the straight one is blocked: two trees that grow towards each other.

RRT-Connect (Kuffner and LaValle, 2000) over the lines of a space, whose edges are checked as a
whole and kept up to where they are blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from medicell_motion.arm import Array
from medicell_motion.scene import Scene
from medicell_motion.spaces import Line, Space, dense

_MEETING = 1e-6
_WORTH_M = 0.03
"""A blocked edge that is free for less is not kept."""

_BACK_M = 0.01
"""How far before the first contact a blocked edge ends."""

_NEARBY = 0.6
"""Spread in radians of places that are drawn around one of a tree."""

_NEARBY_SHARE = 0.5

_SHORTCUTS = 4

_FELLED, _LATER, _MOST_TREES = 150, 1.3, 16
"""Edges after which two trees are felled that have not met, and how much later the next are."""

_PROBES = np.array([8, 4, 12, 2, 6, 10, 14, 1, 3, 5, 7, 9, 11, 13, 15])
_PROBED = 16
"""Samples of a line, the middle one first, that are looked at before all of it is."""


@dataclass(slots=True)
class _Tree:
    """Places that a root reaches, (n, d), with their postures, (n, 6).

    `parents` has the place that each was reached from, -1 for a root.
    """

    places: Array
    postures: Array
    parents: list[int]

    def nearest(self, space: Space, place: Array, posture: Array | None, radii_m: Array) -> int:
        """Return the place nearest to another; the one nearest to a posture, where one is given.

        Two postures of one place may be joined by no way that is short.
        """
        away = np.abs(space.towards(self.places, place)) @ space.weights
        if posture is not None:
            away = away + np.abs(self.postures - posture) @ radii_m
        return int(np.argmin(away))

    def add(self, place: Array, posture: Array, parent: int) -> int:
        """Add a place; return its number."""
        self.places = np.concatenate([self.places, place[None]])
        self.postures = np.concatenate([self.postures, posture[None]])
        self.parents.append(parent)
        return len(self.parents) - 1

    def way(self, index: int) -> list[int]:
        """Return the numbers from a root to a place."""
        found = [index]
        while self.parents[found[-1]] >= 0:
            found.append(self.parents[found[-1]])
        return found[::-1]


@dataclass(slots=True)
class Search:
    """Paths in one space of one scene as it is looked at now.

    `step_m` is how far any point of the arm may go between two checked samples.
    """

    scene: Scene
    space: Space
    step_m: float
    edges: int = field(default=0, init=False)

    def line(self, posture: Array, place: Array, end: Array) -> Line:
        """Return the line from a posture at a place to another place."""
        return Line(posture=posture, start=place, end=end)

    def reach(self, line: Line) -> tuple[Array, int]:
        """Return the free beginning of a line, densely, and how many samples the whole has."""
        self.edges += 1
        path, count = dense(self.space, line, self.scene.radii, self.step_m)
        blocked = self.scene.first_touch(path) if len(path) else None
        return path[:blocked], count

    def joins(self, line: Line, posture: Array) -> bool:
        """Say whether a line is free and ends in a posture."""
        if self._parted(line, posture):
            self.edges += 1
            return False
        path, count = self.reach(line)
        return len(path) == count and bool(np.abs(path[-1] - posture).max() < _MEETING)

    def _parted(self, line: Line, posture: Array) -> bool:
        """Say whether a few samples already tell that a line does not join two postures."""
        path = self.space.postures(line, np.linspace(0.0, 1.0, _PROBED + 1))
        off = path[-1] - posture
        # Full turns are told by dense samples only.
        off -= 2.0 * np.pi * np.round(off / (2.0 * np.pi))
        if float(np.abs(off).max()) > _MEETING:
            return True
        return not all(self.scene.free(path[index]) for index in _PROBES)

    def straight(self, pairs: Sequence[tuple[Array, Array]]) -> Line | None:
        """Return the first free straight line of pairs of a start and a goal."""
        for start, goal in pairs:
            begin = self.space.coordinates(start)
            for end in self.ends(begin, goal):
                line = self.line(start, begin, end)
                if self.joins(line, goal):
                    return line
        return None

    def ends(self, begin: Array, goal: Array) -> list[Array]:
        """Return the coordinates of a goal, nearest first; an azimuth has its full turns."""
        end = self.space.coordinates(goal)
        if len(end) == len(goal):
            return [end]
        turn = np.array([0.0, 0.0, 0.0, 2.0 * np.pi])
        turns = [end, end + turn, end - turn]
        return sorted(turns, key=lambda item: abs(float(item[3] - begin[3])))[:2]

    def connect(
        self,
        starts: Sequence[Array],
        goals: Sequence[Array],
        *,
        chance: np.random.Generator,
        hints: Sequence[Array] = (),
        go_on: Callable[[], bool],
    ) -> list[Line] | None:
        """Return lines from one of the starts to one of the goals, or None when told to stop.

        `hints` are places that are tried before those drawn by chance. Trees that have not met
        are felled after some edges, each time later: whether they meet soon is a matter of luck,
        and new ones often do where old ones never would.
        """
        ends = self.edges + np.cumsum(_FELLED * _LATER ** np.arange(_MOST_TREES))
        for end in ends:
            lines = self._attempt(
                starts, goals, chance=chance, hints=hints, end=float(end), go_on=go_on
            )
            if lines is not None or not go_on():
                return lines
        return None

    def _attempt(
        self,
        starts: Sequence[Array],
        goals: Sequence[Array],
        *,
        chance: np.random.Generator,
        hints: Sequence[Array],
        end: float,
        go_on: Callable[[], bool],
    ) -> list[Line] | None:
        """Return the lines by which two new trees meet, or None at the edge they end at."""
        first, second = self._tree(starts), self._tree(goals)
        waiting = list(hints)
        trees = (first, second)
        while self.edges < end and go_on():
            one, other = trees
            target = waiting.pop(0) if waiting else self._drawn(one, chance)
            grown = self._grow(one, target)
            if grown is not None:
                met = self._grow(other, one.places[grown], one.postures[grown])
                if met is not None and self._same(one, grown, other, met):
                    ways = (grown, met) if one is first else (met, grown)
                    return self._lines(first, ways[0], second, ways[1])
            trees = trees[::-1]
        return None

    def _tree(self, roots: Sequence[Array]) -> _Tree:
        """Return the tree of some roots."""
        places = [self.space.coordinates(item) for item in roots]
        return _Tree(np.array(places), np.array(roots), [-1] * len(roots))

    def shortened(
        self, lines: list[Line], *, chance: np.random.Generator, go_on: Callable[[], bool]
    ) -> list[Line]:
        """Return a path of fewer or shorter lines where the arm can cut corners."""
        places = [line.start for line in lines] + [lines[-1].end]
        postures = [line.posture for line in lines]
        last = self.space.postures(lines[-1], np.array([0.0, 0.5, 1.0]))[-1]
        postures.append(last)
        index = 0
        while index < len(places) - 2 and go_on():
            for far in range(len(places) - 1, index + 1, -1):
                line = self.line(postures[index], places[index], places[far])
                if self.joins(line, postures[far]):
                    del places[index + 1 : far], postures[index + 1 : far]
                    break
            index += 1
        for _ in range(_SHORTCUTS if len(places) > 2 else 0):
            if not go_on():
                break
            self._cut(places, postures, chance)
        return [
            self.line(postures[index], places[index], places[index + 1])
            for index in range(len(places) - 1)
        ]

    def _cut(
        self, places: list[Array], postures: list[Array], chance: np.random.Generator
    ) -> None:
        """Join two chance points beside a corner by a line, where that is free."""
        corner = int(chance.integers(1, len(places) - 1))
        before, after = chance.uniform(0.0, 1.0, 2)
        come = self.line(postures[corner - 1], places[corner - 1], places[corner])
        leave = self.line(postures[corner], places[corner], places[corner + 1])
        one, one_at = self._point(come, before)
        other, other_at = self._point(leave, after)
        if self.joins(self.line(one, one_at, other_at), other):
            places[corner : corner + 1] = [one_at, other_at]
            postures[corner : corner + 1] = [one, other]

    def _point(self, line: Line, share: float) -> tuple[Array, Array]:
        """Return posture and place at a share of a line."""
        shares = np.linspace(0.0, share, max(2, int(np.ceil(64 * share))))
        path = self.space.postures(line, shares)
        return path[-1], line.coordinates(shares)[-1]

    def _drawn(self, tree: _Tree, chance: np.random.Generator) -> Array:
        """Draw a place: anywhere, or around one of a tree, so that it gets out of a corner."""
        if chance.uniform() > _NEARBY_SHARE:
            return self.space.drawn(chance)
        centre = tree.places[int(chance.integers(len(tree.places)))]
        return np.asarray(centre + chance.normal(0.0, _NEARBY, len(centre)))

    def _grow(self, tree: _Tree, target: Array, posture: Array | None = None) -> int | None:
        """Grow a tree towards a place, or one posture of it; return the last place, or None."""
        nearest = tree.nearest(self.space, target, posture, self.scene.radii)
        start = tree.places[nearest]
        target = start + self.space.towards(start, target)
        if float(np.abs(target - start).max()) < _MEETING:
            return nearest
        line = self.line(tree.postures[nearest], start, target)
        if self._stuck(line):
            self.edges += 1
            return None
        path, count = self.reach(line)
        if len(path) == count:
            return tree.add(target, path[-1], nearest)
        travelled = np.cumsum(self.scene.travel_m(path)) if len(path) > 1 else np.zeros(1)
        if travelled[-1] < _WORTH_M:
            return None
        kept = int(np.searchsorted(travelled, travelled[-1] - _BACK_M))
        place = line.coordinates(np.array([kept / (count - 1)]))[0]
        return tree.add(place, path[kept], nearest)

    def _stuck(self, line: Line) -> bool:
        """Say whether one sample tells that a line is blocked before it is worth to be kept."""
        length = float(np.abs(line.end - line.start) @ self.space.weights)
        shares = np.array([0.0, min(1.0, _WORTH_M / length)])
        posture = self.space.postures(line, shares)[-1]
        return not (self.space.arm.within_limits(posture) and self.scene.free(posture))

    @staticmethod
    def _same(one: _Tree, first: int, other: _Tree, second: int) -> bool:
        """Say whether two trees have met in one posture."""
        return bool(np.abs(one.postures[first] - other.postures[second]).max() < _MEETING)

    def _lines(self, first: _Tree, one: int, second: _Tree, other: int) -> list[Line]:
        """Return the lines from the first tree's root to the second's."""
        there, back = first.way(one), second.way(other)[::-1]
        places = [first.places[i] for i in there] + [second.places[i] for i in back[1:]]
        postures = [first.postures[i] for i in there] + [second.postures[i] for i in back[1:]]
        for index in range(1, len(places)):
            before = places[index - 1]
            places[index] = before + self.space.towards(before, places[index])
        return [
            self.line(postures[index], places[index], places[index + 1])
            for index in range(len(places) - 1)
        ]
