"""Particles and gas that a liquid carries round after a vial was spun and stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from medicell_sim.vials.glass import AXIS_COLUMN, FOOT_ROW, PX_PER_MM, Floats
from medicell_sim.vials.truth import Particle, Shape

INDEX = 1.335
"""Refractive index of the liquid; that of the thin wall is left out."""
FINE = 8
"""Times that a particle is drawn finer than the picture."""
SHARP_PX = 0.55
"""Standard deviation of a particle's blur in the plane of focus, the vial's axis."""
DEFOCUS_PX_PER_MM = 0.10
"""How it grows with the distance from there: a lens of little aperture (assumed)."""
GRAVITY_MM_S2 = 9810.0
VISCOSITY_MM2_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Swirl:
    """How the liquid turns after the stop: rad/s that decay, about an axis that wanders, mm."""

    speed: float = 6.0
    decay_s: float = 3.0
    eccentricity: float = 0.5
    wander: float = 4.0
    phase: float = 0.0


def rise_mm_s(diameter_mm: float) -> float:
    """Return how fast a gas bubble rises in water (Stokes, below 0.2 mm)."""
    return diameter_mm**2 * GRAVITY_MM_S2 / (18.0 * VISCOSITY_MM2_S)


def place_of(particle: Particle, swirl: Swirl, time_s: float) -> tuple[float, float, float]:
    """Return where a particle is then: across, towards the camera, and up, in mm."""
    turned = swirl.speed * swirl.decay_s * (1.0 - math.exp(-time_s / swirl.decay_s))
    about = swirl.phase + swirl.wander * time_s
    x = swirl.eccentricity * math.cos(about) + particle.radius * math.sin(particle.angle + turned)
    y = swirl.eccentricity * math.sin(about) + particle.radius * math.cos(particle.angle + turned)
    return x, y, particle.height + particle.rise * time_s


def seen_through(x: float, y: float, radius: float) -> tuple[float, float]:
    """Return where the camera sees a point in a round column of liquid, and how it is widened.

    The camera's rays are parallel and bent at the column's surface.
    """
    across = np.linspace(-0.995, 0.995, 399) * radius
    entry = np.arcsin(across / radius)
    bend = entry - np.arcsin(across / radius / INDEX)
    met = across - (radius * np.cos(entry) - y) * np.tan(bend)
    rising = np.maximum.accumulate(met)
    place = float(np.interp(x, rising, across))
    nearby = np.interp([x - 0.05, x + 0.05], rising, across)
    return place, float(np.clip((nearby[1] - nearby[0]) / 0.1, 0.5, 3.0))


def draw_particles(
    light: Floats,
    particles: tuple[Particle, ...],
    swirl: Swirl,
    *,
    time_s: float,
    radius: float,
    level: float,
    clearness: float,
) -> None:
    """Take the light away that particles cover at a time after the first picture."""
    for particle in particles:
        x, y, z = place_of(particle, swirl, time_s)
        reach = math.hypot(x, y)
        if reach > radius - 0.06:
            x, y = (item * (radius - 0.06) / reach for item in (x, y))
        if z + particle.size / 2.0 > level:
            continue
        place, wider = seen_through(x, y, radius)
        haze = clearness ** ((radius - y) / radius)
        patch = _covered(particle, wider, turn=particle.angle + 2.0 * time_s)
        soft = SHARP_PX + DEFOCUS_PX_PER_MM * abs(y)
        patch = np.asarray(cv2.GaussianBlur(patch, (0, 0), soft), dtype=np.float32)
        _lay(
            light,
            haze * patch,
            row=FOOT_ROW - PX_PER_MM * z,
            column=AXIS_COLUMN + PX_PER_MM * place,
        )


def draw_specks(
    scene: Floats, particles: tuple[Particle, ...], *, turn: float, level: float
) -> None:
    """Let particles shine before a black screen, in a picture with the vial turned so far."""
    for particle in particles:
        if particle.height + particle.size / 2.0 > level:
            continue
        patch = cv2.GaussianBlur(_covered(particle, 1.0, turn=particle.angle), (0, 0), 1.0)
        row = round(FOOT_ROW - PX_PER_MM * particle.height)
        column = round(AXIS_COLUMN + PX_PER_MM * particle.radius * math.sin(particle.angle + turn))
        half = len(patch) // 2
        window = scene[row - half : row + half + 1, column - half : column + half + 1]
        if window.shape == patch.shape:
            window += 60.0 * patch


def _covered(particle: Particle, wider: float, *, turn: float) -> Floats:
    """Return the share of light that a particle takes from each pixel around its middle."""
    reach = max(particle.size, particle.length) * max(1.0, wider)
    half = math.ceil(reach * PX_PER_MM / 2.0) + 5
    side = (2 * half + 1) * FINE
    canvas = np.zeros((side, side), np.uint8)
    scale, centre = PX_PER_MM * FINE, side / 2.0
    chance = np.random.default_rng(particle.seed)
    for ring, colour in ((1.0, 255), (0.72, 90)):
        if ring < 1.0 and particle.shape is not Shape.FLAKE:
            continue
        points = ring * _shape(
            particle, chance if ring == 1.0 else np.random.default_rng(particle.seed)
        )
        cosine, sine = math.cos(turn), math.sin(turn)
        points = points @ np.array([(cosine, sine), (-sine, cosine)])
        drawn = np.rint(points * (scale * wider, scale) + centre).astype(np.int32)
        cv2.fillPoly(canvas, [drawn], (colour,), cv2.LINE_AA)
    small = cv2.resize(canvas, (2 * half + 1, 2 * half + 1), interpolation=cv2.INTER_AREA)
    return np.asarray(small * np.float32(particle.opacity / 255.0), dtype=np.float32)


def _shape(particle: Particle, chance: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the outline of a particle about its middle, in mm."""
    if particle.shape is Shape.FIBRE:
        along = np.linspace(-0.5, 0.5, 9) * particle.length
        bend = chance.uniform(-0.25, 0.25) * particle.length
        middle = bend * (1.0 - (2.0 * along / particle.length) ** 2)
        half = math.pi * particle.size**2 / 8.0 / particle.length
        upper = np.column_stack([along, middle + half])
        lower = np.column_stack([along, middle - half])[::-1]
        return np.vstack([upper, lower])
    corners = 24 if particle.shape is Shape.GRAIN else 7
    angles = np.linspace(0.0, 2.0 * math.pi, corners, endpoint=False)
    reach = 1.0 + chance.uniform(-0.2, 0.2, corners)
    points = np.column_stack([np.cos(angles), np.sin(angles)]) * reach[:, None]
    following = np.roll(points, -1, axis=0)
    area = 0.5 * abs(
        float(np.sum(points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]))
    )
    return np.asarray(points * math.sqrt(math.pi / area) * particle.size / 2.0)


def _lay(light: Floats, patch: Floats, *, row: float, column: float) -> None:
    """Darken a picture by a patch around a place between pixels; beyond the edge nothing."""
    half = len(patch) // 2
    top, left = math.floor(row) - half, math.floor(column) - half
    shift = np.array([(1.0, 0.0, column - math.floor(column)), (0.0, 1.0, row - math.floor(row))])
    moved = cv2.warpAffine(patch, shift, patch.shape[::-1], flags=cv2.INTER_LINEAR)
    up, down = max(0, top), min(light.shape[0], top + len(patch))
    low, high = max(0, left), min(light.shape[1], left + len(patch))
    if up < down and low < high:
        light[up:down, low:high] *= 1.0 - moved[up - top : down - top, low - left : high - left]
