"""Glass, liquid and closure of an upright vial before a bright and before a black screen.

One pixel is 0.05 mm; light through round glass and a round column of liquid is bent away near
the edges, which is why they look dark. All brightnesses are assumed, after inspection machines'
pictures.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.vial_form import VialForm, meniscus_mm
from medicell_sim.vials.truth import Vial

Floats = npt.NDArray[np.float32]

PX_PER_MM = 20.0
HEIGHT_PX, WIDTH_PX = 1040, 560
FOOT_ROW, AXIS_COLUMN = 1010.0, 279.5
SHIFT = 4
"""Fractional bits of what is drawn."""

CAP_LEVEL, STOPPER_LEVEL = 70.0, 22.0
"""Levels of grey of the closure before a black screen."""


def heights() -> Floats:
    """Return the height of each row above the foot, in mm, as a column."""
    rows = np.arange(HEIGHT_PX, dtype=np.float32)[:, None]
    return np.asarray((FOOT_ROW - rows) / PX_PER_MM, dtype=np.float32)


def distances() -> Floats:
    """Return the distance of each column from the axis, in mm, as a row."""
    columns = np.arange(WIDTH_PX, dtype=np.float32)[None, :]
    return np.asarray((columns - AXIS_COLUMN) / PX_PER_MM, dtype=np.float32)


def level_of(vial: Vial, form: VialForm) -> float:
    """Return where a vial's liquid stands in the middle, in mm above the foot; 0 if empty."""
    if vial.volume_ml <= 0.0:
        return 0.0
    radius = form.inner_radius + vial.inner_radius_error
    return form.level_mm(vial.volume_ml, vial.contact_deg, radius)


def outline(height: Floats, form: VialForm, neck_error: float) -> Floats:
    """Return the glass's radius at heights, in mm; 0 where there is none."""
    steps = np.linspace(0.0, 1.0, 9)
    heel = form.heel_radius
    z = [*(heel * (1.0 - np.cos(steps * math.pi / 2.0)))]
    r = [*(form.body_radius - heel + heel * np.sin(steps * math.pi / 2.0))]
    bend = (1.0 - np.cos(steps * math.pi)) / 2.0
    z += [*(form.shoulder + 0.8 * neck_error + steps * (form.neck - form.shoulder))]
    r += [*(form.body_radius + bend * (form.neck_radius - form.body_radius))]
    flange = form.flange + neck_error
    z += [flange - 0.15, flange + 0.15, form.mouth + neck_error - 0.05]
    r += [form.neck_radius, form.flange_radius, form.flange_radius]
    radius = np.interp(height, z, r, left=0.0, right=0.0)
    return np.asarray(radius, dtype=np.float32)


def transmitted(vial: Vial, form: VialForm) -> Floats:
    """Return the share of the screen's light that comes through each pixel."""
    z, x = heights(), distances()
    radius = outline(z, form, vial.neck_error)
    across = np.asarray(np.abs(x) / np.maximum(radius, 0.1), dtype=np.float32)
    light: npt.NDArray[Any] = 0.94 - 0.80 * _ramp(across, 0.88, 0.985)
    level = level_of(vial, form)
    full = 0.93 * vial.clearness - 0.85 * _ramp(across, 0.76, 0.95)
    wet = _step((level - z) / 0.04)
    light += wet * (full - light)
    if level > form.base:
        light *= 1.0 - _meniscus(z, level, vial.contact_deg) * _ramp(across, 1.0, 0.9)
    foot = _step((form.base - z) / 0.06)
    light *= 1.0 - foot * (0.60 + 0.25 * np.sin(7.0 * z + 2.0))
    slope = np.exp(-(((z - 33.2) / 2.2) ** 2))
    light *= 1.0 - 0.55 * slope * _ramp(across, 0.35, 0.95)
    inside = _step((radius - np.abs(x)) / 0.03)
    light = 1.0 + inside * (light - 1.0)
    stopper, cap = closure_cover(vial, form)
    return np.asarray(light * (1.0 - 0.95 * stopper) * (1.0 - 0.98 * cap), dtype=np.float32)


