"""Counts of drawn pictures agree with what was drawn, and bad pictures are refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_vision.cytometry import CytometryResult, analyse
from medicell_vision.focus import focus_score

SIDE = 512
UM_PER_PX = 0.65
DEPTH_UM = 100.0
FRAME_PX = 12.0 / UM_PER_PX
"""Half of the largest cell: the frame in which centres are not counted."""
VOLUME_ML = (SIDE * UM_PER_PX) ** 2 * DEPTH_UM / 1e12
LIVE_RIM, LIVE_CENTRE, DEAD, BACKGROUND = 95.0, 205.0, 80.0, 170.0


def draw(
    count: int, *, dead_share: float = 0.1, seed: int = 1, level: float = 1.0
) -> tuple[np.ndarray, int, int]:
    """Return a picture of cells scattered at random, how many live and dead ones it has."""
    rng = np.random.default_rng(seed)
    grey = np.full((SIDE, SIDE), BACKGROUND, np.float32)
    grey += np.linspace(-8.0, 8.0, SIDE, dtype=np.float32)[:, None]
    live = dead = 0
    while live + dead < count:
        x, y = rng.uniform(FRAME_PX, SIDE - FRAME_PX, 2)
        centre = (round(x), round(y))
        if rng.random() < dead_share:
            dead += 1
            cv2.circle(grey, centre, 6, DEAD, cv2.FILLED)
        else:
            live += 1
            cv2.circle(grey, centre, 7, LIVE_RIM, cv2.FILLED)
            cv2.circle(grey, centre, 4, LIVE_CENTRE, cv2.FILLED)
    noisy = cv2.GaussianBlur(grey, (0, 0), 0.8) + rng.normal(0.0, 2.0, grey.shape)
    return (noisy * level).clip(0, 255).astype(np.uint8), live, dead


def count(images: list[np.ndarray], *, dilution: float = 1.0) -> CytometryResult:
    return analyse(
        images,
        modality='bright_field',
        um_per_px=UM_PER_PX,
        depth_um=DEPTH_UM,
        dilution=dilution,
    )


@pytest.mark.parametrize('cells', [20, 80, 160])
def test_a_count_of_scattered_cells_is_right_within_its_error(cells: int) -> None:
    drawn = [draw(cells, seed=seed) for seed in range(6)]
    result = count([image for image, _, _ in drawn])
    drawn_per_ml = sum(live for _, live, _ in drawn) / 6 / VOLUME_ML
    inner = (SIDE / (SIDE - 2.0 * FRAME_PX)) ** 2
    assert result.viable_per_ml == pytest.approx(drawn_per_ml * inner, rel=0.06)
    assert result.viable_per_ml_se / result.viable_per_ml < 0.12


@pytest.mark.parametrize('dead_share', [0.02, 0.2, 0.5])
def test_viability_is_right_within_two_points(dead_share: float) -> None:
    drawn = [draw(120, dead_share=dead_share, seed=seed) for seed in range(4)]
    live, dead = sum(item[1] for item in drawn), sum(item[2] for item in drawn)
    result = count([image for image, _, _ in drawn])
    assert result.viability_pct == pytest.approx(100.0 * live / (live + dead), abs=2.0)


def test_dilution_multiplies_the_concentration() -> None:
    image, _, _ = draw(80)
    assert count([image], dilution=10.0).viable_per_ml == pytest.approx(
        10.0 * count([image]).viable_per_ml
    )


def test_more_fields_give_a_smaller_error() -> None:
    images = [draw(60, seed=seed)[0] for seed in range(4)]
    one, four = count(images[:1]), count(images)
    assert four.viable_per_ml_se / four.viable_per_ml < one.viable_per_ml_se / one.viable_per_ml


def test_car_positive_cells_are_those_with_the_label() -> None:
    rng = np.random.default_rng(3)
    planes = np.full((2, SIDE, SIDE), 10.0, np.float32)
    for index in range(100):
        centre = (30 + 47 * (index % 10), 30 + 47 * (index // 10))
        cv2.circle(planes[0], centre, 6, 160.0, cv2.FILLED)
        cv2.circle(planes[1], centre, 7, 105.0 if index % 4 == 0 else 22.0, cv2.FILLED)
    noisy = planes + rng.normal(0.0, 2.0, planes.shape)
    result = analyse(
        [noisy.clip(0, 255).astype(np.uint8)],
        modality='fluorescence',
        um_per_px=UM_PER_PX,
        depth_um=DEPTH_UM,
        dilution=1.0,
    )
    assert result.car_positive_pct == pytest.approx(25.0, abs=0.5)
    assert result.cells_counted == 100


def test_too_few_cells_are_refused() -> None:
    with pytest.raises(MedicellError, match='cells in 1 fields') as caught:
        count([draw(3)[0]])
    assert caught.value.code is ErrorCode.TOO_FEW_CELLS


def test_a_field_covered_by_cells_is_refused() -> None:
    rng = np.random.default_rng(1)
    grey = np.full((SIDE, SIDE), BACKGROUND, np.float32)
    for x, y in rng.uniform(0, SIDE, (700, 2)):
        cv2.circle(grey, (round(x), round(y)), 7, DEAD, cv2.FILLED)
    with pytest.raises(MedicellError) as caught:
        count([grey.astype(np.uint8)])
    assert caught.value.code is ErrorCode.TOO_DENSE


@pytest.mark.parametrize('level', [0.2, 1.6])
def test_a_dark_or_saturated_picture_is_refused(level: float) -> None:
    with pytest.raises(MedicellError, match='background') as caught:
        count([draw(80, level=level)[0]])
    assert caught.value.code is ErrorCode.ILLUMINATION_FAILED


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(MedicellError, match='phase'):
        analyse([draw(80)[0]], modality='phase', um_per_px=UM_PER_PX, depth_um=1.0, dilution=1.0)


@pytest.mark.parametrize('cells', [20, 160])
def test_focus_falls_with_blur_whatever_the_count(cells: int) -> None:
    image, _, _ = draw(cells)
    scores = [
        focus_score(image if blur == 0.0 else cv2.GaussianBlur(image, (0, 0), blur))
        for blur in (0.0, 1.5, 3.0, 5.0)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.8
    assert scores[-1] < 0.35


def test_an_empty_field_has_no_focus() -> None:
    rng = np.random.default_rng(1)
    empty = (170.0 + rng.normal(0.0, 2.0, (SIDE, SIDE))).astype(np.uint8)
    assert np.isnan(focus_score(empty))
