"""Capsules and boxes, and the distances between them, for many postures at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medicell_motion.arm import Array

_POINTS_PER_CAPSULE = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Capsule:
    """A thick line that moves: `start_m` and `end_m` have shape (n, 3), one per sample."""

    name: str
    start_m: Array
    end_m: Array
    radius_m: float

    def points(self) -> Array:
        """Return points along the axis, (n, k, 3)."""
        share = np.linspace(0.0, 1.0, _POINTS_PER_CAPSULE)[None, :, None]
        return self.start_m[:, None, :] * (1.0 - share) + self.end_m[:, None, :] * share


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A fixed box along the axes of the base frame, corner to corner, in metres."""

    name: str
    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]


def gap_to_box(capsule: Capsule, box: Box) -> Array:
    """Return the free distance in metres per sample, (n,); negative when they meet.

    The capsule is taken as a row of spheres, so the gap may be overestimated by the bulge
    between two of them (at most an eighth of its half length squared over its radius).
    """
    points = capsule.points()
    nearest = np.clip(points, box.low_m, box.high_m)
    return np.asarray(np.linalg.norm(points - nearest, axis=2).min(axis=1) - capsule.radius_m)


def gap_between(moving: Capsule, other: Capsule) -> Array:
    """Return the free distance of two capsules per sample, (n,); negative when they meet."""
    start, along = other.start_m[:, None, :], (other.end_m - other.start_m)[:, None, :]
    points = moving.points()
    length = np.maximum((along**2).sum(axis=2), np.finfo(float).tiny)
    share = np.clip(((points - start) * along).sum(axis=2) / length, 0.0, 1.0)
    away = np.linalg.norm(points - start - share[..., None] * along, axis=2)
    return np.asarray(away.min(axis=1) - moving.radius_m - other.radius_m)
