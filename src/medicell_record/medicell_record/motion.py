"""How a batch moved: which simulator, and what its physics has shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from medicell_core.enums import TextEnum

MOST_OFF_M = 1e-3
MOST_TILT_DEG = 1.0
"""How far a vial may stand from where it was to be placed, at the end of its way."""


class Simulator(TextEnum):
    """By what a rehearsal moves: computation alone, or Gazebo's physics."""

    BUILTIN = 'builtin'
    GAZEBO = 'gazebo'


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPeak:
    """A joint's greatest error against what it was told, in rad, when, and near which station."""

    joint: str
    error_rad: float
    at_s: float
    near: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VialPlaced:
    """Where a vial has come to stand against the plan; metres, and degrees from upright."""

    vial: str
    station: str
    off_m: float
    tilt_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsFigures:
    """What physics has shown of a batch.

    `placed` is how often a vial was set down and then measured, `worst` the one furthest off among
    those at the end of their way, `worst_on_the_way` among all. `contacts` counts pairs of links
    by what they touched for, `unintended` names the others. First air is by measured poses of
    links and vials. `real_time_factor` is seconds of physics over wall seconds that they took.
    `lost` says why not all was judged: what became of the simulator; empty where it was there.
    """

    joints: tuple[JointPeak, ...]
    placed: int
    worst: VialPlaced | None
    worst_on_the_way: VialPlaced | None
    contacts: Mapping[str, int]
    unintended: tuple[str, ...]
    air_samples: int
    air_breaches: int
    air_gap_m: float
    air_first: str
    physics_s: float
    real_time_factor: float
    lost: str = ''

    def failures(self) -> tuple[str, ...]:
        """Return what is out of its limits, each with figure and limit."""
        found = [f'unintended contact: {text}' for text in self.unintended]
        if self.lost:
            found.append(f'not all was judged, since the physics was lost: {self.lost}')
        if self.air_breaches:
            found.append(f'first air, by measured poses: {self.air_first}')
        worst = self.worst
        if worst is not None and (worst.off_m > MOST_OFF_M or worst.tilt_deg > MOST_TILT_DEG):
            found.append(
                f'{worst.vial} stands {1e3 * worst.off_m:.2f} mm and {worst.tilt_deg:.2f} deg off '
                f'at {worst.station}; allowed are {1e3 * MOST_OFF_M:g} mm, {MOST_TILT_DEG:g} deg'
            )
        return tuple(found)

    def rows(self) -> list[tuple[str, str]]:
        """Return names and texts of the figures, for people."""
        worst = max(self.joints, key=lambda peak: peak.error_rad, default=None)
        rows = [
            ('physics', f'{self.physics_s:.0f} s, {self.real_time_factor:.1f} times real time')
        ]
        if worst is not None:
            text = f'{1e3 * worst.error_rad:.1f} mrad at most, {worst.joint} near {worst.near}'
            rows.append(('tracking error', text))
        if self.worst is not None:
            rows.append(('vials at the end', _where(self.worst)))
        if self.worst_on_the_way is not None:
            rows.append((f'vials, {self.placed} times put down', _where(self.worst_on_the_way)))
        counts = ', '.join(f'{count} {name}' for name, count in self.contacts.items())
        gap = '' if math.isnan(self.air_gap_m) else f', {1e3 * self.air_gap_m:.1f} mm at least'
        rows += [
            ('contacts', counts),
            ('first air', f'{self.air_breaches} breaches in {self.air_samples} poses{gap}'),
        ]
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """By what a batch was moved: the simulator and its version, and its physics if it has any."""

    simulator: Simulator
    version: str
    physics: PhysicsFigures | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """What physics has shown out of its limits."""
        return () if self.physics is None else self.physics.failures()


def _where(placed: VialPlaced) -> str:
    return (
        f'at most {1e3 * placed.off_m:.2f} mm, {placed.tilt_deg:.2f} deg off: '
        f'{placed.vial} at {placed.station}'
    )
