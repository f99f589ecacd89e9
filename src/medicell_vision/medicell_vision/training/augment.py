"""Pieces of pictures, turned, mirrored, stretched, blurred and lit otherwise than they were."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from medicell_vision.cells.normalise import Floats
from medicell_vision.training.targets import Lesson

OFFSET_SD = 0.07
SLOPE_SD = 0.15
GRAIN = 0.05
AT_OBJECT = 0.7
"""Share of the pieces that are taken around an object: the rest is quickly learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """How much pieces differ, as standard deviations of logarithms.

    `narrowing` is of width over height, which round cells need not.
    """

    stretch: float = 0.12
    narrowing: float = 0.0
    gain: float = 0.2


def piece(
    lesson: Lesson, side_px: int, variation: Variation, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return a square piece of a picture, (S, S), and its maps, (3, S, S).

    Beyond the picture's edge there is nothing, as when the network is used.
    """
    warp = _warp(lesson, side_px, variation, rng)
    plane = _warped(lesson.plane, warp, side_px)
    maps = np.stack([_warped(item, warp, side_px) for item in lesson.maps])
    return _lit(plane, variation.gain, rng), maps


def _warp(lesson: Lesson, side_px: int, variation: Variation, rng: np.random.Generator) -> Floats:
    """Return an affine map of a place of the picture, oftenest of an object, near the middle."""
    angle, stretch = rng.uniform(0.0, 2.0 * np.pi), np.exp(rng.normal(0.0, variation.stretch))
    cosine, sine = stretch * np.cos(angle), stretch * np.sin(angle)
    mirrored = rng.choice([-1.0, 1.0])
    turn = np.array([[mirrored * cosine, -sine], [mirrored * sine, cosine]])
    if variation.narrowing:
        turn = turn * np.exp(rng.normal(0.0, variation.narrowing, 2))
    height, width = lesson.plane.shape
    if len(lesson.places) and rng.random() < AT_OBJECT:
        middle = lesson.places[rng.integers(len(lesson.places))]
    else:
        middle = rng.uniform((0.0, 0.0), (width, height))
    shift = side_px * rng.uniform(0.2, 0.8, 2) - turn @ middle
    return np.hstack([turn, shift[:, None]]).astype(np.float32)


def _warped(plane: Floats, warp: Floats, side_px: int) -> Floats:
    made = cv2.warpAffine(plane, warp, (side_px, side_px))
    return np.asarray(made, dtype=np.float32)


def _lit(plane: Floats, gain_log_sd: float, rng: np.random.Generator) -> Floats:
    """Return a piece with another focus, gain, offset, fall of light and grain."""
    chance = rng.random()
    if chance < 0.3:
        plane = np.asarray(cv2.GaussianBlur(plane, (0, 0), rng.uniform(0.3, 0.9)), np.float32)
    elif chance < 0.45:
        plane = plane + 0.7 * (plane - cv2.GaussianBlur(plane, (0, 0), 1.0))
    lit = plane * np.exp(rng.normal(0.0, gain_log_sd)) + rng.normal(0.0, OFFSET_SD)
    if rng.random() < 0.3:
        across = np.linspace(-1.0, 1.0, plane.shape[1])
        lit = lit + np.add.outer(
            rng.normal(0.0, SLOPE_SD) * across, rng.normal(0.0, SLOPE_SD) * across
        )
    grain = abs(rng.normal(0.0, GRAIN)) * rng.standard_normal(plane.shape)
    return np.asarray(lit + grain, dtype=np.float32)
