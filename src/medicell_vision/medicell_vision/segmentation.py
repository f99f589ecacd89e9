"""What stands out from the background of a picture: light, mask, holes and lines."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, OperationFailed

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

BACKGROUND_STEP = 8
"""Pixels per pixel of the reduced picture from which the background is taken."""

BACKGROUND_BANDS = (0.3, 0.05)
"""How far, in shares of the light, a pixel may be from the surface to be fitted, per pass."""

RESIDUE_GAIN = 400.0
"""Grey values per unit of light for the 8-bit median of what the surface leaves: 0.25 % each."""

LEAST_FITTED = 60
"""Fewest pixels to fit a surface of six terms to."""

LINE_LENGTH = 2.5
"""Length in largest diameters from which a straight run of pixels is a line, not cells."""


def estimate_background(image: Picture) -> Floats:
    """Return what the picture would be without cells: a bowl plus a wide median of the rest.

    The bowl (a quadratic surface) takes the lamp's fall towards the edges, where a median
    alone would be wrong by some per cent.
    """
    height, width = image.shape
    size = (max(width // BACKGROUND_STEP, 8), max(height // BACKGROUND_STEP, 8))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    bowl = _bowl(small)
    rest = np.clip(128.0 + RESIDUE_GAIN * (small / bowl - 1.0), 0.0, 255.0).astype(np.uint8)
    median = cv2.GaussianBlur(cv2.medianBlur(rest, 31).astype(np.float32), (0, 0), 4.0)
    level = bowl * (1.0 + (median - 127.5) / RESIDUE_GAIN)
    wide = cv2.resize(level.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.maximum(wide, 1.0), dtype=np.float32)


def _bowl(small: Floats) -> Floats:
    """Return the quadratic surface through the pixels near it: two passes of least squares."""
    y, x = np.mgrid[-1.0 : 1.0 : small.shape[0] * 1j, -1.0 : 1.0 : small.shape[1] * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    grey = small.reshape(-1).astype(np.float64)
    fitted = np.full_like(grey, float(np.median(grey)))
    for band in BACKGROUND_BANDS:
        near = np.abs(grey - fitted) <= band * np.maximum(fitted, 1.0)
        used = terms[near]
        if len(used) < LEAST_FITTED:
            break
        factors = np.linalg.lstsq(used.T @ used, used.T @ grey[near], rcond=None)[0]
        fitted = terms @ factors
    return np.asarray(np.maximum(fitted, 1.0).reshape(small.shape), dtype=np.float32)


def check_light(
    image: Picture, background: Floats, *, dark_level: float, saturated_share: float
) -> None:
    """Raise ILLUMINATION_FAILED for a picture too dark or too bright to judge."""
    level = float(np.median(background))
    saturated = float(np.mean(image >= 255))
    if level < dark_level or saturated > saturated_share:
        raise OperationFailed(
            ErrorCode.ILLUMINATION_FAILED,
            f'background is {level:.0f} of 255 (at least {dark_level:.0f}), saturated '
            f'are {100 * saturated:.1f} % (at most {100 * saturated_share:.1f} %)',
        )


def above(plane: Floats, threshold: float) -> Picture:
    """Return 1 where a plane is above a threshold, else 0."""
    _, mask = cv2.threshold(plane, threshold, 1.0, cv2.THRESH_BINARY)
    return np.asarray(mask, dtype=np.uint8)


def without_lines(mask: Picture, largest_px: float) -> Picture:
    """Return a mask without upright and level lines longer than any clump: a chamber's grid."""
    length = int(LINE_LENGTH * largest_px)
    if length >= min(mask.shape):
        return mask
    upright = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((length, 1), np.uint8))
    level = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    lines = cv2.bitwise_or(upright, level)
    if not lines.any():
        return mask
    wide = np.asarray(cv2.dilate(lines, np.ones((3, 3), np.uint8)), dtype=np.uint8)
    return np.where(wide > 0, np.uint8(0), mask)


def fill(mask: Picture, largest_px: float) -> Picture:
    """Close the gap between a cell's bright centre and its dark rim, and fill it.

    Holes wider than the largest cell stay: they are what a ring of cells or a grid encloses.
    """
    filled = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    outlines, family = cv2.findContours(filled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if family is None:
        return np.asarray(filled, dtype=np.uint8)
    most_px2 = math.pi * largest_px**2 / 4.0
    holes = [
        outline
        for outline, (_, _, _, parent) in zip(outlines, family[0], strict=True)
        if parent >= 0 and cv2.contourArea(outline) <= most_px2
    ]
    cv2.drawContours(filled, holes, -1, 1, thickness=cv2.FILLED)
    return np.asarray(filled, dtype=np.uint8)
