"""Figures of a sample have the errors of analysis, of sampling, and of volume and dilution."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_vision.cells.estimates import (
    ERRORS,
    Estimate,
    estimate_count,
    estimate_per_ml,
    estimate_viability,
)
from medicell_vision.cells.modality import BRIGHT_FIELD, MODALITIES

CHAMBER = MODALITIES[BRIGHT_FIELD]


def test_the_error_of_a_count_grows_with_its_square_root() -> None:
    few, many = estimate_count([25], CHAMBER), estimate_count([2500], CHAMBER)
    assert (few.value, many.value) == (25.0, 2500.0)
    assert many.analysis_se == pytest.approx(10.0 * few.analysis_se)
    assert few.sampling_se == pytest.approx(5.0)
    assert few.standard_error == pytest.approx(math.hypot(few.analysis_se, few.sampling_se))


def test_nothing_counted_is_not_certain() -> None:
    found = estimate_count([0, 0], CHAMBER)
    assert found.value == 0.0
    assert min(found.analysis_se, found.sampling_se) > 0.0


def test_pictures_that_differ_more_than_by_chance_say_less() -> None:
    even = estimate_count([10, 11, 9, 10, 12, 8], CHAMBER)
    uneven = estimate_count([0, 30, 2, 25, 3, 0], CHAMBER)
    assert even.value == uneven.value == 60.0
    assert even.sampling_se == pytest.approx(math.sqrt(60.0))
    assert uneven.sampling_se > 2.0 * even.sampling_se
    assert uneven.analysis_se == even.analysis_se


def test_sampling_errors_of_viability_are_those_of_repeated_draws() -> None:
    rng = np.random.default_rng(4)
    seen = rng.binomial(80, 0.85, 4000) / 80.0 * 100.0
    found = estimate_viability(68, 80, CHAMBER)
    assert found.value == pytest.approx(85.0)
    assert found.sampling_se == pytest.approx(float(seen.std()), rel=0.1)
    ratio = found.analysis_se / found.sampling_se
    assert ratio == pytest.approx(math.sqrt(ERRORS[BRIGHT_FIELD].viability))


def test_all_live_is_not_certain_and_no_cells_have_no_viability() -> None:
    assert estimate_viability(40, 40, CHAMBER).analysis_se > 0.0
    with pytest.raises(MedicellError, match='no viability') as caught:
        estimate_viability(0, 0, CHAMBER)
    assert caught.value.code is ErrorCode.TOO_FEW_CELLS


def test_an_interval_is_that_of_a_normal_error_of_the_analysis() -> None:
    low, high = Estimate(value=100.0, analysis_se=2.0, sampling_se=50.0).within(0.9)
    assert (low, high) == (pytest.approx(96.71, abs=0.01), pytest.approx(103.29, abs=0.01))


def test_volume_and_dilution_scale_a_count_and_add_their_error() -> None:
    count = estimate_count([400], CHAMBER)
    found = estimate_per_ml(count, volume_ul=0.1, dilution=2.0, scale_cv=0.05)
    assert found.value == pytest.approx(8e6)
    assert found.sampling_se == pytest.approx(8e6 / 20.0)
    assert found.scale_se == pytest.approx(4e5)
    assert found.standard_error > math.hypot(found.sampling_se, found.scale_se)


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('volume_ul', 0.0),
        ('volume_ul', math.nan),
        ('dilution', 0.5),
        ('dilution', math.inf),
        ('scale_cv', -0.1),
    ],
)
def test_what_can_be_no_volume_or_dilution_is_refused(field: str, value: float) -> None:
    given = {'volume_ul': 0.1, 'dilution': 1.0, 'scale_cv': 0.0, field: value}
    with pytest.raises(MedicellError, match=field) as caught:
        estimate_per_ml(estimate_count([9], CHAMBER), **given)
    assert caught.value.code is ErrorCode.INVALID_GOAL
