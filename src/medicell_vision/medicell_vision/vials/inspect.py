"""The inspection of a vial: every figure with its limits, from its pictures alone."""

from __future__ import annotations

import math

from medicell_core.vial_form import VialForm
from medicell_vision.vials.closure import find_closure
from medicell_vision.vials.cracks import find_lines
from medicell_vision.vials.fill import Fill, find_fill
from medicell_vision.vials.found import Finding, Inspected, Limits, Spot, VialPictures
from medicell_vision.vials.particles import find_moving
from medicell_vision.vials.upright import Floats, stand_upright

PARTICLE, CRACK = 'greatest moving particle', 'longest crack'


def inspect_vial(
    pictures: VialPictures,
    *,
    wanted_ml: float,
    form: VialForm | None = None,
    limits: Limits | None = None,
) -> Inspected:
    """Measure fill, closure, particles and cracks; what cannot be measured is not accepted.

    Raises INVALID_GOAL when no vial of this form is in the picture.
    """
    form, limits = form or VialForm(), limits or Limits()
    upright = stand_upright(pictures.still, form)
    fill = find_fill(upright.light, form)
    spots: list[Spot] = []
    findings = (
        *_of_fill(fill, wanted_ml, limits),
        *_of_closure(upright.light, upright.shoulder_mm, form, limits),
    )
    largest = math.nan
    if fill.clearness >= limits.clearness:
        moving = find_moving(pictures.swirled, upright.pose, fill.level_mm, form)
        largest = moving[0].size_um if moving else 0.0
        spots += [
            _spot(PARTICLE, f'swirled {item.picture}', item.box)
            for item in moving
            if item.size_um > limits.particle_um
        ]
    lines = find_lines(pictures.dark, upright.pose, form)
    spots += [
        _spot(CRACK, f'dark {item.side}', item.box)
        for item in lines
        if item.length_mm > limits.crack_mm
    ]
    longest = lines[0].length_mm if lines else 0.0
    last = (
        Finding(name=PARTICLE, value=largest, unit='um', least=0.0, most=limits.particle_um),
        Finding(name=CRACK, value=longest, unit='mm', least=0.0, most=limits.crack_mm),
    )
    return Inspected(findings=(*findings, *last), spots=tuple(spots))


def _of_fill(fill: Fill, wanted_ml: float, limits: Limits) -> tuple[Finding, ...]:
    return (
        Finding(
            name='volume',
            value=fill.volume_ml,
            unit='mL',
            least=wanted_ml - limits.fill_ml,
            most=wanted_ml + limits.fill_ml,
            error=fill.error_ml,
        ),
        Finding(
            name='clearness of the liquid',
            value=fill.clearness,
            unit='',
            least=limits.clearness,
            most=math.inf,
        ),
    )


def _of_closure(
    light: Floats, shoulder_mm: float, form: VialForm, limits: Limits
) -> tuple[Finding, ...]:
    closed = find_closure(light, shoulder_mm, form)
    height = form.cap_top - form.cap_end
    return (
        _within('stopper above its seat', closed.stopper_mm, 'mm', limits.stopper_mm),
        _within('tilt of the stopper', closed.stopper_tilt_deg, 'deg', limits.tilt_deg),
        _within('cap above its seat', closed.cap_mm, 'mm', limits.cap_mm),
        Finding(
            name='height of the cap',
            value=closed.cap_height_mm,
            unit='mm',
            least=height - limits.cap_height_mm,
            most=height + limits.cap_height_mm,
        ),
        _within('tilt of the cap', closed.cap_tilt_deg, 'deg', limits.tilt_deg),
    )


def _within(name: str, value: float, unit: str, most: float) -> Finding:
    return Finding(name=name, value=value, unit=unit, least=-most, most=most)


def _spot(name: str, picture: str, box: tuple[int, int, int, int]) -> Spot:
    left, top, right, bottom = box
    return Spot(name=name, picture=picture, left=left, top=top, right=right, bottom=bottom)
