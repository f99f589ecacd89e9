"""Capsules and boxes, and the distances between them, for many postures at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medicell_motion.arm import Array

Indices = npt.NDArray[np.intp]
_POINTS_PER_CAPSULE = 17
_EXACT_WITHIN_M = 0.02
"""Gaps below this are measured; a wider one is only known to be at least what is returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capsule:
    """A thick line: `start_m` and `end_m` are (n, 3), one row per sample, or one row if fixed."""

    name: str
    start_m: Array
    end_m: Array
    radius_m: float

    def ball(self) -> tuple[Array, Array]:
        """Return centre (n, 3) and radius (n,) of the ball around the capsule."""
        half = np.sqrt(((self.end_m - self.start_m) ** 2).sum(axis=1)) / 2.0
        return (self.start_m + self.end_m) / 2.0, np.asarray(half + self.radius_m)

    def points(self, rows: Indices) -> Array:
        """Return points along the axis at some samples, (len(rows), k, 3)."""
        share = np.linspace(0.0, 1.0, _POINTS_PER_CAPSULE)[None, :, None]
        start, end = self.start_m[rows, None, :], self.end_m[rows, None, :]
        return np.asarray(start + share * (end - start))


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A fixed box along the axes of the base frame, corner to corner, in metres."""

    name: str
    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """A fixed box (`size_m` its edges) or a cylinder along z (`size_m` radius and length).

    `pose` is the frame of its centre in the base frame, (4, 4).
    """

    name: str
    pose: Array
    size_m: tuple[float, ...]


def gap_to_solid(capsule: Capsule, solid: Solid) -> Array:
    """Return the free distance in metres per sample, (n,), in the solid's own frame.

    The capsule is taken as a row of spheres; between two of them the gap is overestimated, by
    less than 1.2 mm for the thinnest link shipped, which the clearance covers.
    """
    turned = Capsule(
        name=capsule.name,
        start_m=(capsule.start_m - solid.pose[:3, 3]) @ solid.pose[:3, :3],
        end_m=(capsule.end_m - solid.pose[:3, 3]) @ solid.pose[:3, :3],
        radius_m=capsule.radius_m,
    )
    centre, around = turned.ball()
    gap = _outside(centre, solid) - around
    rows = np.flatnonzero(gap < _EXACT_WITHIN_M)
    if rows.size:
        gap[rows] = _outside(turned.points(rows), solid).min(axis=1) - capsule.radius_m
    return np.asarray(gap)


def _outside(points: Array, solid: Solid) -> Array:
    """Return how far points are outside a solid; 0 within."""
    if len(solid.size_m) == 3:
        half = np.asarray(solid.size_m) / 2.0
        return _length(points - np.clip(points, -half, half))
    radius, length = solid.size_m
    away = np.maximum(_length(points[..., :2]) - radius, 0.0)
    above = np.maximum(np.abs(points[..., 2]) - length / 2.0, 0.0)
    return np.asarray(np.hypot(away, above))


def gap_between(moving: Capsule, other: Capsule) -> Array:
    """Return the free distance of two capsules per sample, (n,); negative when they meet."""
    centre, around = moving.ball()
    other_centre, other_around = other.ball()
    gap = _length(centre - other_centre) - around - other_around
    rows = np.flatnonzero(gap < _EXACT_WITHIN_M)
    if rows.size:
        there = rows if len(other.start_m) > 1 else np.zeros_like(rows)
        start = other.start_m[there, None, :]
        along = other.end_m[there, None, :] - start
        from_start = moving.points(rows) - start
        length = np.maximum((along**2).sum(axis=2), np.finfo(float).tiny)
        share = np.clip((from_start * along).sum(axis=2) / length, 0.0, 1.0)
        away = _length(from_start - share[..., None] * along).min(axis=1)
        gap[rows] = away - moving.radius_m - other.radius_m
    return np.asarray(gap)


def _length(vectors: Array) -> Array:
    """Return the lengths of vectors along the last axis."""
    return np.asarray(np.sqrt(np.einsum('...i,...i->...', vectors, vectors)))
