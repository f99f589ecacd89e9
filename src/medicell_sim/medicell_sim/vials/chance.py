"""Vials by chance: good ones with what is no defect, and each kind of defective ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from medicell_core.vial_form import VialForm, meniscus_ml
from medicell_sim.vials.camera import Sight
from medicell_sim.vials.glass import level_of
from medicell_sim.vials.marks_by_chance import cracked, harmless
from medicell_sim.vials.moving import rise_mm_s
from medicell_sim.vials.truth import Closure, Particle, Shape, Vial

DEFECTS = (
    'particle',
    'fibre',
    'glass flake',
    'filled too low',
    'filled too high',
    'empty',
    'stopper missing',
    'stopper raised',
    'stopper tilted',
    'cap missing',
    'cap raised',
    'cap tilted',
    'cap not crimped',
    'crack',
)
GRAIN_MM, FIBRE_MM, FLAKE_MM, CRACK_MM = 0.10, 1.0, 0.15, 3.0
"""The least that counts as visible: diameters of a grain and a flake, lengths of a fibre and a
crack (assumed; USP <790> and Ph. Eur. 2.9.20 give no size, and people find a particle of 0.15 mm
in most and one of 0.1 mm in some inspections)."""
FILL_ML, RAISED_MM, TILT_DEG = 0.5, 0.8, 3.0
"""The least error of a fill, raise and tilt of a closure that are defects (assumed)."""
LEAST_ML, MOST_ML = 1.2, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a set of vials looks that are no defect: two sets share no style.

    `gas` is the share of vials with bubbles that rise.
    """

    name: str
    sight: Sight
    print_kind: str
    droplets: int
    trails: bool
    scratches: int
    curved: bool
    gas: float


