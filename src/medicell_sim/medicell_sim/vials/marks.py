"""What stays with the glass: cracks, and what is none, such as scratches, droplets and print."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from medicell_sim.vials.glass import (
    AXIS_COLUMN,
    FOOT_ROW,
    HEIGHT_PX,
    PX_PER_MM,
    SHIFT,
    WIDTH_PX,
    Floats,
)
from medicell_sim.vials.truth import Mark, MarkKind

EDGE = 0.15
"""Least cosine of the angle between a mark's glass and the camera at which it is seen."""


def draw_dark(light: Floats, marks: tuple[Mark, ...], *, radius: float) -> None:
    """Take the light away that marks on the front take before a bright screen."""
    for mark in marks:
        cover = _cover(mark, radius=radius, turn=0.0)
        if cover is not None:
            place, patch = cover
            light[place] *= 1.0 - mark.dark * patch


def draw_bright(scene: Floats, marks: tuple[Mark, ...], *, radius: float, turn: float) -> None:
    """Let marks on the front shine before a black screen, with the vial turned so far."""
    for mark in marks:
        cover = _cover(mark, radius=radius, turn=turn)
        if cover is not None:
            place, patch = cover
            scene[place] += mark.bright * patch


def _cover(mark: Mark, *, radius: float, turn: float) -> tuple[tuple[slice, slice], Floats] | None:
    """Return the window in which a mark is seen and what it covers there, 0 to 1."""
    round_the_body = np.array(mark.points, dtype=np.float64)
    angles = mark.angle + turn + round_the_body[:, 0] / radius
    seen = np.cos(angles) > EDGE
    if not seen.any():
        return None
    columns = AXIS_COLUMN + PX_PER_MM * radius * np.sin(angles[seen])
    rows = FOOT_ROW - PX_PER_MM * round_the_body[seen, 1]
    margin = math.ceil(mark.width * PX_PER_MM) + 3
    left, top = max(0, int(columns.min()) - margin), max(0, int(rows.min()) - margin)
    right = min(WIDTH_PX, int(columns.max()) + margin + 1)
    down = min(HEIGHT_PX, int(rows.max()) + margin + 1)
    if left >= right or top >= down:
        return None
    canvas = np.zeros((down - top, right - left), np.uint8)
    points = np.column_stack([columns - left, rows - top])
    if mark.kind in {MarkKind.DROPLET, MarkKind.BUBBLE}:
        patch = _spot(canvas, points[0], mark)
    else:
        patch = _line(canvas, points, mark)
    return (slice(top, down), slice(left, right)), patch


def _line(canvas: npt.NDArray[np.uint8], points: npt.NDArray[np.float64], mark: Mark) -> Floats:
    """Draw a line as thick as it is; one thinner than a pixel covers less of it."""
    wide = mark.width * PX_PER_MM
    drawn = np.rint(points * (1 << SHIFT)).astype(np.int32)
    cv2.polylines(canvas, [drawn], False, (255,), max(1, round(wide)), cv2.LINE_AA, SHIFT)
    patch = canvas * np.float32(min(1.0, wide) / 255.0)
    return np.asarray(patch, dtype=np.float32)


def _spot(canvas: npt.NDArray[np.uint8], place: npt.NDArray[np.float64], mark: Mark) -> Floats:
    """Draw a drop or a bubble: a soft rim around a clear middle."""
    rows, columns = np.mgrid[: canvas.shape[0], : canvas.shape[1]]
    away = np.hypot(columns - place[0], rows - place[1]) / (mark.width * PX_PER_MM / 2.0)
    return np.asarray(np.exp(-(((away - 0.8) / 0.22) ** 2)), dtype=np.float32)
