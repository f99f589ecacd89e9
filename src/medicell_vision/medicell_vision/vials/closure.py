"""How stopper and cap sit, by their edges against the glass's shoulder."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medicell_core.vial_form import VialForm
from medicell_vision.vials.upright import HIGH_MM, PX_PER_MM, Floats, column_of, height_of, row_of

COVERED = 0.40
"""Share of the screen's light below which something covers it."""
LEAST_COLUMNS = 0.6
"""Share of the columns in which an edge must be seen."""
PLUG_HALF_MM, CAP_HALF_MM = 5.0, 9.0
"""Half widths over which the edges of stopper and cap are looked at."""
FLAT_MM = 0.2
"""How far a column's edge may be from the line to count for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A straight edge: its height on the axis above the foot, and its tilt; NaN if not seen."""

    height_mm: float = math.nan
    tilt_deg: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What is seen of the closure; mm above where it should be, and degrees; NaN if not seen."""

    stopper_mm: float
    stopper_tilt_deg: float
    cap_mm: float
    cap_height_mm: float
    cap_tilt_deg: float


def find_closure(light: Floats, shoulder_mm: float, form: VialForm) -> Closed:
    """Find the ends of stopper and cap, against where the shoulder is as wide as the flange."""
    shift = shoulder_mm - form.shoulder_at(form.flange_radius)
    columns = range(column_of(-PLUG_HALF_MM), column_of(PLUG_HALF_MM) + 1)
    end = _edge(light, columns, row_of(form.neck + 0.6), row_of(form.cap_end + 4.0), step=-1)
    columns = range(column_of(-CAP_HALF_MM), column_of(CAP_HALF_MM) + 1)
    top = _edge(light, columns, 0, row_of(form.mouth), step=1)
    skirt = _skirt(light, form)
    return Closed(
        stopper_mm=end.height_mm - form.stopper_end - shift,
        stopper_tilt_deg=end.tilt_deg,
        cap_mm=skirt - form.cap_end - shift,
        cap_height_mm=top.height_mm - skirt,
        cap_tilt_deg=top.tilt_deg,
    )


def _edge(light: Floats, columns: range, start: int, stop: int, *, step: int) -> Edge:
    """Follow each column until something covers it, and lay a line through these places."""
    low, high = min(start, stop), max(start, stop)
    window = light[low:high, columns.start : columns.stop] < COVERED
    window = window if step > 0 else window[::-1]
    seen = window.any(axis=0)
    if seen.mean() < LEAST_COLUMNS:
        return Edge()
    first = np.argmax(window, axis=0)
    rows = low + first if step > 0 else high - 1 - first
    across = (np.arange(columns.start, columns.stop) - column_of(0.0)) / PX_PER_MM
    heights = HIGH_MM - rows / PX_PER_MM
    kept = seen & (np.abs(heights - np.median(heights[seen])) < 2.5)
    for _ in range(3):
        if kept.mean() < LEAST_COLUMNS:
            return Edge()
        slope, height = np.polyfit(across[kept], heights[kept], 1)
        kept = seen & (np.abs(heights - slope * across - height) < FLAT_MM)
    return Edge(height_mm=float(height), tilt_deg=math.degrees(math.atan(float(slope))))


def _skirt(light: Floats, form: VialForm) -> float:
    """Return where the cap's skirt ends on both sides, beyond the flange; NaN without a cap."""
    inner, outer = form.flange_radius + 0.15, form.cap_radius - 0.2
    ends = []
    for side in (-1.0, 1.0):
        low, high = sorted((column_of(side * inner), column_of(side * outer)))
        window = np.median(light[: row_of(form.neck + 1.0), low : high + 1], axis=1) < 0.5
        if not window[row_of(form.cap_end + 4.0)]:
            return math.nan
        below = np.flatnonzero(~window[row_of(form.cap_end + 4.0) :])
        if not len(below):
            return math.nan
        ends.append(height_of(row_of(form.cap_end + 4.0) + int(below[0]) - 0.5))
    return (ends[0] + ends[1]) / 2.0
