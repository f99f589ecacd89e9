"""How much a vial holds, by where its liquid stands and how high it climbs the glass."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medicell_core.vial_form import CAPILLARY_MM, VialForm, contact_deg
from medicell_vision.vials.upright import PX_PER_MM, Floats, column_of, height_of, row_of

MIDDLE_MM = 5.5
"""Half width of the part in which the level is looked for."""
DARKER = 0.80
"""Share of the light beside it that the climbing surface lets through at most."""
BOTTOM_MM = 0.6
"""What lies over the glass's foot and shows the liquid's own light."""
LEAST_CLIMB_MM, MOST_CLIMB_MM = 0.8, 3.9
RADIUS_ERROR_MM, LEVEL_ERROR_MM, CLIMB_ERROR_MM = 0.06, 0.05, 0.1
"""Standard errors of the inside of a glass (assumed of its tolerance) and of what is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """The level in the middle, how high liquid climbs above it, and the volume with its error.

    `clearness` is the light through the liquid against that above it. All NaN without a level.
    """

    level_mm: float = math.nan
    climb_mm: float = math.nan
    volume_ml: float = math.nan
    error_ml: float = math.nan
    clearness: float = math.nan


def find_fill(light: Floats, form: VialForm) -> Fill:
    """Find the dark band of the surface between liquid and glass above it."""
    top, bottom = row_of(form.shoulder + 1.0), row_of(form.base + 0.05)
    middle = light[top:bottom, column_of(-MIDDLE_MM) : column_of(MIDDLE_MM)]
    profile = np.median(middle, axis=1)
    clear = float(np.median(profile[: round(4.0 * PX_PER_MM)]))
    low = float(np.median(profile[-round(BOTTOM_MM * PX_PER_MM) :]))
    dark = profile < DARKER * min(clear, low)
    run = _longest(dark)
    if run is None:
        return Fill()
    first, last = run
    upper, lower = _crossing(profile, first, -1), _crossing(profile, last, 1)
    climb = (lower - upper) / PX_PER_MM
    level = height_of(top + lower)
    if not LEAST_CLIMB_MM < climb < MOST_CLIMB_MM:
        return Fill()
    below = profile[min(len(profile) - 1, math.ceil(lower) + 4) :]
    angle = contact_deg(climb)
    return Fill(
        level_mm=level,
        climb_mm=climb,
        volume_ml=form.volume_ml(level, angle, form.inner_radius),
        error_ml=_error_ml(level, climb, angle, form),
        clearness=float(np.median(below)) / clear,
    )


def _longest(dark: np.ndarray) -> tuple[int, int] | None:
    """Return first and last row of the longest dark run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], dark.astype(np.int8), [0]])))
    if not len(edges):
        return None
    starts, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - starts))
    return int(starts[best]), int(ends[best]) - 1


def _crossing(profile: np.ndarray, row: int, step: int) -> float:
    """Return where, from a dark row outwards, half of the light beside the band is back."""
    inside = float(profile[min(max(0, row - 3 * step), len(profile) - 1)])
    beyond = float(profile[min(max(0, row + 6 * step), len(profile) - 1)])
    half = (inside + beyond) / 2.0
    at = min(max(0, row - 3 * step), len(profile) - 1)
    while 0 <= at + step < len(profile) and profile[at + step] < half:
        at += step
    if not 0 <= at + step < len(profile):
        return float(at)
    rise = float(profile[at + step] - profile[at])
    return at + step * (half - float(profile[at])) / max(1e-6, rise)


def _error_ml(level: float, climb: float, angle: float, form: VialForm) -> float:
    """Return the standard error of the volume, by those of radius, level and climb."""
    radius = form.inner_radius
    column = math.pi * radius**2 / 1000.0
    of_radius = 2.0 * math.pi * radius * (level - form.base) * RADIUS_ERROR_MM / 1000.0
    slope = climb / CAPILLARY_MM**2 * math.tan(math.radians(angle))
    of_climb = 2.0 * math.pi * radius * CAPILLARY_MM**2 * slope * CLIMB_ERROR_MM / 1000.0
    return math.hypot(of_radius, column * LEVEL_ERROR_MM, of_climb)
