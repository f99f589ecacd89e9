"""From seeds and a mask to the outlines of single objects."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.uint8]

NEAR = np.ones((3, 3), np.uint8)


def grow(seeds: Labels, mask: Mask) -> Labels:
    """Return labels that grow from the seeds (1 to n) through the mask until they meet.

    What of the mask no seed reaches stays 0.
    """
    labels = np.pad(np.where(mask > 0, seeds, 0).astype(np.int32), 1)
    inside = np.pad(mask, 1)
    # Where two labels meet OpenCV leaves a line: that to the outside is to be outside.
    wide = cv2.dilate(inside, NEAR)
    outside = int(seeds.max()) + 1
    labels[wide == 0] = outside
    # It floods over the smallest steps of grey first: within the mask, there by distance.
    relief = np.where(wide > 0, np.uint8(0), np.uint8(255))
    flooded = cv2.watershed(np.repeat(relief[:, :, None], 3, axis=2), labels)
    labels = np.asarray(flooded, dtype=np.int32)
    between = (labels < 0) & (inside > 0)
    labels[(labels == outside) | (labels < 0) | (inside == 0)] = 0
    nearby = cv2.dilate(labels.astype(np.float32), NEAR)
    labels[between] = nearby[between].astype(np.int32)
    return np.asarray(labels[1:-1, 1:-1], dtype=np.int32)
