"""Whether a picture of the batch may be counted: its findings, and how much of it cells cover."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from medicell_vision.cells.quality import Finding, Limits, Severity
from medicell_vision.cytometry import (
    BRIGHT_FIELD,
    FLUORESCENCE,
    Settings,
    find_bright_field,
    find_fluorescent,
)
from medicell_vision.focus import focus_score
from medicell_vision.segmentation import Picture

FOCUS = 'focus score'
"""Name of the finding that a sweep of the objective can mend."""

LEVEL = {BRIGHT_FIELD: Limits(warn=0.3, refuse=50.0 / 255.0)}
"""Light of the empty field in shares of the camera's range, by modality: refused is what the
analysis could not judge. Fluorescence has no empty field's light. The warning is assumed."""

SATURATED = {
    BRIGHT_FIELD: Limits(warn=0.003, refuse=0.02, at_most=True),
    FLUORESCENCE: Limits(warn=0.02, refuse=0.4, at_most=True),
}
"""Share of pixels at the highest level. Nuclei that lie over each other saturate the camera where
nothing is wrong with its light."""

MEASURED = Settings(most_covered=1.0, dark_level=0.0, saturated_share=1.0)
"""Settings of an analysis that refuses nothing."""


def judge(
    image: Picture, modality: str, *, least_focus: float
) -> tuple[float, tuple[Finding, ...]]:
    """Return a picture's focus score, NaN for an empty field, and what is wrong with it.

    This is all that the batch asks of a picture before it is counted. Its limits hold on rendered
    pictures; `cells.quality` has those of real ones.
    """
    score = float(focus_score(image))
    return score, tuple(_findings(image, modality, score, least_focus))


def covered(image: Picture, modality: str, um_per_px: float) -> float:
    """Return which share of a picture cells cover, 0 to 1; cells over each other count twice."""
    find = find_bright_field if modality == BRIGHT_FIELD else find_fluorescent
    radius = find(image, um_per_px, MEASURED).radius_px.astype(np.float64)
    height, width = image.shape[-2:]
    return float(min(1.0, math.pi * np.sum(radius**2) / (height * width)))


def _findings(
    image: Picture, modality: str, score: float, least_focus: float
) -> Iterator[Finding]:
    if math.isnan(score):
        yield _finding('objects to focus on', 0.0, 1.0, Severity.WARN)
    elif score < least_focus:
        yield _finding(FOCUS, score, least_focus, Severity.REFUSE)
    plane = image if image.ndim == 2 else image[0]
    if modality in LEVEL:
        level = float(np.median(plane)) / 255.0
        yield from _share("light in the camera's range", level, LEVEL[modality])
    saturated = float(np.mean(plane == 255))
    yield from _share('pixels at the highest level', saturated, SATURATED[modality])


def _share(name: str, value: float, limits: Limits) -> Iterator[Finding]:
    for severity, bound in ((Severity.REFUSE, limits.refuse), (Severity.WARN, limits.warn)):
        if bound is not None and not limits.kept(value, bound):
            yield _finding(name, 100.0 * value, 100.0 * bound, severity, unit='%')
            return


def _finding(
    name: str, value: float, limit: float, severity: Severity, *, unit: str = ''
) -> Finding:
    return Finding(name=name, value=value, limit=limit, unit=unit, severity=severity)
