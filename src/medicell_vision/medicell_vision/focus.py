"""How sharp a picture is, as one number that does not depend on how many cells it shows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from medicell_vision.segmentation import Floats, Picture, estimate_background

Places = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

REACH_PX = 15
"""Size of the neighbourhood that holds one cell's edge."""

NOISE_PX = 0.8
"""Scale below which detail in bright field is taken for the camera's noise."""

SHARP_SLOPE = 0.14
"""Steepest slope of a cell in focus, in shares of the empty field's light per pixel: measured
on rendered fields of 20 to 400 cells of 7.5 to 11.5 um, viability 50 to 98 %, at 0.65 um/px
(0.137 to 0.152). An instrument with another contrast or pixel has its own figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """How to look for objects: blur, share of the light that they differ by, least area."""

    blur_px: float
    contrast: float
    area_px: int


SEARCHES = (
    _Search(blur_px=1.2, contrast=0.035, area_px=30),
    _Search(blur_px=3.0, contrast=0.015, area_px=60),
)
"""The second finds the pale smudges that few cells far out of focus leave, where the first
finds nothing; both stay above the camera's noise down to 0.4 of the nominal light."""

FLUORESCENCE_NOISE_PX = 1.0
FLUORESCENCE_REACH_PX = 17
LEAST_STEP = 6.0
"""Grey values that a neighbourhood of a fluorescence picture must span to be judged."""

STRONG_SHARE = 0.4
"""Share of the largest steps of the picture that a neighbourhood must reach to be judged."""

BLURRED_EDGE, SHARP_EDGE = 0.13, 0.27
"""Slope of a nucleus' edge (share of its height per pixel) 40 um out of focus and in focus, as
measured on rendered fields of 20 to 400 cells of 7.5 to 11.5 um at 0.65 um/px."""


def focus_score(image: Picture, *, sharp_slope: float = SHARP_SLOPE) -> float:
    """Return the focus of a picture from 0 (blurred) to 1 (sharp); NaN for an empty field.

    Bright field: the steepest slope of each object (gradient magnitude as in Krotkov's
    Tenengrad, 1988), over the light of the empty field, averaged over the objects, in shares of
    `sharp_slope`. A mean over objects does not depend on their number, nor on the lamp.
    A picture of several channels is fluorescence: its first is judged by the steepest slope of
    each edge over that edge's own height, as there is no empty field's light to compare with.
    """
    if image.ndim == 3:
        return _fluorescence_score(image[0])
    relative = image.astype(np.float32) / estimate_background(image)
    found = (_objects(relative, search) for search in SEARCHES)
    rows, columns = next((places for places in found if len(places[0])), (None, None))
    if rows is None or columns is None:
        return math.nan
    steepest = cv2.dilate(_slope(relative, NOISE_PX), np.ones((REACH_PX, REACH_PX), np.uint8))
    return float(np.clip(np.mean(steepest[rows, columns]) / sharp_slope, 0.0, 1.0))


def _objects(relative: Floats, search: _Search) -> Places:
    """Return row and column of the middle of everything that stands out from the field."""
    smooth = cv2.GaussianBlur(relative, (0, 0), search.blur_px)
    away = cv2.absdiff(smooth, np.ones_like(smooth))
    _, mask = cv2.threshold(away, search.contrast, 1.0, cv2.THRESH_BINARY)
    joined = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(np.uint8)
    _, _, stats, centres = cv2.connectedComponentsWithStats(joined, connectivity=8)
    large = stats[1:, cv2.CC_STAT_AREA] > search.area_px
    places = np.rint(centres[1:][large]).astype(np.int64)
    return places[:, 1], places[:, 0]


def _slope(grey: Floats, noise_px: float) -> Floats:
    smooth = cv2.GaussianBlur(grey, (0, 0), noise_px)
    # Sobel's kernel sums to 8 for a slope of one per pixel.
    across = cv2.Sobel(smooth, -1, 1, 0, scale=0.125)
    along = cv2.Sobel(smooth, -1, 0, 1, scale=0.125)
    return np.asarray(cv2.magnitude(across, along), dtype=np.float32)


def _fluorescence_score(plane: Picture) -> float:
    grey = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), FLUORESCENCE_NOISE_PX)
    around = np.ones((FLUORESCENCE_REACH_PX, FLUORESCENCE_REACH_PX), np.uint8)
    step = cv2.dilate(grey, around) - cv2.erode(grey, around)
    strongest = float(np.quantile(step[::2, ::2], 0.9995))
    judged = step > max(STRONG_SHARE * strongest, LEAST_STEP)
    if not bool(judged.any()):
        return math.nan
    slope = _slope(plane.astype(np.float32), FLUORESCENCE_NOISE_PX)
    steepest = cv2.dilate(slope, around)
    mean = float(np.mean(steepest[judged] / step[judged]))
    return float(np.clip((mean - BLURRED_EDGE) / (SHARP_EDGE - BLURRED_EDGE), 0.0, 1.0))
