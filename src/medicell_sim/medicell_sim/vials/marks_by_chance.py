"""What is on the glass by chance: cracks, scratches, droplets, print, and bubbles that stick."""

from __future__ import annotations

import math

import numpy as np

from medicell_core.vial_form import VialForm
from medicell_sim.vials.truth import Mark, MarkKind

LETTERS = (
    ((0.0, 0.0), (0.0, 1.6), (0.9, 1.6), (0.9, 0.0)),
    ((0.0, 1.6), (0.0, 0.0), (0.9, 0.0)),
    ((0.0, 0.0), (0.5, 1.6), (1.0, 0.0)),
    ((0.9, 1.6), (0.0, 1.6), (0.0, 0.8), (0.9, 0.8), (0.9, 0.0), (0.0, 0.0)),
)
"""Strokes of printed letters, in mm."""


def harmless(
    style: tuple[str, int, bool, int, bool], level: float, rng: np.random.Generator
) -> tuple[Mark, ...]:
    """Draw what may be on a good vial: print, droplets, trails, scratches, bubbles that stick."""
    print_kind, droplets, trails, scratches, curved = style
    marks = _ruler(rng) if print_kind == 'ruler' else _text(rng)
    marks += [_droplet(level, rng) for _ in range(int(rng.integers(0, droplets + 1)))]
    if trails:
        marks += [_trail(level, rng) for _ in range(int(rng.integers(0, 3)))]
    marks += [_scratch(curved, rng) for _ in range(int(rng.integers(0, scratches + 1)))]
    marks += [_stuck(level, rng) for _ in range(int(rng.integers(0, 4)))]
    return tuple(marks)


def cracked(
    length: float, grown: float, form: VialForm, rng: np.random.Generator
) -> tuple[Mark, ...]:
    """Draw a crack of a length in mm, with a branch if it is long."""
    angle = float(rng.uniform(0.0, 2.0 * math.pi))
    start = (0.0, float(rng.uniform(form.base + 1.0, form.shoulder - 1.0)))
    bright, dark = 75.0 + 60.0 * grown, 0.25 + 0.35 * grown
    way = _walk(start, length, rng)
    lines = [way]
    if length > 5.0:
        lines.append(_walk(way[len(way) // 2], length / 2.0, rng))
    return tuple(
        Mark(
            kind=MarkKind.CRACK,
            angle=angle,
            points=line,
            width=0.06 + 0.06 * grown,
            dark=dark,
            bright=bright,
        )
        for line in lines
    )


def _walk(
    start: tuple[float, float], length: float, rng: np.random.Generator
) -> tuple[tuple[float, float], ...]:
    """Return a line that wanders over the straight part of the body."""
    steps, heading = max(6, round(length / 0.4)), float(rng.uniform(0.0, 2.0 * math.pi))
    points, (across, up) = [start], start
    for _ in range(steps):
        heading += float(rng.normal(0.0, 0.25))
        across += length / steps * math.cos(heading)
        up += length / steps * math.sin(heading)
        if not 2.0 < up < 29.5:
            heading = -heading
            up = min(29.5, max(2.0, up))
        points.append((across, up))
    return tuple(points)


def _scratch(curved: bool, rng: np.random.Generator) -> Mark:
    heading, length = float(rng.uniform(0.0, math.pi)), float(rng.uniform(1.0, 8.0))
    bend = float(rng.uniform(-0.3, 0.3)) if curved else 0.0
    start = float(rng.uniform(3.0, 29.0))
    along = np.linspace(0.0, length, 8)
    headings = heading + bend * along
    across = np.concatenate([[0.0], np.cumsum(np.cos(headings[1:]) * length / 7.0)])
    up = start + np.concatenate([[0.0], np.cumsum(np.sin(headings[1:]) * length / 7.0)])
    return Mark(
        kind=MarkKind.SCRATCH,
        angle=float(rng.uniform(0.0, 2.0 * math.pi)),
        points=tuple(zip(across.tolist(), np.clip(up, 1.5, 30.0).tolist(), strict=True)),
        width=0.05,
        dark=float(rng.uniform(0.03, 0.12)),
        bright=float(rng.uniform(5.0, 28.0)),
    )


def _droplet(level: float, rng: np.random.Generator) -> Mark:
    """Draw a drop on the wall above the liquid."""
    size = float(rng.uniform(0.3, 2.0))
    return Mark(
        kind=MarkKind.DROPLET,
        angle=float(rng.uniform(0.0, 2.0 * math.pi)),
        points=((0.0, float(rng.uniform(level + 3.5, 29.0))),),
        width=size,
        dark=float(rng.uniform(0.2, 0.6)),
        bright=float(rng.uniform(15.0, 60.0)),
    )


def _trail(level: float, rng: np.random.Generator) -> Mark:
    """Draw what a drop has left on its way down: wide, and soft."""
    top = float(rng.uniform(level + 6.0, 29.0))
    return Mark(
        kind=MarkKind.PRINT,
        angle=float(rng.uniform(0.0, 2.0 * math.pi)),
        points=((0.0, top), (float(rng.uniform(-0.5, 0.5)), level + 3.0)),
        width=float(rng.uniform(0.5, 1.0)),
        dark=float(rng.uniform(0.05, 0.2)),
        bright=float(rng.uniform(3.0, 12.0)),
    )


def _stuck(level: float, rng: np.random.Generator) -> Mark:
    """Draw a bubble that sticks to the wall below the level."""
    return Mark(
        kind=MarkKind.BUBBLE,
        angle=float(rng.uniform(0.0, 2.0 * math.pi)),
        points=((0.0, float(rng.uniform(1.6, max(1.7, level - 0.3)))),),
        width=float(rng.uniform(0.2, 0.7)),
        dark=float(rng.uniform(0.3, 0.6)),
        bright=float(rng.uniform(15.0, 50.0)),
    )


def _ruler(rng: np.random.Generator) -> list[Mark]:
    """Draw graduations: short bars beside a line."""
    angle, bottom = float(rng.uniform(0.0, 2.0 * math.pi)), float(rng.uniform(3.0, 6.0))
    bars = [((0.0, bottom + 2.6 * step), (2.5, bottom + 2.6 * step)) for step in range(8)]
    lines = [((0.0, bottom), (0.0, bottom + 18.2)), *bars]
    return [_ink(angle, line, bright=90.0) for line in lines]


def _text(rng: np.random.Generator) -> list[Mark]:
    """Draw two lines of letters."""
    angle = float(rng.uniform(0.0, 2.0 * math.pi))
    lines = rng.uniform(4.0, 24.0, 2).tolist()
    bright = float(rng.uniform(0.0, 120.0))
    letters = [
        tuple((x + 1.6 * place, z + up) for x, z in LETTERS[int(rng.integers(len(LETTERS)))])
        for up in lines
        for place in range(6)
    ]
    return [_ink(angle, letter, bright=bright) for letter in letters]


def _ink(angle: float, line: tuple[tuple[float, float], ...], *, bright: float) -> Mark:
    return Mark(kind=MarkKind.PRINT, angle=angle, points=line, width=0.4, dark=0.9, bright=bright)
