"""A vial found in its picture, and put upright: every later step measures in mm from its foot."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_core.vial_form import VialForm
from medicell_vision.vials.found import Picture

Floats = npt.NDArray[np.float32]

PX_PER_MM = 20.0
"""Scale of the inspection camera, whose lens is telecentric: the same at every distance."""
HIGH_MM, HALF_MM = 50.0, 13.5
"""Height and half width of an upright picture."""
BELOW_MM = 0.8
MARGIN_PX = 16
"""Columns at either edge that show the screen alone."""
DARK = 0.55
"""Share of the screen's light below which a pixel is an edge of glass, or a closure."""
MOST_OFF_MM = 0.5
"""How far the body's width may be from that of the form."""
MOST_OFF_AXIS_PX = 1.5
"""How far the middle of a row may be from the axis to count for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """How a picture is turned and moved to show its vial upright."""

    matrix: npt.NDArray[np.float64]
    width: int
    height: int

    def upright(self, image: Picture | Floats) -> Floats:
        """Return a picture with the vial upright, its axis in the middle."""
        moved = cv2.warpAffine(
            image.astype(np.float32),
            self.matrix,
            (self.width, self.height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(moved, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upright:
    """A vial at rest before the bright screen: share of the screen's light at each pixel.

    `shoulder_mm` is where the shoulder has the flange's radius, above the foot.
    """

    light: Floats
    pose: Pose
    shoulder_mm: float


def column_of(across_mm: float) -> int:
    """Return the column of an upright picture at a distance from the axis."""
    return round((HALF_MM + across_mm) * PX_PER_MM)


def row_of(height_mm: float) -> int:
    """Return the row of an upright picture at a height above the foot."""
    return round((HIGH_MM - height_mm) * PX_PER_MM)


def height_of(row: float) -> float:
    """Return the height of a row above the foot, in mm."""
    return HIGH_MM - row / PX_PER_MM


def stand_upright(still: Picture, form: VialForm) -> Upright:
    """Find the vial of a picture at rest; raises INVALID_GOAL when there is none of this form."""
    light = _of_screen(cv2.GaussianBlur(still, (0, 0), 0.8).astype(np.float32))
    edges = light < DARK
    found = edges.any(axis=1)
    left = np.argmax(edges, axis=1).astype(np.float64)
    right = (edges.shape[1] - 1 - np.argmax(edges[:, ::-1], axis=1)).astype(np.float64)
    width = np.where(found, (right - left + 1.0) / PX_PER_MM, 0.0)
    body = np.flatnonzero(np.abs(width - 2.0 * form.body_radius) < MOST_OFF_MM)
    if len(body) < form.shoulder * PX_PER_MM / 2.0:
        raise OperationFailed(
            ErrorCode.INVALID_GOAL,
            f'no vial of {2.0 * form.body_radius:g} mm stands upright in the picture',
        )
    middle = (left + right) / 2.0
    slope, offset = _axis(body.astype(np.float64), middle[body])
    foot = float(np.flatnonzero(width > 2.0 * form.body_radius - 6.0)[-1]) + 0.5
    pose = _pose(slope, offset + slope * foot, foot)
    upright = _of_screen(pose.upright(still))
    return Upright(light=upright, pose=pose, shoulder_mm=_shoulder(upright, form))


def _of_screen(image: Floats) -> Floats:
    """Return the share of the screen's light, which is seen at both edges of a row."""
    rows = cv2.GaussianBlur(
        np.column_stack(
            [np.median(image[:, :MARGIN_PX], axis=1), np.median(image[:, -MARGIN_PX:], axis=1)]
        ),
        (1, 31),
        0,
    )
    across = np.linspace(0.0, 1.0, image.shape[1], dtype=np.float32)[None, :]
    screen = rows[:, :1] * (1.0 - across) + rows[:, 1:] * across
    return np.asarray(image / np.maximum(screen, 1.0), dtype=np.float32)


def _axis(rows: npt.NDArray[np.float64], middle: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset of the axis, without rows in which something sticks out."""
    kept = np.abs(middle - np.median(middle)) < 20.0
    for _ in range(3):
        slope, offset = np.polyfit(rows[kept], middle[kept], 1)
        kept = np.abs(middle - slope * rows - offset) < MOST_OFF_AXIS_PX
        if kept.sum() < 20:
            break
    return float(slope), float(offset)


def _pose(slope: float, column: float, foot: float) -> Pose:
    """Return the turn that puts an axis upright, its foot at the bottom."""
    size = 1.0 / float(np.hypot(1.0, slope))
    cosine, sine = size, -slope * size
    turn = np.array([(cosine, sine), (-sine, cosine)])
    target = np.array([HALF_MM * PX_PER_MM, HIGH_MM * PX_PER_MM])
    shift = target - turn @ np.array([column, foot])
    return Pose(
        matrix=np.column_stack([turn, shift]),
        width=round(2.0 * HALF_MM * PX_PER_MM) + 1,
        height=round((HIGH_MM + BELOW_MM) * PX_PER_MM),
    )


def _shoulder(light: Floats, form: VialForm) -> float:
    """Return where the shoulder is as wide as the flange; NaN when it is not to be seen."""
    top, bottom = row_of(form.neck + 1.0), row_of(form.shoulder - 1.0)
    edges = light[top:bottom] < DARK
    first = np.argmax(edges, axis=1)
    last = edges.shape[1] - 1 - np.argmax(edges[:, ::-1], axis=1)
    half = np.where(edges.any(axis=1), (last - first + 1) / 2.0 / PX_PER_MM, 0.0)
    wide = np.flatnonzero(half < form.flange_radius)
    if not len(wide) or wide[-1] + 1 >= len(half):
        return float('nan')
    row = int(wide[-1])
    share = (form.flange_radius - half[row]) / max(1e-6, half[row + 1] - half[row])
    return height_of(top + row + float(share))
