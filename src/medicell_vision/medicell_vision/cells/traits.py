"""What can be measured of a picture to judge it: light, grey levels, edges, circles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from medicell_vision.cells.found import Found
from medicell_vision.cells.modality import BRIGHT_FIELD, FLUORESCENCE, PHASE_CONTRAST, Modality
from medicell_vision.cells.pictures import AnyPicture
from medicell_vision.segmentation import without_lines

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]

NAN = math.nan
SMOOTHING_PX = 1.0
"""Detail below which edges are not looked for."""
NOISE_PX = 0.8
"""The same in the network's smaller picture."""
BUSY = 0.12
"""Share of the light by which a busy pixel differs."""
LINE = 1.2
"""Width of what cannot be a line, in usual objects."""
BITS = (8, 10, 12, 14, 16)
"""What cameras give."""
TILES = 6
"""Each way, to see how evenly a field is lit."""
AROUND = 0.6
"""How far around the middle of an object its edges are looked for, in usual objects."""
LEAST_OBJECTS = 12
"""Fewer tell nothing of how evenly they are lit."""
LESS_SHARP = 0.75
"""Share of the sharper objects' slope from which one counts as out of focus."""

RIM_STEEPNESS, RIM_ROUNDNESS = 200.0, 0.65
"""Thresholds of OpenCV's search for circles: on rims, 0 to 255, and on how whole they are."""
LEAST_RADIUS = {BRIGHT_FIELD: 1.2, FLUORESCENCE: 2.0, PHASE_CONTRAST: 2.0}
"""Of a circle that is no cell, in usual objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Figures of one picture; NaN where there is nothing to measure it on.

    `objects` were found, over `covered` of the picture (0 to 1), the `largest` of them so many
    usual ones wide, and a circle as of no object that is as wide as `bubble` tells; `doubt` is 0
    when each is live or dead for sure, and 1 when nothing is known. `busy` is the share of a lit
    field that differs from its light, straight lines left out (not in fluorescence).
    `edge` is the steepest slope at objects, per pixel where they have their usual size, in shares
    of their height, in the sharpest of four directions; `dull` that in the dullest. `slope` is
    `edge` in shares of the light (not in fluorescence), and `unsharp` the share of objects that
    are less sharp than others. `contrast` is the objects' height in steps of noise, `grey_steps`
    in steps between grey levels; `bits` is what the levels in use need of 16.
    `saturated` and `crushed` are shares of pixels at the highest and the lowest level, `blank`
    of rows or columns of one grey, `jumps` of neighbours that differ by half of all greys.
    `level` is the light in shares of the camera's range and `room` what is left above it (not in
    fluorescence); `fall` is the darkest over the brightest light of the field, and `rise` how far
    the dark between objects differs over the field, in shares of their light (fluorescence).
    """

    objects: float
    covered: float
    largest: float
    bubble: float
    doubt: float
    busy: float
    edge: float
    dull: float
    slope: float
    unsharp: float
    contrast: float
    grey_steps: float
    bits: float
    saturated: float
    crushed: float
    blank: float
    jumps: float
    level: float
    room: float
    fall: float
    rise: float


def traits_of(
    picture: AnyPicture, found: Found, modality: Modality, typical_px: float | None = None
) -> Traits:
    """Measure a grey picture (H, W) in which these objects were found.

    `typical_px` is the diameter of a usual object in it; that of the data sets if none is told.
    """
    usual_px = typical_px or modality.typical_px
    dark = modality.name == FLUORESCENCE
    levels = _Levels.of(picture)
    scale = modality.typical_px / usual_px
    plane = _resized(picture, scale)
    edges = _edges(plane, found, scale, modality.typical_px)
    small = _resized(picture, scale * modality.scale)
    small_px = modality.typical_px * modality.scale
    return Traits(
        objects=float(found.count),
        covered=found.covered,
        largest=float(found.diameter_px.max()) / usual_px if found.count else NAN,
        bubble=_widest_circle(small, LEAST_RADIUS[modality.name] * small_px, dark) / small_px,
        doubt=_doubt(found) if modality.classed else NAN,
        busy=NAN if dark else _busy(small, small_px),
        edge=edges.steepest,
        dull=edges.dullest,
        slope=NAN if dark else edges.steepest * edges.height / max(levels.middle, 1.0),
        unsharp=edges.unsharp,
        contrast=edges.height / _noise(plane),
        grey_steps=edges.height / levels.step,
        bits=levels.bits if picture.dtype == np.uint16 else NAN,
        saturated=levels.highest,
        crushed=levels.lowest,
        blank=_blank(picture),
        jumps=_jumps(picture, levels.span),
        level=NAN if dark else levels.middle / levels.full,
        room=NAN if dark else 1.0 - levels.middle / levels.full,
        fall=_lamp(found, edges.heights, picture.shape) if dark else _fall(small, small_px),
        rise=_rise(small) if dark else NAN,
    )