TUNING = Style(
    name='tuning',
    sight=Sight(),
    print_kind='ruler',
    droplets=8,
    trails=False,
    scratches=4,
    curved=False,
    gas=0.25,
)
JUDGED = Style(
    name='judged',
    sight=Sight(
        noise=2.2,
        blur_px=0.75,
        gradient=0.15,
        vignette=0.15,
        flicker=0.02,
        drift=0.5,
        turn_deg=0.6,
        shake_px=0.3,
        texture=0.006,
        lamps=((-3.0, 0.6, 90.0), (1.0, 2.5, 30.0), (7.0, 0.7, 60.0)),
        dirt=5,
    ),
    print_kind='text',
    droplets=14,
    trails=True,
    scratches=6,
    curved=True,
    gas=0.4,
)
STYLES = {style.name: style for style in (TUNING, JUDGED)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A vial, how it is seen, what it was to hold, and how bad its defect is from 0 to 1."""

    vial: Vial
    sight: Sight
    wanted_ml: float
    severity: float = 0.0


def good_vial(style: Style, rng: np.random.Generator) -> Case:
    """Draw a vial without a defect, with what any vial may have on it."""
    form = VialForm()
    wanted = float(rng.uniform(LEAST_ML, MOST_ML))
    vial = Vial(
        volume_ml=wanted * (1.0 + float(rng.normal(0.0, 0.006))),
        closure=_seated(rng),
        inner_radius_error=float(rng.uniform(-0.08, 0.08)),
        neck_error=float(np.clip(rng.normal(0.0, 0.06), -0.15, 0.15)),
        contact_deg=float(rng.uniform(15.0, 45.0)),
        clearness=float(rng.uniform(0.80, 0.99)),
    )
    level = level_of(vial, form)
    floating = (*_fine(level, form, rng), *_gas(style, level, form, rng))
    return Case(
        vial=replace(vial, particles=floating, marks=harmless(style_marks(style), level, rng)),
        sight=style.sight,
        wanted_ml=wanted,
    )


def style_marks(style: Style) -> tuple[str, int, bool, int, bool]:
    """Return what a style puts on the glass."""
    return (style.print_kind, style.droplets, style.trails, style.scratches, style.curved)


def defective_vial(style: Style, defect: str, rng: np.random.Generator) -> Case:
    """Draw a vial with one kind of defect, more often hardly visible than gross."""
    case = good_vial(style, rng)
    severity = float(rng.uniform(0.0, 1.0)) ** 2
    vial = replace(case.vial, defects=(defect,))
    form, grown = VialForm(), severity
    if defect == 'particle':
        vial = _with(vial, Shape.GRAIN, GRAIN_MM + 0.4 * grown, form, rng)
    elif defect == 'glass flake':
        vial = _with(vial, Shape.FLAKE, FLAKE_MM + 0.4 * grown, form, rng)
    elif defect == 'fibre':
        vial = _with(
            vial, Shape.FIBRE, 0.13 + 0.1 * grown, form, rng, length=FIBRE_MM + 1.5 * grown
        )
    elif defect == 'empty':
        vial = replace(vial, volume_ml=0.0, particles=())
    elif defect.startswith('filled'):
        vial = _misfilled(vial, defect, case.wanted_ml, grown)
    elif defect == 'crack':
        length = CRACK_MM + 9.0 * grown
        vial = replace(vial, marks=(*vial.marks, *cracked(length, grown, form, rng)))
    else:
        vial = replace(vial, closure=_unseated(vial.closure, defect, grown, rng))
    return replace(case, vial=vial, severity=severity)


def _misfilled(vial: Vial, defect: str, wanted_ml: float, grown: float) -> Vial:
    off = FILL_ML + 2.0 * grown
    if defect == 'filled too high':
        return replace(vial, volume_ml=wanted_ml + off)
    least = meniscus_ml(vial.contact_deg, VialForm().inner_radius) + 0.15
    volume = max(least, wanted_ml - off)
    if wanted_ml - volume < FILL_ML:
        volume = 0.0
    level = level_of(replace(vial, volume_ml=volume), VialForm())
    kept = tuple(item for item in vial.particles if item.height + item.size < level)
    return replace(vial, volume_ml=volume, particles=kept)


def _seated(rng: np.random.Generator) -> Closure:
    raised, cap, longer = rng.uniform(-0.1, 0.15, 3).tolist()
    return Closure(
        stopper_raised=raised,
        stopper_tilt_deg=float(rng.uniform(-0.6, 0.6)),
        cap_raised=cap,
        cap_tilt_deg=float(rng.uniform(-0.6, 0.6)),
        cap_longer=longer,
    )


def _unseated(seated: Closure, defect: str, grown: float, rng: np.random.Generator) -> Closure:
    """Return a closure that is not right; a cap stands no lower than its stopper."""
    raised = RAISED_MM + 2.0 * grown
    tilt = (TILT_DEG + 8.0 * grown) * float(rng.choice([-1.0, 1.0]))
    capped = bool(rng.random() < 0.5)
    changed = {
        'stopper missing': replace(seated, stopper=False),
        'stopper raised': replace(seated, stopper_raised=raised, cap=capped, cap_raised=raised),
        'stopper tilted': replace(seated, stopper_tilt_deg=tilt),
        'cap missing': replace(seated, cap=False),
        'cap raised': replace(seated, cap_raised=raised),
        'cap tilted': replace(seated, cap_tilt_deg=tilt),
        'cap not crimped': replace(seated, cap_longer=RAISED_MM + 0.6 * grown),
    }
    return changed[defect]


def _with(
    vial: Vial,
    shape: Shape,
    size: float,
    form: VialForm,
    rng: np.random.Generator,
    *,
    length: float = 0.0,
) -> Vial:
    """Add a visible particle, and now and then more."""
    number = 1 + int(rng.integers(0, 3)) * int(rng.random() < 0.3)
    level = level_of(vial, form)
    added = tuple(
        _particle(shape, size, level, form, rng, length=length, opacity=rng.uniform(0.6, 1.0))
        for _ in range(number)
    )
    return replace(vial, particles=(*vial.particles, *added))


def _particle(
    shape: Shape,
    size: float,
    level: float,
    form: VialForm,
    rng: np.random.Generator,
    *,
    length: float = 0.0,
    opacity: float = 0.8,
    rise: float | None = None,
) -> Particle:
    """Place a particle anywhere in the liquid, that floats or sinks a little."""
    reach = max(size, 0.15) / 2.0 + 0.1
    most = form.inner_radius - 0.2 - max(size, length) / 2.0
    return Particle(
        shape=shape,
        size=size,
        length=length,
        opacity=float(opacity),
        radius=most * math.sqrt(float(rng.uniform(0.0, 1.0))),
        angle=float(rng.uniform(0.0, 2.0 * math.pi)),
        height=float(rng.uniform(form.base + reach, max(form.base + reach, level - reach))),
        rise=float(rng.uniform(-1.5, 0.5)) if rise is None else rise,
        seed=int(rng.integers(0, 2**31)),
    )


def _fine(level: float, form: VialForm, rng: np.random.Generator) -> tuple[Particle, ...]:
    """Draw clumps of cells, which are no particles: smaller, and pale."""
    if level <= form.base + 0.4:
        return ()
    return tuple(
        _particle(
            Shape.GRAIN,
            float(rng.uniform(0.02, 0.05)),
            level,
            form,
            rng,
            opacity=rng.uniform(0.2, 0.6),
        )
        for _ in range(int(rng.integers(0, 12)))
    )


def _gas(
    style: Style, level: float, form: VialForm, rng: np.random.Generator
) -> tuple[Particle, ...]:
    """Draw bubbles that are still on their way up."""
    if rng.random() > style.gas or level <= form.base + 1.0:
        return ()
    sizes = rng.uniform(0.06, 0.15, int(rng.integers(1, 4))).tolist()
    return tuple(
        _particle(
            Shape.GRAIN,
            size,
            level,
            form,
            rng,
            opacity=0.8,
            rise=rise_mm_s(size) * float(rng.uniform(0.9, 1.1)),
        )
        for size in sizes
    )