def shining(vial: Vial, form: VialForm, lamps: tuple[tuple[float, float, float], ...]) -> Floats:
    """Return levels of grey before a black screen; a lamp is mirrored at (mm, width, level)."""
    z, x = heights(), distances()
    radius = outline(z, form, vial.neck_error)
    across = np.asarray(np.abs(x) / np.maximum(radius, 0.1), dtype=np.float32)
    level = level_of(vial, form)
    scene: npt.NDArray[Any] = 5.0 + 105.0 * np.exp(-(((across - 0.965) / 0.03) ** 2))
    body = _step((form.shoulder + 2.0 - z) / 0.8) * _step((z - 1.0) / 0.4)
    for place, width, strength in lamps:
        scene += body * strength * np.exp(-(((x - place) / width) ** 2))
    top = level + meniscus_mm(vial.contact_deg)
    if level > form.base:
        edge = _ramp(across, 0.98, 0.9)
        scene += 55.0 * np.exp(-(((z - level) / 0.10) ** 2)) * edge
        scene += 30.0 * np.exp(-(((z - top) / 0.15) ** 2)) * edge
    scene += 80.0 * np.exp(-(((z - 0.7) / 0.45) ** 2))
    scene += 45.0 * np.exp(-(((z - 32.5) / 1.4) ** 2)) * _ramp(across, 0.2, 0.9)
    scene += _step((level - z) / 0.04) * 60.0 * (1.0 - vial.clearness)
    scene *= _step((radius - np.abs(x)) / 0.03)
    scene = scene + 3.0
    stopper, cap = closure_cover(vial, form)
    metal = CAP_LEVEL * (1.0 + 0.9 * np.exp(-(((x - 5.0) / 1.5) ** 2)))
    scene += stopper * (STOPPER_LEVEL - scene)
    return np.asarray(scene + cap * (metal - scene), dtype=np.float32)


def closure_cover(vial: Vial, form: VialForm) -> tuple[Floats, Floats]:
    """Return what stopper and cap cover of each pixel, 0 to 1."""
    closure, shift = vial.closure, vial.neck_error
    stopper, cap = (np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8) for _ in range(2))
    if closure.stopper:
        raised = closure.stopper_raised + shift
        plug, brim = form.bore_radius - 0.05, form.flange_radius - 0.4
        end, sits, top = (
            item + raised for item in (form.stopper_end, form.mouth, form.stopper_top)
        )
        corners = [(-plug, end), (plug, end), (plug, sits), (brim, sits), (brim, top)]
        corners += [(-brim, top), (-brim, sits), (-plug, sits)]
        _fill(stopper, corners, pivot=sits, tilt_deg=closure.stopper_tilt_deg)
    if closure.cap:
        raised = closure.cap_raised + shift
        end, top = form.cap_end + raised - closure.cap_longer, form.cap_top + raised
        wide, bevel = form.cap_radius, 0.5
        corners = [(-wide, end), (wide, end), (wide, top - bevel), (wide - bevel, top)]
        corners += [(bevel - wide, top), (-wide, top - bevel)]
        _fill(cap, corners, pivot=form.mouth + shift, tilt_deg=closure.cap_tilt_deg)
    return (
        np.asarray(stopper / np.float32(255.0), dtype=np.float32),
        np.asarray(cap / np.float32(255.0), dtype=np.float32),
    )


def _fill(
    mask: npt.NDArray[np.uint8],
    corners: list[tuple[float, float]],
    *,
    pivot: float,
    tilt_deg: float,
) -> None:
    """Fill a polygon in mm, tilted about a height on the axis."""
    cosine, sine = math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg))
    points = [
        (
            AXIS_COLUMN + PX_PER_MM * (cosine * x - sine * (z - pivot)),
            FOOT_ROW - PX_PER_MM * (pivot + sine * x + cosine * (z - pivot)),
        )
        for x, z in corners
    ]
    drawn = np.rint(np.array(points) * (1 << SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [drawn], (255,), cv2.LINE_AA, SHIFT)


def _meniscus(z: Floats, level: float, angle_deg: float) -> Floats:
    """Return how dark the surface is that climbs the wall, by height."""
    climb = meniscus_mm(angle_deg)
    band = _step((z - level) / 0.03) * _step((level + climb - z) / 0.06)
    return np.asarray(band * (0.78 - 0.35 * (z - level) / climb), dtype=np.float32)


def _ramp(value: npt.NDArray[Any], start: float, end: float) -> Floats:
    """Return 0 before `start`, 1 beyond `end`, smooth between; downwards if end is less."""
    share = np.clip((value - start) / (end - start), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share), dtype=np.float32)


def _step(value: npt.NDArray[Any]) -> Floats:
    """Return 0 far below 0 and 1 far above, 0.5 at 0."""
    return np.asarray(np.clip(0.5 + 0.5 * value, 0.0, 1.0), dtype=np.float32)
