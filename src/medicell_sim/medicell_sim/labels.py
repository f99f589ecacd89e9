"""What a camera sees of a container's label: a printed code, worn, under tilt, blur and light.

The code itself comes as squares; what ink, paper, a lens and a lamp make of it is here. The
same label under the same chance gives the same picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

RASTER_PX = 6
"""Dots of the printer per square of the code: 0.4 mm squares at 380 dots per inch (assumed)."""
QUIET_SQUARES = 4
"""White squares around a code; the standard (ISO/IEC 16022) asks for one."""
LINE_SQUARES = 3
"""Height of a line of text under the code, in squares."""
FIELD_PX = 288
"""Sides of the camera's picture."""
SQUARE_PX = 4.8
"""Size of a square in the picture when the camera looks straight at it: 12 px/mm (assumed)."""
DISTANCE = 3.0
"""Distance of the lens, in widths of the field: what tilt makes of parallel lines."""
PAPER, INK, BEHIND = 225.0, 35.0, 120.0
"""Levels of grey of white paper, of ink, and of what is behind the label."""
SATURATED = 255.0
SMEARED_SQUARES = 3.0
"""Standard deviation of the blur by a drop that covers the whole code: nothing can be read."""

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Squares = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """How bad a print is and what has befallen it, each from 0 to 1.

    `print_fault`: ink that spread or is thin, dots and lines of the print head that are missing.
    `damage`: scratches and rubbed places. `smear`: share of the code that a drop covers.
    """

    print_fault: float = 0.0
    damage: float = 0.0
    smear: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How badly a label is seen, each from 0 to 1.

    Worst are a tilt of 65 degrees, a blur whose standard deviation is 0.8 squares, glare that
    saturates a third of the code, light that falls to a tenth across the picture, and grain of a
    quarter of the range.
    """

    tilt: float = 0.0
    blur: float = 0.0
    glare: float = 0.0
    shade: float = 0.0
    grain: float = 0.0


WORST_TILT_DEG = 65.0
WORST_BLUR_SQUARES = 0.8
WORST_GRAIN = 64.0
WORST_SCRATCHES = 8
WORST_MISSING = 0.12
"""Share of the print's dots that a worst print lacks."""
USUAL_SIGHT = 0.15
"""The worst that a sight gets in a cell as it should be (assumed)."""
USUAL_WEAR = 0.05
"""The same for a new label (assumed)."""


def usual_sight(rng: np.random.Generator) -> Sight:
    """Draw how a label is seen in a cell as it should be."""
    tilt, blur, glare, shade, grain = rng.uniform(0.0, USUAL_SIGHT, 5).tolist()
    return Sight(tilt=tilt, blur=blur, glare=glare, shade=shade, grain=grain)


def usual_wear(rng: np.random.Generator, *, smear: float = 0.0) -> Wear:
    """Draw how worn a label is in a cell as it should be."""
    print_fault, damage = rng.uniform(0.0, USUAL_WEAR, 2).tolist()
    return Wear(print_fault=print_fault, damage=damage, smear=smear)


def printed(
    squares: Squares, wear: Wear, rng: np.random.Generator, *, lines: tuple[str, ...] = ()
) -> Floats:
    """Return a label as it sticks there, in levels of grey, with lines of text under its code."""
    code = np.kron(squares, np.ones((RASTER_PX, RASTER_PX), np.bool_))
    ink = np.asarray(code, dtype=np.float32)
    ink = _misprinted(ink, wear.print_fault, rng)
    quiet = QUIET_SQUARES * RASTER_PX
    ink = np.pad(ink, ((quiet, quiet + len(lines) * LINE_SQUARES * RASTER_PX), (quiet, quiet)))
    for index, line in enumerate(lines):
        _write(ink, line, below=quiet + len(code) + (1 + index) * LINE_SQUARES * RASTER_PX)
    label = np.asarray(PAPER + (INK - PAPER) * ink, dtype=np.float32)
    _scratch(label, wear.damage, rng)
    return _smeared(label, wear.smear, side=len(code))


def photograph(label: Floats, sight: Sight, rng: np.random.Generator) -> Picture:
    """Return the camera's grey picture of a printed label."""
    scene = cv2.warpPerspective(
        label,
        _view(label.shape, sight, rng),
        (FIELD_PX, FIELD_PX),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=BEHIND,
    )
    blur_px = SQUARE_PX * (0.12 + WORST_BLUR_SQUARES * sight.blur)
    scene = cv2.GaussianBlur(scene, (0, 0), blur_px)
    scene = _lit(np.asarray(scene, dtype=np.float32), sight, rng)
    scene += rng.standard_normal(scene.shape, dtype=np.float32) * (1.5 + WORST_GRAIN * sight.grain)
    return np.asarray(np.clip(scene, 0.0, SATURATED), dtype=np.uint8)


