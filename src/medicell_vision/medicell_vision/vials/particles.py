"""Particles that move with the liquid: what differs between pictures after the spin.

What stays with the glass is in every picture and takes itself away. A bubble rises as fast as
gas of its size does (Stokes), in every picture; whatever else moves is a particle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.vial_form import VialForm
from medicell_vision.vials.found import Picture
from medicell_vision.vials.upright import (
    BELOW_MM,
    HIGH_MM,
    PX_PER_MM,
    Floats,
    Pose,
    column_of,
    row_of,
)

EVERY_S = 0.1
"""Time between two pictures."""
SURELY, PERHAPS = 6.0, 3.0
"""Multiples of the noise: what a spot reaches somewhere, and what belongs to it."""
SOFT_PX = 1.2
SHAKEN_PX = 0.12
"""How far a picture may be off another after they were laid over each other."""
WALL_MM = 1.4
"""What is seen beyond the liquid on either side when pictures are laid over each other."""
ROUNDS = 3
MOST_SHAKEN_PX = 3.0
SCREEN_PX = 25
"""Standard deviation of what is taken as lamp and flicker."""
AROUND_PX = 3
"""How far beyond its pixels a spot's light is added up."""
RISE_PER_MM2 = 9810.0 / 18.0
"""Rise in mm/s of gas in water by its diameter squared (Stokes)."""
SLOWEST, FASTEST = 0.55, 1.7
"""How far a bubble's rise may be from that of its size."""
LEAST_RISE_MM = 0.14
"""Rise from picture to picture below which nothing is taken for a bubble."""
MOST_SIDEWAYS_MM = 9.0
GAS_UM = 190.0
"""Greatest bubble that may still be on its way; larger ones have risen before the pictures."""
LIT = 0.45
"""Share of the middle's light below which glass and liquid bend it away and nothing is told."""
LIKE = 1.6
"""Greatest ratio of sizes of one bubble in two pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """A spot that only one picture has; pixels of the upright picture, height in mm.

    `size_um` is the diameter of the black circle that would take as much light.
    """

    picture: int
    row: float
    column: float
    size_um: float
    box: tuple[int, int, int, int]


def find_moving(
    swirled: Sequence[Picture], pose: Pose, level_mm: float, form: VialForm
) -> list[Moving]:
    """Return the spots in the liquid that move and are no bubbles, the largest first."""
    top = max(0, row_of(level_mm) - 1)
    bottom = min(round((HIGH_MM + BELOW_MM) * PX_PER_MM), row_of(form.base + 0.05))
    left, right = column_of(-form.inner_radius), column_of(form.inner_radius) + 1
    if bottom - top < 6:
        return []
    wall = round(WALL_MM * PX_PER_MM)
    stack = _laid_over(
        [pose.upright(image)[top:bottom, left - wall : right + wall] for image in swirled]
    )[:, :, wall:-wall]
    usual = np.median(stack, axis=0)
    spots = [
        spot
        for number, window in enumerate(stack)
        for spot in _spots(window, np.asarray(usual, dtype=np.float32), number)
    ]
    kept = _without_gas(spots, len(swirled))
    moved = [
        Moving(
            picture=item.picture,
            row=item.row + top,
            column=item.column + left,
            size_um=item.size_um,
            box=(item.box[0] + left, item.box[1] + top, item.box[2] + left, item.box[3] + top),
        )
        for item in kept
    ]
    return sorted(moved, key=lambda item: -item.size_um)


def _laid_over(windows: list[Floats]) -> npt.NDArray[np.float32]:
    """Return the windows, each moved onto the first and made as bright as it."""
    first = windows[0]
    made = [first]
    for window in windows[1:]:
        moved = window * (float(np.median(first)) / max(1.0, float(np.median(window))))
        shift = np.zeros(2)
        for _ in range(ROUNDS):
            placed = _moved(moved, shift)
            shift += _shift(first, placed)
        made.append(_moved(moved, shift.clip(-MOST_SHAKEN_PX, MOST_SHAKEN_PX)))
    return np.asarray(made, dtype=np.float32)


def _moved(window: Floats, shift: npt.NDArray[np.float64]) -> Floats:
    matrix = np.array([(1.0, 0.0, shift[0]), (0.0, 1.0, shift[1])])
    moved = cv2.warpAffine(
        window,
        matrix,
        window.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, dtype=np.float32)


def _shift(first: Floats, window: Floats) -> npt.NDArray[np.float64]:
    """Return by how much less a window must be moved, by its slopes (Lucas and Kanade)."""
    soft = cv2.GaussianBlur(window, (0, 0), 1.0)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=0.125)
    off = cv2.GaussianBlur(first, (0, 0), 1.0) - soft
    mixed = float(np.sum(across * down))
    system = np.array(
        [(float(np.sum(across**2)), mixed), (mixed, float(np.sum(down**2)))]
    ) + np.eye(2)
    sides = np.array([float(np.sum(across * off)), float(np.sum(down * off))])
    return np.asarray(np.linalg.solve(system, sides), dtype=np.float64)


def _spots(window: Floats, usual: Floats, number: int) -> list[Moving]:
    """Return where a picture is darker than the others, beyond noise and shake."""
    base = np.maximum(usual, 12.0)
    darker = (usual - window) / base
    darker -= cv2.GaussianBlur(darker, (0, 0), SCREEN_PX)
    soft = cv2.GaussianBlur(darker, (0, 0), SOFT_PX)
    middle = soft[:, soft.shape[1] // 5 : -soft.shape[1] // 5]
    noise = 1.4826 * float(np.median(np.abs(middle - np.median(middle)))) + 1e-4
    across, down = cv2.Sobel(usual, cv2.CV_32F, 1, 0), cv2.Sobel(usual, cv2.CV_32F, 0, 1)
    steep = cv2.GaussianBlur(cv2.magnitude(across, down), (0, 0), SOFT_PX) / 8.0 / base
    bright = float(np.median(usual[:, usual.shape[1] // 4 : -usual.shape[1] // 4]))
    allowed = noise * np.sqrt(bright / base).clip(0.8, 2.0)
    lit = cv2.erode((usual > LIT * bright).astype(np.float32), np.ones((5, 5)))
    sure = lit * soft / np.sqrt(allowed**2 + (SHAKEN_PX * steep) ** 2)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(
        (sure > PERHAPS).astype(np.uint8), connectivity=8
    )
    if count <= 1:
        return []
    peaks = np.zeros(count, np.float32)
    np.maximum.at(peaks, labels.ravel().astype(np.intp), sure.ravel())
    found = []
    for index in range(1, count):
        if peaks[index] < SURELY:
            continue
        left, top, wide, high = (int(item) for item in stats[index, :4])
        rows = slice(max(0, top - AROUND_PX), top + high + AROUND_PX)
        columns = slice(max(0, left - AROUND_PX), left + wide + AROUND_PX)
        taken = darker[rows, columns]
        others = (labels[rows, columns] != index) & (labels[rows, columns] > 0)
        light = float(np.sum(np.where(others, 0.0, taken)))
        if light <= 0.0:
            continue
        found.append(
            Moving(
                picture=number,
                row=float(centres[index, 1]),
                column=float(centres[index, 0]),
                size_um=2.0 * math.sqrt(light / math.pi) / PX_PER_MM * 1000.0,
                box=(columns.start, rows.start, columns.stop, rows.stop),
            )
        )
    return found


def _without_gas(spots: list[Moving], pictures: int) -> list[Moving]:
    """Return the spots but for those that rise through all pictures, or out of the liquid."""
    by_picture = [[item for item in spots if item.picture == at] for at in range(pictures)]
    gas: set[int] = set()
    for first in by_picture[0]:
        way = _risen(first, by_picture)
        if way is not None:
            gas.update(id(item) for item in way)
    return [item for item in spots if id(item) not in gas]


def _risen(first: Moving, by_picture: list[list[Moving]]) -> list[Moving] | None:
    """Return a bubble's spots, from the first picture until the last or the surface."""
    way = [first]
    for spots in by_picture[1:]:
        fits = [item for item in spots if _rises(way[-1], item)]
        if not fits:
            expected = RISE_PER_MM2 * (first.size_um / 1000.0) ** 2 * EVERY_S
            out = way[-1].row / PX_PER_MM < FASTEST * expected + 0.2
            return way if out and len(way) > 1 else None
        way.append(min(fits, key=lambda item: abs(item.size_um - first.size_um)))
    return way


def _rises(before: Moving, after: Moving) -> bool:
    """Return whether one spot can be the other, a picture later, as a bubble."""
    size = math.sqrt(before.size_um * after.size_um)
    rise = (before.row - after.row) / PX_PER_MM
    expected = RISE_PER_MM2 * (size / 1000.0) ** 2 * EVERY_S
    alike = 1.0 / LIKE < after.size_um / before.size_um < LIKE
    near = abs(after.column - before.column) < MOST_SIDEWAYS_MM * PX_PER_MM
    fast = max(LEAST_RISE_MM, SLOWEST * expected) < rise < FASTEST * expected + 0.05
    return alike and near and fast and size < GAS_UM
