"""What a path is searched in: the joints, or the level postures of a container that stays upright.

A space has coordinates in which any two places are joined by a straight line, and gives the
dense joint path of such a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from medicell_motion.arm import JOINTS, Arm, Array

_SMALLEST_RADIUS_M = 0.05
_RADIAL = 1e-9
_TURN = 2.0 * np.pi
_FINEST = 3
"""How much finer than by its coordinates a line may have to be sampled before it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight line in a space from a posture: (6,) and coordinates at both ends."""

    posture: Array
    start: Array
    end: Array

    def coordinates(self, shares: Array) -> Array:
        """Return the coordinates at shares of the line, (n, d)."""
        return np.asarray(self.start + shares[:, None] * (self.end - self.start))


class Space(Protocol):
    """Coordinates of postures, and lines between them."""

    @property
    def arm(self) -> Arm:
        """Return the arm."""

    @property
    def weights(self) -> Array:
        """Return how far the arm's outermost point goes for a unit of each coordinate."""

    @property
    def low(self) -> Array:
        """Return the lowest coordinates from which places are drawn."""

    @property
    def high(self) -> Array:
        """Return the highest coordinates from which places are drawn."""

    def coordinates(self, posture: Array) -> Array:
        """Return the coordinates of a posture."""

    def postures(self, line: Line, shares: Array) -> Array:
        """Return the postures at rising shares of a line, (n, 6), before limits."""

    def towards(self, places: Array, target: Array) -> Array:
        """Return the steps from places, (n, d), to the nearest form of a target."""

    def drawn(self, chance: np.random.Generator) -> Array:
        """Return the coordinates of a place by chance."""


@dataclass(frozen=True, slots=True)
class JointSpace:
    """All postures, by their joints."""

    arm: Arm
    radii_m: Array

    @property
    def weights(self) -> Array:
        """Return how far a point goes for a radian of each joint, in metres."""
        return np.maximum(self.radii_m, _SMALLEST_RADIUS_M)

    @property
    def low(self) -> Array:
        """Return the lower limits."""
        return np.asarray(self.arm.lower_limit_rad)

    @property
    def high(self) -> Array:
        """Return the upper limits."""
        return np.asarray(self.arm.upper_limit_rad)

    def coordinates(self, posture: Array) -> Array:
        """Return the joints themselves."""
        return np.asarray(posture, dtype=np.float64)

    def postures(self, line: Line, shares: Array) -> Array:
        """Return the joints along a line."""
        return line.coordinates(shares)

    def towards(self, places: Array, target: Array) -> Array:
        """Return the steps from places to a target."""
        return np.asarray(target - places)

    def drawn(self, chance: np.random.Generator) -> Array:
        """Return joints by chance, evenly within their limits."""
        return chance.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True)
class LevelSpace:
    """All postures that hold a container upright, by joints 1 to 3 and the tool's azimuth.

    Joints 4 to 6 follow in closed form; of their two ways and their full turns a line keeps
    those of its first posture. So shoulder and elbow change sides wherever a line takes them
    there, and nothing needs to be projected. The wrist changes its way only where the forearm
    points along the tool. Lines of a radial tool, which points away from axis 1 or towards it
    all the way, pass through there: axis 4 rests and axis 5 changes its sign.
    """

    arm: Arm
    radii_m: Array

    @property
    def weights(self) -> Array:
        """Return how far a point goes for a radian of each coordinate, in metres."""
        return np.append(self.radii_m[:3], self.radii_m[4])

    @property
    def low(self) -> Array:
        """Return the lower limits; the azimuth is free."""
        return np.append(self.arm.lower_limit_rad[:3], -np.pi)

    @property
    def high(self) -> Array:
        """Return the upper limits; the azimuth is free."""
        return np.append(self.arm.upper_limit_rad[:3], np.pi)

    def coordinates(self, posture: Array) -> Array:
        """Return joints 1 to 3 and the azimuth of a posture, which is taken to be level."""
        along = self.arm.rotation(np.asarray(posture, dtype=np.float64))[:, 2]
        return np.append(posture[:3], np.arctan2(along[1], along[0]))

    def postures(self, line: Line, shares: Array) -> Array:
        """Return the level postures along a line."""
        places = line.coordinates(shares)
        turn = places[:, 3] - places[:, 0]
        lean = places[:, 1] + places[:, 2]
        sine, lean_sine, lean_cosine = np.sin(turn), np.sin(lean), np.cos(lean)
        if np.abs(sine).max() < _RADIAL:
            wrist = np.repeat(line.posture[None, 3:], len(places), axis=0)
            wrist[:, 1] -= np.cos(line.posture[3]) * (lean - line.posture[1] - line.posture[2])
            return np.column_stack([places[:, :3], wrist])
        cosine = np.cos(turn)
        ahead = lean_cosine * cosine
        path = np.empty((len(places), JOINTS))
        path[:, :3] = places[:, :3]
        path[:, 3] = np.arctan2(sine, ahead)
        path[:, 4] = np.arctan2(np.hypot(sine, ahead), lean_sine * cosine)
        path[:, 5] = np.arctan2(-lean_sine * sine, lean_cosine)
        if line.posture[4] < 0.0:
            path[:, 3:] = path[:, 3:] * (1.0, -1.0, 1.0) + (np.pi, 0.0, np.pi)
        wrist = path[:, 3:]
        wrist[1:] -= _TURN * np.cumsum(np.round(np.diff(wrist, axis=0) / _TURN), axis=0)
        wrist += _TURN * np.round((line.posture[3:] - wrist[0]) / _TURN)
        return path

    def towards(self, places: Array, target: Array) -> Array:
        """Return the steps from places to a target, the azimuth by its shorter turn."""
        steps = np.array(target - places)
        steps[..., 3] -= _TURN * np.round(steps[..., 3] / _TURN)
        return steps

    def drawn(self, chance: np.random.Generator) -> Array:
        """Return a place by chance; every other one has a tool that points outwards."""
        place = chance.uniform(self.low, self.high)
        place[3] = place[0] + (place[3] if chance.integers(2) else 0.0)
        return np.asarray(place)


def radial(place: Array) -> Array:
    """Return a level place with the tool turned radial by the shortest turn."""
    half_turns = np.round((place[3] - place[0]) / np.pi)
    return np.append(place[:3], place[0] + np.pi * half_turns)


def dense(space: Space, line: Line, radii_m: Array, step_m: float) -> tuple[Array, int]:
    """Return the joint path of a line up to a joint limit, and how many samples the whole has.

    Between two samples no point of the arm goes further than `step_m` by `radii_m`, its
    greatest distance from each axis. A line on which joints race (the wrist near its
    singularity) ends where it would need far more samples than its coordinates do.
    """
    length = float(np.abs(line.end - line.start) @ space.weights)
    count = max(2, int(np.ceil(length / step_m)) + 1)
    for finer in (1, _FINEST):
        path = space.postures(line, np.linspace(0.0, 1.0, (count - 1) * finer + 1))
        far = np.flatnonzero(np.abs(np.diff(path, axis=0)) @ radii_m > step_m * (1.0 + 1e-9))
        if not far.size:
            break
    outside = np.flatnonzero(~space.arm.within_limits(path))
    ends = [int(item[0]) + offset for item, offset in ((far, 1), (outside, 0)) if item.size]
    return path[: min(ends, default=len(path))], len(path)
