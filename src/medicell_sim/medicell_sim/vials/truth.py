"""What a vial that is inspected truly is: its glass, closure, liquid, and what is in and on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from medicell_core.enums import TextEnum


class Shape(TextEnum):
    """What a particle looks like."""

    GRAIN = 'grain'
    FIBRE = 'fibre'
    FLAKE = 'flake'


@dataclass(frozen=True, slots=True, kw_only=True)
class Particle:
    """Something that is carried round by the liquid; mm, rad, mm/s.

    `size` is the diameter of the circle with the same area, `length` that of a fibre. `opacity`
    is the light that its area takes away, 0 to 1; a flake takes it at its rim.
    """

    shape: Shape
    size: float
    opacity: float
    radius: float
    angle: float
    height: float
    rise: float
    length: float = 0.0
    seed: int = 0


class MarkKind(TextEnum):
    """What is on the glass."""

    CRACK = 'crack'
    SCRATCH = 'scratch'
    DROPLET = 'droplet'
    PRINT = 'print'
    BUBBLE = 'bubble'


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that stays with the glass: a line, or a spot of a size.

    `points` are (distance round the body, height) in mm; `angle` is where on the body its
    distance is 0. `dark` is the light that it takes away before a bright screen, 0 to 1;
    `bright` the levels of grey that it shines with before a black one.
    """

    kind: MarkKind
    angle: float
    points: tuple[tuple[float, float], ...]
    width: float
    dark: float
    bright: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """How stopper and cap sit; mm above where they should, degrees of tilt."""

    stopper: bool = True
    stopper_raised: float = 0.0
    stopper_tilt_deg: float = 0.0
    cap: bool = True
    cap_raised: float = 0.0
    cap_tilt_deg: float = 0.0
    cap_longer: float = 0.0
    """How much the skirt is too long: it was not folded under the flange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vial:
    """One vial under inspection; `defects` names what is wrong with it, empty for a good one.

    `inner_radius_error` and `neck_error` are the glass's own deviations in mm, `contact_deg` how
    the liquid wets it, `clearness` the share of light that its liquid lets through.
    """

    volume_ml: float
    closure: Closure = field(default_factory=Closure)
    inner_radius_error: float = 0.0
    neck_error: float = 0.0
    contact_deg: float = 30.0
    clearness: float = 0.97
    particles: tuple[Particle, ...] = ()
    marks: tuple[Mark, ...] = ()
    defects: tuple[str, ...] = ()
