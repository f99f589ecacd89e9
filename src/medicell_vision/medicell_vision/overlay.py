"""Pictures for people: what the analysis found, drawn into what the camera saw."""

from __future__ import annotations

import cv2
import numpy as np

from medicell_vision.cytometry import Cells
from medicell_vision.segmentation import Picture

PLAIN_RGB = (46, 160, 67)
"""Colour of a live, or CAR-negative cell."""

FLAGGED_RGB = (215, 48, 39)
"""Colour of a dead, or CAR+ cell."""

MARGIN_PX = 2.0
"""Gap between a cell and its circle."""

SUBPIXEL_BITS = 3
"""Fractional bits of OpenCV's drawing coordinates: an eighth of a pixel."""


def overlay(image: Picture, cells: Cells) -> Picture:
    """Return an RGB picture, (H, W, 3), with a circle around each cell, coloured by its flag.

    `cells` come from `find_bright_field` or `find_fluorescent`; of several channels the nuclei
    are shown in blue under the label in white.
    """
    canvas = _background(image)
    scale = 1 << SUBPIXEL_BITS
    for x, y, radius, flagged in zip(
        cells.x_px, cells.y_px, cells.radius_px, cells.flag, strict=True
    ):
        cv2.circle(
            canvas,
            (round(float(x) * scale), round(float(y) * scale)),
            round((float(radius) + MARGIN_PX) * scale),
            FLAGGED_RGB if flagged else PLAIN_RGB,
            1,
            cv2.LINE_AA,
            SUBPIXEL_BITS,
        )
    return canvas


def _background(image: Picture) -> Picture:
    if image.ndim == 2:
        return np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2))
    nuclei, label = image[0], image[1]
    return np.ascontiguousarray(np.stack([label, label, np.maximum(nuclei, label)], axis=2))
