"""Found cells drawn into their picture, for people."""

from __future__ import annotations

import cv2
import numpy as np

from medicell_vision.cells.found import Found
from medicell_vision.cells.pictures import AnyPicture
from medicell_vision.overlay import FLAGGED_RGB, PLAIN_RGB
from medicell_vision.segmentation import Picture

SHOWN_SHARES = (0.5, 99.8)
"""Per cent of the pixels below which all is black, and above which all is white."""


def annotated(picture: AnyPicture, found: Found) -> Picture:
    """Return an RGB picture (H, W, 3) with each cell's outline, dead ones in another colour."""
    low, high = np.percentile(picture[::2, ::2], SHOWN_SHARES)
    shown = np.clip((picture.astype(np.float32) - low) * (255.0 / max(high - low, 1.0)), 0, 255)
    canvas = np.repeat(shown.astype(np.uint8)[:, :, None], 3, axis=2)
    labels = found.labels.astype(np.float32)
    near = np.ones((3, 3), np.uint8)
    edge = (cv2.dilate(labels, near) != labels) | (cv2.erode(labels, near) != labels)
    highest = cv2.dilate(labels, near).astype(np.int32)
    colours = np.array([PLAIN_RGB, FLAGGED_RGB], dtype=np.uint8)
    flags = np.concatenate([[False], found.is_dead]).astype(np.intp)
    canvas[edge] = colours[flags[highest[edge]]]
    return canvas
