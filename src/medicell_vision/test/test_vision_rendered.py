"""Figures from rendered scenes agree with the scenes within their standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_sim.optics import render
from medicell_sim.port import Scene
from medicell_vision.cytometry import (
    CytometryResult,
    Settings,
    analyse,
    find_bright_field,
    find_fluorescent,
)
from medicell_vision.focus import focus_score
from medicell_vision.overlay import FLAGGED_RGB, PLAIN_RGB, overlay

SIDE, UM_PER_PX, DEPTH_UM = 1024, 0.65, 100.0
FIELD_ML = (SIDE * UM_PER_PX) ** 2 * DEPTH_UM / 1e12
DEAD_UM, DIAMETER_LOG_SD = 7.0, 0.08


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the scenes of a test hold: cells per mL in all, shares of 1, micrometres."""

    per_ml: float = 1.5e6
    viable: float = 0.85
    car: float = 0.3
    diameter_um: float = 9.0
    defocus_um: float = 0.0
    illumination: float = 1.0


def draw(sample: Sample, seed: int) -> Scene:
    rng = np.random.default_rng([seed, 71])
    count = int(rng.poisson(sample.per_ml * FIELD_ML))
    dead = rng.random(count) >= sample.viable
    mean_um = np.where(dead, DEAD_UM, sample.diameter_um)
    return Scene(
        width_px=SIDE,
        height_px=SIDE,
        um_per_px=UM_PER_PX,
        depth_um=DEPTH_UM,
        x_px=rng.uniform(0, SIDE, count).tolist(),
        y_px=rng.uniform(0, SIDE, count).tolist(),
        diameter_um=(mean_um * np.exp(DIAMETER_LOG_SD * rng.normal(size=count))).tolist(),
        dead=dead.tolist(),
        car_positive=(rng.random(count) < sample.car).tolist(),
        debris=int(rng.poisson(2.0 + 0.3 * dead.sum())),
        defocus_um=sample.defocus_um,
        illumination=sample.illumination,
        seed=seed,
    )


def measure(sample: Sample, modality: str, seeds: range) -> tuple[CytometryResult, list[Scene]]:
    scenes = [draw(sample, seed) for seed in seeds]
    result = analyse(
        [render(scene, modality) for scene in scenes],
        modality=modality,
        um_per_px=UM_PER_PX,
        depth_um=DEPTH_UM,
        dilution=1.0,
    )
    return result, scenes


def drawn(scenes: list[Scene]) -> tuple[int, int, int]:
    """Return how many cells, dead cells and CAR+ cells the scenes hold."""
    return (
        sum(len(scene.dead) for scene in scenes),
        sum(sum(scene.dead) for scene in scenes),
        sum(sum(scene.car_positive) for scene in scenes),
    )


@pytest.mark.parametrize(('per_ml', 'fields'), [(5e5, 12), (1.5e6, 6), (3e6, 4)])
@pytest.mark.parametrize('diameter_um', [7.5, 11.5])
def test_the_count_is_unbiased_from_5e5_to_3e6_per_ml(
    per_ml: float, fields: int, diameter_um: float
) -> None:
    sample = Sample(per_ml=per_ml, diameter_um=diameter_um)
    result, scenes = measure(sample, 'bright_field', range(fields))
    count, dead, _ = drawn(scenes)
    assert result.viable_per_ml == pytest.approx((count - dead) / fields / FIELD_ML, rel=0.03)


@pytest.mark.parametrize('viable', [0.5, 0.75, 0.98])
def test_viability_is_unbiased_from_50_to_98_per_cent(viable: float) -> None:
    result, scenes = measure(Sample(viable=viable), 'bright_field', range(20, 26))
    count, dead, _ = drawn(scenes)
    assert result.viability_pct == pytest.approx(100.0 * (1.0 - dead / count), abs=1.5)


@pytest.mark.parametrize('car', [0.02, 0.3, 0.8])
def test_the_share_of_car_positive_cells_is_unbiased(car: float) -> None:
    result, scenes = measure(Sample(car=car), 'fluorescence', range(40, 46))
    count, _, positive = drawn(scenes)
    assert result.car_positive_pct == pytest.approx(100.0 * positive / count, abs=1.5)
    assert math.isnan(result.viable_per_ml)


def test_standard_errors_are_those_of_repeated_sets() -> None:
    sample = Sample(per_ml=1e6)
    sets = [
        measure(sample, 'bright_field', range(100 + 2 * index, 102 + 2 * index))[0]
        for index in range(12)
    ]
    viability = [result.viability_pct for result in sets]
    viable = [result.viable_per_ml for result in sets]
    chamber = Settings().chamber_cv
    counting = math.sqrt((sets[0].viable_per_ml_se / viable[0]) ** 2 - chamber**2)
    # Twelve sets give a standard deviation within 0.5 to 1.6 of the true one, 99 in 100 times.
    assert 0.5 < float(np.std(viable, ddof=1)) / float(np.mean(viable)) / counting < 1.6
    assert 0.5 < float(np.std(viability, ddof=1)) / sets[0].viability_pct_se < 1.6


