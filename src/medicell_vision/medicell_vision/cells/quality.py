"""Whether a picture is to be trusted: what is wrong with it, by how much, and how badly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from medicell_vision.cells.found import Found
from medicell_vision.cells.modality import BRIGHT_FIELD, FLUORESCENCE, PHASE_CONTRAST, Modality
from medicell_vision.cells.pictures import AnyPicture
from medicell_vision.cells.traits import Traits, traits_of


class Severity(Enum):
    """What becomes of a picture: its figures are doubtful, or there are none."""

    WARN = 'warn'
    REFUSE = 'refuse'


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a picture; `limit` is the one that it does not keep."""

    name: str
    value: float
    limit: float
    unit: str
    severity: Severity

    @property
    def text(self) -> str:
        """The finding in words."""
        unit = f' {self.unit}' if self.unit else ''
        side = 'at least' if self.value < self.limit else 'at most'
        return f'{self.name} {self.value:.3g}{unit} ({side} {self.limit:g})'


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a trait is warned of, and refused; None where it never is.

    It is to be at least so much, or at most.
    """

    warn: float
    refuse: float | None = None
    at_most: bool = False

    def kept(self, value: float, bound: float) -> bool:
        """Return whether a value is on the right side of one of the two; so is NaN."""
        return not (value > bound if self.at_most else value < bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """How people call a trait; `factor` turns it into `unit`."""

    text: str
    unit: str = ''
    factor: float = 1.0


NAMES = {
    'objects': Name(text='objects found'),
    'covered': Name(text='field covered by objects', unit='%', factor=100.0),
    'largest': Name(text='largest object', unit='usual widths'),
    'bubble': Name(text='circle as of a bubble', unit='usual widths'),
    'doubt': Name(text='doubt of live or dead', unit='%', factor=100.0),
    'busy': Name(text='field that differs from its light', unit='%', factor=100.0),
    'edge': Name(text='sharpness of edges', unit='1/px'),
    'dull': Name(text='sharpness in the dullest direction', unit='1/px'),
    'slope': Name(text='slope of edges over the light', unit='1/px'),
    'unsharp': Name(text='objects less sharp than others', unit='%', factor=100.0),
    'contrast': Name(text='height of objects', unit='steps of noise'),
    'grey_steps': Name(text='height of objects', unit='grey levels'),
    'bits': Name(text='grey levels of 16 bits in use', unit='bits'),
    'saturated': Name(text='pixels at the highest level', unit='%', factor=100.0),
    'crushed': Name(text='pixels at the lowest level', unit='%', factor=100.0),
    'blank': Name(text='rows or columns of one grey', unit='%', factor=100.0),
    'jumps': Name(text='neighbours half of all greys apart', unit='%', factor=100.0),
    'level': Name(text="light in the camera's range", unit='%', factor=100.0),
    'room': Name(text="room above the light in the camera's range", unit='%', factor=100.0),
    'fall': Name(text='darkest over brightest light', unit='%', factor=100.0),
    'rise': Name(text='rise of the dark over the field', unit='%', factor=100.0),
}
"""By trait, in the order in which findings are told."""

ALWAYS = {
    'objects': Limits(warn=1.0),
    'bubble': Limits(warn=0.0, refuse=6.0, at_most=True),
    'bits': Limits(warn=8.1),
    'blank': Limits(warn=0.02, refuse=0.1, at_most=True),
    'jumps': Limits(warn=0.003, refuse=0.01, at_most=True),
}
LIMITS = {
    BRIGHT_FIELD: ALWAYS
    | {
        'covered': Limits(warn=0.11, refuse=0.2, at_most=True),
        'largest': Limits(warn=2.1, refuse=3.0, at_most=True),
        'doubt': Limits(warn=0.4, at_most=True),
        'busy': Limits(warn=0.085, refuse=0.25, at_most=True),
        'edge': Limits(warn=0.205, refuse=0.14),
        'dull': Limits(warn=0.125, refuse=0.08),
        'slope': Limits(warn=0.095, refuse=0.05),
        'unsharp': Limits(warn=0.55, at_most=True),
        'contrast': Limits(warn=12.0, refuse=6.0),
        'grey_steps': Limits(warn=16.0, refuse=8.0),
        'saturated': Limits(warn=0.15, refuse=0.4, at_most=True),
        'crushed': Limits(warn=0.02, refuse=0.2, at_most=True),
        'level': Limits(warn=0.15, refuse=0.05),
        'room': Limits(warn=0.06),
        'fall': Limits(warn=0.4),
    },
    FLUORESCENCE: ALWAYS
    | {
        'covered': Limits(warn=0.34, refuse=0.45, at_most=True),
        'largest': Limits(warn=2.4, refuse=4.0, at_most=True),
        'edge': Limits(warn=0.14, refuse=0.1),
        'dull': Limits(warn=0.125, refuse=0.09),
        'unsharp': Limits(warn=0.42, refuse=0.6, at_most=True),
        'contrast': Limits(warn=14.0, refuse=7.0),
        'grey_steps': Limits(warn=100.0, refuse=8.0),
        'saturated': Limits(warn=0.003, refuse=0.4, at_most=True),
        'crushed': Limits(warn=0.02, refuse=0.3, at_most=True),
        'fall': Limits(warn=0.4),
        'rise': Limits(warn=0.08, refuse=0.3, at_most=True),
    },
    PHASE_CONTRAST: ALWAYS
    | {
        'largest': Limits(warn=4.0, at_most=True),
        'edge': Limits(warn=0.19, refuse=0.12),
        'dull': Limits(warn=0.16, refuse=0.1),
        'slope': Limits(warn=0.3, refuse=0.12),
        'contrast': Limits(warn=30.0, refuse=8.0),
        'grey_steps': Limits(warn=80.0, refuse=12.0),
        'saturated': Limits(warn=0.06, refuse=0.3, at_most=True),
        'crushed': Limits(warn=0.02, refuse=0.3, at_most=True),
        'level': Limits(warn=0.15, refuse=0.05),
        'room': Limits(warn=0.06),
        'fall': Limits(warn=0.3),
    },
}
"""By modality. Chosen so that of the pictures in `datasets` one in a hundred at most is refused,
and that none spoiled on purpose gives a wrong figure unwarned: `medicell bench spoiled`.
Those of phase contrast are outside of what its 16 pictures have, no more."""


def judge(
    picture: AnyPicture, found: Found, modality: Modality, *, typical_px: float | None = None
) -> tuple[Finding, ...]:
    """Return what is wrong with a picture in which these objects were found; empty if nothing."""
    return findings_of(traits_of(picture, found, modality, typical_px), modality)


def findings_of(traits: Traits, modality: Modality) -> tuple[Finding, ...]:
    """Return which limits of a modality these traits do not keep."""
    limits = LIMITS[modality.name]
    found = (_finding(trait, limits[trait], traits) for trait in NAMES if trait in limits)
    return tuple(item for item in found if item is not None)


def refused(findings: Iterable[Finding]) -> bool:
    """Return whether a picture with these findings gives no figure."""
    return any(item.severity is Severity.REFUSE for item in findings)


def _finding(trait: str, limits: Limits, traits: Traits) -> Finding | None:
    value = float(getattr(traits, trait))
    for severity, bound in ((Severity.REFUSE, limits.refuse), (Severity.WARN, limits.warn)):
        if bound is not None and not limits.kept(value, bound):
            name = NAMES[trait]
            return Finding(
                name=name.text,
                value=name.factor * value,
                limit=name.factor * bound,
                unit=name.unit,
                severity=severity,
            )
    return None