def _resized(picture: AnyPicture, scale: float) -> Floats:
    """Return a picture so many times as large, in its own grey values."""
    height, width = picture.shape
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _noise(plane: Floats) -> float:
    fine = (plane - cv2.GaussianBlur(plane, (0, 0), 1.5))[::2, ::2]
    return max(1.4826 * float(np.median(np.abs(fine))), 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Levels:
    """Which grey levels a picture uses, and how much of it lies at their ends."""

    step: float
    bits: float
    highest: float
    lowest: float
    middle: float
    full: float
    span: int

    @staticmethod
    def of(picture: AnyPicture) -> _Levels:
        counts: Counts = np.bincount(picture.ravel())
        used = np.flatnonzero(counts)
        low, high = int(used[0]), int(used[-1])
        total = np.cumsum(counts)
        ends = np.searchsorted(total, [0.005 * picture.size, 0.995 * picture.size])
        inner = used[(used >= ends[0]) & (used <= ends[1])]
        step = float(np.median(np.diff(inner))) if len(inner) > 1 else 1.0
        needed = math.log2(high + 1)
        camera = next(bits for bits in BITS if needed <= bits)
        return _Levels(
            step=step,
            bits=needed - math.log2(step),
            highest=counts[high] / picture.size,
            lowest=counts[low] / picture.size,
            middle=float(np.searchsorted(total, picture.size / 2)),
            full=float(2**camera - 1),
            span=high - low,
        )


def _blank(picture: AnyPicture) -> float:
    rows = float(np.mean(picture.min(axis=1) == picture.max(axis=1)))
    columns = float(np.mean(picture.min(axis=0) == picture.max(axis=0)))
    return max(rows, columns)


def _jumps(picture: AnyPicture, span: int) -> float:
    apart = cv2.absdiff(picture[:, 1:], picture[:, :-1])
    return float(np.mean(apart > 0.5 * max(span, 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edges:
    steepest: float
    dullest: float
    unsharp: float
    height: float
    heights: Floats


def _edges(plane: Floats, found: Found, scale: float, usual_px: float) -> _Edges:
    """Return how steep the edges of objects are, over their height, and that height."""
    if not found.count:
        none = np.zeros(0, np.float32)
        return _Edges(steepest=NAN, dullest=NAN, unsharp=NAN, height=NAN, heights=none)
    smooth = cv2.GaussianBlur(plane, (0, 0), SMOOTHING_PX)
    # Sobel's kernel sums to 8 for a slope of one per pixel.
    across = _windows(cv2.Sobel(smooth, -1, 1, 0, scale=0.125), found, scale, usual_px)
    along = _windows(cv2.Sobel(smooth, -1, 0, 1, scale=0.125), found, scale, usual_px)
    heights = np.ptp(_windows(smooth, found, scale, usual_px), axis=1)
    diagonal = math.sqrt(0.5)
    ways = (across, along, diagonal * (across + along), diagonal * (across - along))
    slopes = np.stack([np.abs(way).max(axis=1) for way in ways])
    total = max(float(heights.sum()), 1e-6)
    each = slopes.max(axis=0) / np.maximum(heights, 1e-6)
    return _Edges(
        steepest=float(slopes.sum(axis=1).max()) / total,
        dullest=float(slopes.sum(axis=1).min()) / total,
        unsharp=float(np.mean(each < LESS_SHARP * np.percentile(each, 80))),
        height=float(np.median(heights)),
        heights=heights,
    )


def _windows(
    plane: npt.NDArray[np.generic], found: Found, scale: float, usual_px: float
) -> Floats:
    """Return the pixels of a square around each object, (n, S * S); the edge's repeat."""
    reach = round(AROUND * usual_px)
    steps = np.arange(-reach, reach + 1)
    height, width = plane.shape
    rows = np.clip(np.rint(found.y_px * scale)[:, None] + steps, 0, height - 1).astype(np.intp)
    columns = np.clip(np.rint(found.x_px * scale)[:, None] + steps, 0, width - 1).astype(np.intp)
    squares = plane[rows[:, :, None], columns[:, None, :]]
    return np.asarray(squares.reshape(found.count, -1), dtype=np.float32)


def _fall(small: Floats, usual_px: float) -> float:
    """Return the darkest light of a bright field over the brightest, cells left out."""
    height, width = small.shape
    size = (max(round(width / usual_px), 4), max(round(height / usual_px), 4))
    coarse = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    light = cv2.medianBlur(coarse, 5)
    return float(light.min()) / max(float(light.max()), 1e-6)


def _lamp(found: Found, heights: Floats, shape: tuple[int, ...]) -> float:
    """Return the darkest light of a field over the brightest, as objects' heights tell it.

    A plane through their logarithms (least squares); NaN where they are few.
    """
    if found.count < LEAST_OBJECTS:
        return NAN
    places = np.stack([np.ones(found.count), found.x_px / shape[1], found.y_px / shape[0]], axis=1)
    logs = np.log(np.maximum(heights, 1e-6))
    _, across, along = np.linalg.lstsq(places, logs, rcond=None)[0]
    return math.exp(-abs(float(across)) - abs(float(along)))


def _rise(small: Floats) -> float:
    """Return by how much the dark between nuclei differs over the field, over their height."""
    height, width = small.shape
    tiles = [
        float(np.percentile(tile, 10))
        for band in np.array_split(small, min(TILES, height), axis=0)
        for tile in np.array_split(band, min(TILES, width), axis=1)
    ]
    low, high = np.percentile(small, [10, 99.5])
    return float(max(tiles) - min(tiles)) / max(float(high - low), 1e-6)


def _doubt(found: Found) -> float:
    if not found.count:
        return NAN
    return 2.0 * float(np.mean(np.minimum(found.dead, 1.0 - found.dead)))


def _busy(small: Floats, usual_px: float) -> float:
    middle = max(float(np.median(small)), 1.0)
    wide = cv2.GaussianBlur(small, (0, 0), 2.0 * usual_px)
    away = cv2.absdiff(cv2.GaussianBlur(small, (0, 0), NOISE_PX), wide)
    differs = (away > BUSY * middle).astype(np.uint8)
    return float(without_lines(differs, LINE * usual_px).mean())


def _widest_circle(small: Floats, least_px: float, dark: bool) -> float:
    """Return the diameter of the largest circle of at least this radius; 0 if there is none.

    A bubble's rim throws light aside wherever it lies. Hough's transform in the form of
    OpenCV's HOUGH_GRADIENT_ALT, which looks at how much of the circle is there.
    """
    smooth = cv2.GaussianBlur(small, (0, 0), 1.2)
    if dark:
        low, high = np.percentile(smooth, [1, 99.5])
        share = np.sqrt(np.clip((smooth - low) / max(float(high - low), 1e-6), 0.0, 1.0))
        grey = 255.0 * share
    else:
        grey = np.clip(smooth * (100.0 / max(float(np.median(smooth)), 1.0)), 0.0, 255.0)
    circles = cv2.HoughCircles(
        grey.astype(np.uint8),
        cv2.HOUGH_GRADIENT_ALT,
        1.5,
        least_px,
        param1=RIM_STEEPNESS,
        param2=RIM_ROUNDNESS,
        minRadius=math.ceil(least_px),
        maxRadius=max(small.shape),
    )
    return 0.0 if circles is None else 2.0 * float(circles[..., 2].max())