def test_the_diameter_of_live_cells_is_right_within_half_a_micrometre() -> None:
    result, _ = measure(Sample(diameter_um=9.5), 'bright_field', range(4))
    assert result.diameter_um == pytest.approx(9.5, abs=0.6)


@pytest.mark.parametrize('diameter_um', [7.5, 9.5, 11.5])
def test_a_focus_that_passes_gives_a_right_count(diameter_um: float) -> None:
    score = 1.0
    for defocus_um in (0.0, 8.0, 12.0, 16.0):
        sample = Sample(per_ml=3e6, diameter_um=diameter_um, defocus_um=defocus_um)
        scene = draw(sample, 2)
        score = focus_score(render(scene, 'bright_field'))
        if score < 0.5:
            break
        result, _ = measure(sample, 'bright_field', range(2, 3))
        alive = len(scene.dead) - sum(scene.dead)
        assert result.viable_per_ml == pytest.approx(alive / FIELD_ML, rel=0.08)
    assert defocus_um > 8.0
    assert score < 0.5


@pytest.mark.parametrize('cells', [20, 120, 500])
@pytest.mark.parametrize('viable', [0.5, 0.98])
def test_the_focus_score_falls_with_defocus_whatever_the_count(cells: int, viable: float) -> None:
    per_ml = cells / FIELD_ML
    scores = [
        focus_score(
            render(draw(Sample(per_ml=per_ml, viable=viable, defocus_um=z), 3), 'bright_field')
        )
        for z in (0.0, 8.0, 16.0, 25.0)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] >= 0.85
    assert scores[1] <= 0.8
    assert scores[3] <= 0.35


def test_the_focus_score_does_not_depend_on_the_lamp() -> None:
    full, half = (
        focus_score(render(draw(Sample(illumination=light, defocus_um=8.0), 3), 'bright_field'))
        for light in (1.0, 0.5)
    )
    assert half == pytest.approx(full, abs=0.05)


def test_few_cells_far_out_of_focus_score_low_rather_than_as_an_empty_field() -> None:
    sample = Sample(per_ml=20 / FIELD_ML, viable=0.9, defocus_um=40.0)
    assert focus_score(render(draw(sample, 3), 'bright_field')) < 0.35


@pytest.mark.parametrize('illumination', [1.0, 0.4])
def test_an_empty_rendered_field_has_no_focus(illumination: float) -> None:
    for seed in range(4):
        empty = draw(Sample(per_ml=0.0, illumination=illumination), seed)
        scene = Scene(**{name: getattr(empty, name) for name in empty.__slots__} | {'debris': 0})
        assert math.isnan(focus_score(render(scene, 'bright_field')))


@pytest.mark.parametrize('illumination', [0.2, 1.7])
def test_a_dim_or_glaring_lamp_is_refused(illumination: float) -> None:
    with pytest.raises(MedicellError) as caught:
        measure(Sample(illumination=illumination), 'bright_field', range(1))
    assert caught.value.code is ErrorCode.ILLUMINATION_FAILED


def test_a_dense_sample_is_refused() -> None:
    with pytest.raises(MedicellError) as caught:
        measure(Sample(per_ml=5e7, diameter_um=11.5), 'bright_field', range(1))
    assert caught.value.code is ErrorCode.TOO_DENSE


@pytest.mark.parametrize(
    ('field', 'value'), [('um_per_px', 0.0), ('depth_um', -1.0), ('dilution', 0.5)]
)
def test_an_impossible_chamber_is_refused(field: str, value: float) -> None:
    picture = render(draw(Sample(), 1), 'bright_field')
    chamber = {'um_per_px': UM_PER_PX, 'depth_um': DEPTH_UM, 'dilution': 1.0} | {field: value}
    with pytest.raises(MedicellError, match=field) as caught:
        analyse([picture], modality='bright_field', **chamber)
    assert caught.value.code is ErrorCode.INVALID_GOAL


def test_a_picture_of_the_other_modality_is_refused() -> None:
    picture = render(draw(Sample(), 1), 'fluorescence')
    with pytest.raises(MedicellError, match='shape'):
        analyse([picture], modality='bright_field', um_per_px=1.0, depth_um=1.0, dilution=1.0)


@pytest.mark.parametrize('modality', ['bright_field', 'fluorescence'])
def test_the_overlay_circles_cells_by_class_and_leaves_the_rest(modality: str) -> None:
    picture = render(draw(Sample(per_ml=5e5), 1), modality)
    find = find_bright_field if modality == 'bright_field' else find_fluorescent
    cells = find(picture, UM_PER_PX, Settings())
    shown = overlay(picture, cells)
    assert shown.shape == (SIDE, SIDE, 3)
    for colour in (PLAIN_RGB, FLAGGED_RGB):
        assert bool(np.any(np.all(shown == np.array(colour, dtype=np.uint8), axis=2)))
    first = (round(float(cells.y_px[0])), round(float(cells.x_px[0])))
    seen = picture[first] if modality == 'bright_field' else picture[1][first]
    assert shown[first][0] == seen