def _misprinted(ink: Floats, fault: float, rng: np.random.Generator) -> Floats:
    """Let ink spread or be thin, and dots, spots and lines of the print head be missing."""
    spread = float(rng.uniform(-1.0, 1.0)) * fault
    soft = cv2.GaussianBlur(ink, (0, 0), RASTER_PX / 4.0)
    made = np.asarray(soft > 0.5 - 0.42 * spread, dtype=np.float32)
    coarse = rng.random((len(ink) // 2, len(ink) // 2), dtype=np.float32)
    kept = np.asarray(coarse > WORST_MISSING * fault, dtype=np.float32)
    made *= cv2.resize(kept, ink.shape[::-1], interpolation=cv2.INTER_NEAREST)
    for _ in range(round(3 * fault)):
        column = int(rng.integers(0, ink.shape[1] - 1))
        made[:, column : column + 2] = 0.0
    return made


def _write(ink: Floats, line: str, *, below: int) -> None:
    """Print a line of text, as large as it may be, from a row of dots downwards."""
    strip = _strip(line, ink.shape[1])
    ink[below : below + len(strip)] = strip


@lru_cache(maxsize=256)
def _strip(line: str, width: int) -> Floats:
    """Return the ink of a line of text, kept: OpenCV reads its font in each thread, for 20 ms."""
    height = LINE_SQUARES * RASTER_PX
    wide, high = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)[0]
    scale = min((width - 2 * RASTER_PX) / max(1, wide), 0.75 * height / high)
    strip = np.zeros((height, width), np.uint8)
    place = (RASTER_PX, height - RASTER_PX)
    cv2.putText(strip, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), 1, cv2.LINE_AA)
    ink = np.asarray(strip / np.float32(255.0), dtype=np.float32)
    ink.setflags(write=False)
    return ink


def _scratch(label: Floats, damage: float, rng: np.random.Generator) -> None:
    """Scratch a label through to the paper, or leave dark marks, and rub a place thin."""
    height, width = label.shape
    for _ in range(round(WORST_SCRATCHES * damage)):
        ends = rng.uniform(0.0, 1.0, 4) * (width, height, width, height)
        start, end = (int(ends[0]), int(ends[1])), (int(ends[2]), int(ends[3]))
        level = PAPER if rng.random() < 0.6 else INK
        thick = 1 + int(rng.integers(0, max(1, round(1.3 * RASTER_PX * damage)) + 1))
        cv2.line(label, start, end, (level,), thick, cv2.LINE_AA)
    rubbed = np.zeros_like(label)
    centre = rng.uniform(0.2, 0.8, 2) * (width, height)
    radius = int(0.30 * damage * width)
    cv2.circle(rubbed, (int(centre[0]), int(centre[1])), radius, (0.9 * damage,), -1)
    label += (PAPER - label) * rubbed


def _smeared(label: Floats, smear: float, *, side: int) -> Floats:
    """Let a drop lie over the left part of a code, as wide as `smear` says."""
    if smear <= 0.0:
        return label
    width = QUIET_SQUARES * RASTER_PX + round(smear * side)
    drop = cv2.GaussianBlur(label, (0, 0), SMEARED_SQUARES * RASTER_PX)
    label[:, :width] = drop[:, :width]
    return label


def _view(
    shape: tuple[int, ...], sight: Sight, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return how the label's dots come into the picture: turned, tilted, off the middle."""
    turn = rng.uniform(-math.pi, math.pi)
    axis = rng.uniform(-math.pi, math.pi)
    tilt = math.radians(WORST_TILT_DEG) * sight.tilt
    height, width = shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    placed = (corners - (width / 2.0, height / 2.0)) * (SQUARE_PX / RASTER_PX)
    rotated = _turned(placed, angle=turn)
    along = _turned(rotated, angle=-axis)
    far = along[:, 0] * math.sin(tilt)
    along[:, 0] *= math.cos(tilt)
    along /= 1.0 + far[:, None] / (DISTANCE * FIELD_PX)
    seen = _turned(along, angle=axis) + FIELD_PX / 2.0 + rng.uniform(-8.0, 8.0, 2)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), seen.astype(np.float32))
    return np.asarray(matrix, dtype=np.float64)


def _turned(points: npt.NDArray[np.float64], *, angle: float) -> npt.NDArray[np.float64]:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.asarray(points @ np.array([(cosine, sine), (-sine, cosine)]), dtype=np.float64)


def _lit(scene: Floats, sight: Sight, rng: np.random.Generator) -> Floats:
    """Let light fall off across the picture, and a lamp be mirrored in the label."""
    steps = np.linspace(-0.5, 0.5, FIELD_PX, dtype=np.float32)
    towards = rng.uniform(-math.pi, math.pi)
    slope = np.add.outer(steps * math.sin(towards), steps * math.cos(towards))
    scene *= 1.0 - np.float32(0.9 * sight.shade) * (slope + np.float32(0.5)).clip(0.0, 1.0)
    place = rng.uniform(-0.25, 0.25, 2)
    if sight.glare > 0.0:
        width = 0.04 + 0.11 * sight.glare
        across = np.exp(((steps - place[0]) / width) ** 2 * -0.5)
        down = np.exp(((steps - place[1]) / (width * rng.uniform(0.5, 1.0))) ** 2 * -0.5)
        scene += np.float32(1.5 * SATURATED * sight.glare) * np.outer(down, across).astype(
            np.float32
        )
    return scene
