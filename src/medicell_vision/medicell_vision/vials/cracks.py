"""Cracks: long thin lines that shine before a black screen.

Mirrored lamps and drops are wide, and what the liquid's surface and the glass's edges mirror is
alike along a whole row or column; that is taken away first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from medicell_core.vial_form import VialForm
from medicell_vision.vials.found import Picture
from medicell_vision.vials.upright import PX_PER_MM, Floats, Pose, column_of, row_of

THIN_PX = 5
"""Width of a line from which it is taken for print or a drop."""
SURELY, PERHAPS = 16.0, 7.0
"""Levels of grey above what is beside it: somewhere on a line, and all along it."""
SEEN = 0.86
"""Share of the body's radius up to which a side is looked at; the next one sees beyond."""
BEYOND_PX = 12
"""Columns beyond there that tell how wide a line is which the edge cuts."""
EVERY = 4
"""Rows or columns of which one tells what is alike along all of them."""
MOST_RING_MM = 2.0
"""Greatest diameter of a drop's rim."""
OFF_CIRCLE_PX = 1.6
LEAST_ARC = 1.8
"""Radians of a circle at least that are a rim, and how far off it a rim may be (RMS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A thin bright line: its length in mm, on which side, and its box in the upright picture."""

    side: int
    length_mm: float
    box: tuple[int, int, int, int]


def find_lines(dark: tuple[Picture, ...], pose: Pose, form: VialForm) -> list[Line]:
    """Return the lines that shine on any side of the body, the longest first."""
    found = [
        line for side, image in enumerate(dark) for line in _lines(pose.upright(image), side, form)
    ]
    return sorted(found, key=lambda item: -item.length_mm)


def _lines(image: Floats, side: int, form: VialForm) -> list[Line]:
    top, bottom = row_of(form.shoulder + 0.5), row_of(form.base + 0.3)
    reach = SEEN * form.body_radius
    left, right = column_of(-reach) - BEYOND_PX, column_of(reach) + 1 + BEYOND_PX
    window = image[top:bottom, left:right]
    body = np.asarray(cv2.GaussianBlur(window, (0, 0), 0.7), dtype=np.float32)
    body -= np.median(body[::EVERY], axis=0, keepdims=True)
    body -= _along(body)
    thin = body - cv2.morphologyEx(
        body, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (THIN_PX, THIN_PX))
    )
    thin[:, :BEYOND_PX] = thin[:, -BEYOND_PX:] = 0.0
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        cv2.morphologyEx(
            (thin > PERHAPS).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)
        ),
        connectivity=8,
    )
    peaks = np.zeros(count, np.float32)
    np.maximum.at(peaks, labels.ravel().astype(np.intp), thin.ravel())
    lines = []
    for index in range(1, count):
        across, down, wide, high = (int(item) for item in stats[index, :4])
        length = math.hypot(wide, high) / PX_PER_MM
        if peaks[index] < SURELY or length < 0.5:
            continue
        own = (labels[down : down + high, across : across + wide] == index).astype(np.uint8)
        if _is_rim(own):
            continue
        lines.append(
            Line(
                side=side,
                length_mm=length,
                box=(across + left, down + top, across + wide + left, down + high + top),
            )
        )
    return lines


def _along(body: Floats) -> Floats:
    """Return what is alike along a row: what the liquid's surface mirrors."""
    level = np.median(body[:, ::EVERY], axis=1, keepdims=True)
    smooth = cv2.GaussianBlur(level, (1, 61), 12.0)
    return np.asarray(level - smooth, dtype=np.float32)


def _is_rim(own: np.ndarray) -> bool:
    """Return whether a spot lies on a small circle: the rim of a drop or a bubble."""
    rows, columns = (item.astype(np.float64) for item in np.nonzero(own))
    if len(rows) < 8:
        return False
    # A circle as a linear system in its middle and in what is left of its radius (Kasa).
    system = np.column_stack([columns, rows, np.ones(len(rows))])
    (across, down, rest), *_ = np.linalg.lstsq(system, columns**2 + rows**2, rcond=None)
    middle = (across / 2.0, down / 2.0)
    radius = math.sqrt(max(0.0, rest + middle[0] ** 2 + middle[1] ** 2))
    away = np.hypot(columns - middle[0], rows - middle[1]) - radius
    angles = np.sort(np.arctan2(rows - middle[1], columns - middle[0]))
    gaps = np.diff(np.append(angles, angles[0] + 2.0 * math.pi))
    arc = 2.0 * math.pi - float(gaps.max())
    small = 2.0 * radius < (MOST_RING_MM + 0.4) * PX_PER_MM
    return small and arc > LEAST_ARC and math.sqrt(float(np.mean(away**2))) < OFF_CIRCLE_PX
