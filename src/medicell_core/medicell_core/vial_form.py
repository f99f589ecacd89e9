"""The form of a vial with its closure: what a camera can hold a picture against."""

from __future__ import annotations

import math
from dataclasses import dataclass

MM3_PER_ML = 1000.0
CAPILLARY_MM = 2.7
"""Capillary length of water: surface tension 72 mN/m over 1,000 kg/m3 and 9.81 m/s2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VialForm:
    """A tubular glass vial with stopper and crimp cap, in mm; heights are above its foot.

    The default is 10R of ISO 8362-1 with a 20 mm stopper (ISO 8362-2) and cap (ISO 8362-3),
    rounded; where stopper and cap end below the mouth is assumed.
    """

    body_radius: float = 12.0
    wall: float = 1.0
    base: float = 1.2
    heel_radius: float = 1.5
    shoulder: float = 30.0
    neck: float = 36.0
    neck_radius: float = 8.25
    bore_radius: float = 6.3
    flange: float = 41.4
    flange_radius: float = 10.0
    mouth: float = 45.0
    stopper_end: float = 39.0
    stopper_top: float = 48.3
    cap_radius: float = 10.6
    cap_end: float = 40.9
    cap_top: float = 48.5

    @property
    def inner_radius(self) -> float:
        """Radius of the inside of the body."""
        return self.body_radius - self.wall

    def shoulder_at(self, radius: float) -> float:
        """Return where the shoulder, a half wave from body to neck, has a radius."""
        share = (radius - self.body_radius) / (self.neck_radius - self.body_radius)
        angle = math.acos(1.0 - 2.0 * share)
        return self.shoulder + angle / math.pi * (self.neck - self.shoulder)

    def level_mm(self, volume_ml: float, contact_deg: float, inner_radius: float) -> float:
        """Return where a volume stands in the middle, when the liquid wets so and no less.

        Liquid that climbs the wall is missing in the middle.
        """
        lifted = meniscus_ml(contact_deg, inner_radius)
        return self.base + (volume_ml - lifted) * MM3_PER_ML / (math.pi * inner_radius**2)

    def volume_ml(self, level_mm: float, contact_deg: float, inner_radius: float) -> float:
        """Return the volume that stands at a level in the middle."""
        column = math.pi * inner_radius**2 * (level_mm - self.base) / MM3_PER_ML
        return column + meniscus_ml(contact_deg, inner_radius)


def meniscus_ml(contact_deg: float, inner_radius: float) -> float:
    """Return the liquid that surface tension holds up at the wall, in mL."""
    raised = 2.0 * math.pi * inner_radius * CAPILLARY_MM**2 * math.cos(math.radians(contact_deg))
    return raised / MM3_PER_ML


def meniscus_mm(contact_deg: float) -> float:
    """Return how high liquid climbs a wall above the level in the middle, in mm."""
    return CAPILLARY_MM * math.sqrt(2.0 * (1.0 - math.sin(math.radians(contact_deg))))


def contact_deg(climb_mm: float) -> float:
    """Return the contact angle by how high liquid climbs a wall; the inverse of meniscus_mm."""
    sine = 1.0 - (climb_mm / CAPILLARY_MM) ** 2 / 2.0
    return math.degrees(math.asin(min(1.0, max(0.0, sine))))
