"""How sharp a picture is, as one number that does not depend on how many cells it shows."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

NOISE_PX = 1.0
"""Scale below which detail is taken for the camera's noise."""

REACH_PX = 17
"""Size of the neighbourhood that holds one edge: about a cell."""

LEAST_STEP = 6.0
"""Grey values that a neighbourhood must span to be judged."""

STRONG_SHARE = 0.4
"""Share of the largest steps of the picture that a neighbourhood must reach to be judged."""

BLURRED_SLOPE, SHARP_SLOPE = 0.13, 0.27
"""Slope of an edge (share of its height per pixel) of a picture 40 um out of focus and of one
in focus, as measured on rendered fields of 20 to 400 cells of 7.5 to 11.5 um at 0.65 um/px."""


def focus_score(image: Picture) -> float:
    """Return the focus of a picture from 0 (blurred) to 1 (sharp); NaN for an empty field.

    A picture of several channels is judged by its first. The measure is the steepest slope of
    each neighbourhood over the grey values that it spans, averaged over those that span the
    most: contrast and the number of cells cancel out, blur does not.
    """
    plane = image[0] if image.ndim == 3 else image
    grey = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), NOISE_PX)
    slope = cv2.magnitude(
        cv2.Sobel(grey, -1, 1, 0, scale=0.125), cv2.Sobel(grey, -1, 0, 1, scale=0.125)
    )
    around = np.ones((REACH_PX, REACH_PX), np.uint8)
    step = cv2.dilate(grey, around) - cv2.erode(grey, around)
    strongest = float(np.quantile(step[::2, ::2], 0.9995))
    judged = step > max(STRONG_SHARE * strongest, LEAST_STEP)
    if not bool(judged.any()):
        return math.nan
    steepest = cv2.dilate(slope, around)
    mean = float(np.mean(steepest[judged] / step[judged]))
    return float(np.clip((mean - BLURRED_SLOPE) / (SHARP_SLOPE - BLURRED_SLOPE), 0.0, 1.0))
