"""The counter that everyone writes first, to compare with: a threshold and a watershed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from medicell_vision.cells.found import Floats, Found, Labels, found_from_labels
from medicell_vision.cells.modality import BRIGHT_FIELD, FLUORESCENCE, Modality
from medicell_vision.cells.outlines import Mask, grow
from medicell_vision.cells.pictures import AnyPicture
from medicell_vision.segmentation import without_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """How large objects are: their least area, and how near two middles may be."""

    least_px2: int
    smoothing_px: float
    reach_px: int


CELL = _Size(least_px2=90, smoothing_px=1.5, reach_px=11)
NUCLEUS = _Size(least_px2=40, smoothing_px=1.5, reach_px=11)
ADHERENT = _Size(least_px2=400, smoothing_px=3.0, reach_px=31)

CONTRAST = 0.16
"""Share of the background by which a chamber's cells differ from it."""
BACKGROUND_PX = 101
MOST_HOLE_PX2 = 400
LINE_PX = 18.0
LARGEST_PX = 50
LEAST_FILLED = 0.5
"""Share of its box that a cell fills; scratches and corners of the grid fill less."""
BRIGHT = 1.1
"""A centre so much brighter than the background is a live cell's."""


def count_plainly(picture: AnyPicture, modality: Modality) -> Found:
    """Return what background difference (or Otsu of the logarithm) and a watershed find.

    Of a chamber's cells those with a bright centre are live.
    """
    grey = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.0)
    if modality.name == BRIGHT_FIELD:
        return _chamber(picture, np.asarray(grey, dtype=np.float32))
    if modality.name == FLUORESCENCE:
        mask = _filled(_otsu(np.log(np.maximum(grey, 1.0))), 3)
        return found_from_labels(_split(mask, NUCLEUS))
    fine = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 10.0))
    texture = cv2.GaussianBlur(fine, (0, 0), 2.0)
    mask = _filled(_otsu(np.minimum(texture, np.percentile(texture, 98.0))), 5)
    whole = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    return found_from_labels(_split(np.asarray(whole, dtype=np.uint8), ADHERENT))


def _chamber(picture: AnyPicture, grey: Floats) -> Found:
    eight_bit = (picture >> 8 if picture.dtype == np.uint16 else picture).astype(np.uint8)
    light = np.maximum(cv2.medianBlur(eight_bit, BACKGROUND_PX).astype(np.float32), 1.0)
    away = (np.abs(grey / light - 1.0) > CONTRAST).astype(np.uint8)
    whole = _filled(without_lines(away, LINE_PX), 5)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(whole)
    width, height, area = (stats[:, key] for key in (2, 3, 4))
    cells = (area >= CELL.least_px2) & (area > LEAST_FILLED * width * height)
    cells &= np.maximum(width, height) < LARGEST_PX
    cells[0] = False
    round_ = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    mask = cv2.morphologyEx(cells[parts].astype(np.uint8), cv2.MORPH_OPEN, round_)
    found = found_from_labels(_split(np.asarray(mask, dtype=np.uint8), CELL))
    brightest = cv2.dilate(grey / light, np.ones((5, 5), np.uint8))
    return found.classed(
        [float(brightest[round(y), round(x)] < BRIGHT) for x, y in found.places()]
    )


def _otsu(plane: Floats) -> Mask:
    least, most = float(plane.min()), float(plane.max())
    grey = ((plane - least) * (255.0 / max(most - least, 1e-6))).astype(np.uint8)
    return np.asarray(cv2.threshold(grey, 0, 1, cv2.THRESH_OTSU)[1], dtype=np.uint8)


def _filled(mask: Mask, gap_px: int) -> Mask:
    """Return a mask without narrow gaps, and without holes as large as a few cells."""
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((gap_px, gap_px), np.uint8))
    _, holes, stats, _ = cv2.connectedComponentsWithStats(1 - closed, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < MOST_HOLE_PX2
    small[0] = False
    return np.asarray(closed | small[holes].astype(np.uint8), dtype=np.uint8)


def _split(mask: Mask, size: _Size) -> Labels:
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    depth = cv2.GaussianBlur(distance, (0, 0), size.smoothing_px)
    around = np.ones((size.reach_px, size.reach_px), np.uint8)
    peaks = (depth >= cv2.dilate(depth, around)) & (depth > 1.5)
    _, seeds = cv2.connectedComponents(peaks.astype(np.uint8))
    labels = grow(seeds.astype(np.int32), mask)
    areas = np.bincount(labels.ravel())
    return np.where(areas[labels] >= size.least_px2, labels, 0).astype(np.int32)
