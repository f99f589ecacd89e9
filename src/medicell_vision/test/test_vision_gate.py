"""What is found of a picture before the batch counts it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from medicell_vision.cells.quality import Severity
from medicell_vision.cytometry import BRIGHT_FIELD, FLUORESCENCE
from medicell_vision.gate import FOCUS, covered, judge
from medicell_vision.segmentation import Picture

RADIUS_PX = 8
CENTRES = [(x, y) for x in range(40, 480, 60) for y in range(40, 480, 60)]


def field(light: int, cell: int, centres: Sequence[tuple[int, int]] = CENTRES) -> Picture:
    """Return a field of discs of one grey on a light, slightly blurred."""
    canvas = np.full((512, 512), light, np.uint8)
    for centre in centres:
        cv2.circle(canvas, centre, RADIUS_PX, cell, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 1.0), np.uint8)


def found(image: Picture, modality: str = BRIGHT_FIELD) -> dict[str, Severity]:
    _, findings = judge(image, modality, least_focus=0.5)
    return {item.name: item.severity for item in findings}


def test_a_good_picture_has_no_finding() -> None:
    score, findings = judge(field(170, 70), BRIGHT_FIELD, least_focus=0.5)
    assert score > 0.5
    assert findings == ()


def test_a_blurred_picture_is_refused_by_its_focus() -> None:
    image = np.asarray(cv2.GaussianBlur(field(170, 70), (0, 0), 6.0), np.uint8)
    score, (finding,) = judge(image, BRIGHT_FIELD, least_focus=0.5)
    assert (finding.name, finding.severity) == (FOCUS, Severity.REFUSE)
    assert (finding.value, finding.limit) == (score, 0.5)


@pytest.mark.parametrize(
    ('light', 'severity'), [(45, Severity.REFUSE), (60, Severity.WARN), (90, None)]
)
def test_a_dark_picture_is_warned_of_and_refused(light: int, severity: Severity | None) -> None:
    assert found(field(light, light // 3)).get("light in the camera's range") is severity


def test_a_saturated_picture_is_refused_and_overlaid_nuclei_are_not() -> None:
    assert found(field(255, 70))['pixels at the highest level'] is Severity.REFUSE
    nuclei = field(10, 255)
    image = np.stack([nuclei, np.zeros_like(nuclei)])
    assert found(image, FLUORESCENCE)['pixels at the highest level'] is Severity.WARN


def test_an_empty_picture_has_no_score_and_a_warning() -> None:
    score, (finding,) = judge(np.full((256, 256), 160, np.uint8), BRIGHT_FIELD, least_focus=0.5)
    assert math.isnan(score)
    assert finding.severity is Severity.WARN
    assert finding.text == 'objects to focus on 0 (at least 1)'


@pytest.mark.parametrize('light', [170, 40])
def test_cover_follows_the_number_of_cells_whatever_the_light(light: int) -> None:
    half, whole = (
        covered(field(light, light // 3, CENTRES[::step]), BRIGHT_FIELD, 0.65) for step in (2, 1)
    )
    assert whole == pytest.approx(2.0 * half, rel=0.02)
    discs = len(CENTRES) * math.pi * RADIUS_PX**2 / 512**2
    assert discs < whole < 1.5 * discs
