"""The picture that a network sees: smaller, and free of lamp, camera offset and gain."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from medicell_vision.cells.modality import BRIGHT_FIELD, PHASE_CONTRAST
from medicell_vision.cells.pictures import AnyPicture

Floats = npt.NDArray[np.float32]

LEAST_SIDE_PX = 8
NEAR_LIGHT = 0.64
"""Furthest that the background may be from the median light, as a share of it."""
BRIGHT_FIELD_GAIN = 4.0
PHASE_GAIN = 6.0
RANGE = (-4.0, 8.0)
"""What is passed on of a pixel: outside are glare and dirt."""
WIDE_PX = 38.0
"""Standard deviation of the blur that takes an adherent cell for background."""
NOISE_STEPS = 8.0
"""Standard deviations of the noise above which fluorescence is taken logarithmically."""
LEAST_NOISE = 0.25
"""Of a grey value: what rounding alone gives."""


def normalise(picture: AnyPicture, modality: str, scale: float) -> Floats:
    """Return a picture made `scale` times as large, in units that its network knows.

    Bright field and phase contrast: departure from the background in shares of its light.
    Fluorescence: steps of noise above the darkest tenth, logarithmic where they are many.
    """
    height, width = picture.shape
    size = (max(round(width * scale), LEAST_SIDE_PX), max(round(height * scale), LEAST_SIDE_PX))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    if modality == BRIGHT_FIELD:
        plane = BRIGHT_FIELD_GAIN * (small / _light(small) - 1.0)
    elif modality == PHASE_CONTRAST:
        middle = float(np.median(small))
        wide = cv2.GaussianBlur(np.clip(small, 0.5 * middle, 1.5 * middle), (0, 0), WIDE_PX)
        plane = PHASE_GAIN * (small - wide) / np.maximum(wide, 1.0)
    else:
        sample = small[::2, ::2]
        fine = (small - cv2.GaussianBlur(small, (0, 0), 1.5))[::2, ::2]
        noise = max(1.4826 * float(np.median(np.abs(fine))), LEAST_NOISE)
        dark = float(np.percentile(sample, 10))
        plane = np.arcsinh((small - dark) / (NOISE_STEPS * noise))
    return np.asarray(np.clip(plane, *RANGE), dtype=np.float32)


def _light(small: Floats) -> Floats:
    """Return the empty field's light: a median wide enough to leave no cell."""
    height, width = small.shape
    middle = max(float(np.median(small)), 1.0)
    size = (max(width // 4, 4), max(height // 4, 4))
    coarse = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    steps = np.clip(128.0 + 200.0 * (coarse / middle - 1.0), 0.0, 255.0).astype(np.uint8)
    reach = min(31, min(size) // 2 * 2 - 1)
    even = cv2.GaussianBlur(cv2.medianBlur(steps, reach).astype(np.float32), (0, 0), 3.0)
    light = middle * (1.0 + (cv2.resize(even, (width, height)) - 127.5) / 200.0)
    return np.asarray(np.maximum(light, 1.0), dtype=np.float32)
