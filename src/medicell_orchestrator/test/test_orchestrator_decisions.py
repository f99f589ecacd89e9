"""The process's decisions as tables of figures."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from medicell_orchestrator.decisions import (
    DAY_S,
    HOUR_S,
    FeedPolicy,
    FeedState,
    HarvestPolicy,
    after_exchange,
    choose_dilution,
    decide_feed,
    decide_harvest,
    growth_per_day,
    other_dilution,
    plan_fill,
    predict_glucose,
    time_until_glucose,
    uptake_mm_per_day,
)

POLICY = FeedPolicy(
    minimum_glucose_mm=4.0,
    maximum_lactate_mm=16.0,
    medium_glucose_mm=11.0,
    least_ml=40.0,
    most_ml=180.0,
    working_volume_ml=250.0,
    look_every_s=12 * HOUR_S,
    soonest_look_s=4 * HOUR_S,
)
STATE = FeedState(
    glucose_mm=8.0, lactate_mm=4.0, volume_ml=250.0, uptake_mm_per_day=2.0, growth_per_day=0.5
)


@pytest.mark.parametrize(
    ('changes', 'action'),
    [
        ({}, 'wait'),
        ({'glucose_mm': 5.0}, 'exchange'),
        ({'uptake_mm_per_day': 12.0}, 'exchange'),
        ({'lactate_mm': 15.5}, 'exchange'),
        ({'glucose_mm': 5.0, 'volume_ml': 100.0}, 'feed'),
        ({'glucose_mm': 5.0, 'volume_ml': 220.0}, 'exchange'),
        ({'glucose_mm': 3.0}, 'exchange'),
        ({'glucose_mm': 5.0, 'uptake_mm_per_day': 0.0}, 'wait'),
    ],
)
def test_feeding_follows_glucose_lactate_and_room(changes: dict[str, float], action: str) -> None:
    assert decide_feed(replace(STATE, **changes), POLICY).action == action


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'glucose_mm': 5.0}, 'glucose would be .* in 12 h without feeding; kept are 4.5'),
        ({'lactate_mm': 15.9}, 'lactate would be .* in 12 h without feeding; allowed are 16'),
        ({'glucose_mm': 9.0}, 'stay within their limits until the next look'),
    ],
)
def test_feeding_tells_which_limit_would_be_passed(changes: dict[str, float], reason: str) -> None:
    assert re.search(reason, decide_feed(replace(STATE, **changes), POLICY).reason)


def test_feed_fills_up_to_the_working_volume() -> None:
    decision = decide_feed(replace(STATE, glucose_mm=5.0, volume_ml=100.0), POLICY)
    assert decision.volume_ml == pytest.approx(150.0)


def test_exchange_is_as_small_as_lasts_until_the_next_look() -> None:
    state = replace(STATE, glucose_mm=5.0)
    decision = decide_feed(state, POLICY)
    assert decision.next_look_s == 12 * HOUR_S
    assert decision.predicted_glucose_mm >= 4.5
    less = after_exchange(state, POLICY, decision.volume_ml - 5.0)
    assert decision.volume_ml == 40.0 or predict_glucose(less, 12 * HOUR_S) < 4.5


def test_hungry_culture_gets_the_most_and_an_earlier_look() -> None:
    decision = decide_feed(replace(STATE, glucose_mm=4.0, uptake_mm_per_day=14.0), POLICY)
    assert decision.volume_ml == 180.0
    assert 4 * HOUR_S <= decision.next_look_s < 12 * HOUR_S


def test_exchange_never_takes_more_than_four_fifths_of_the_vessel() -> None:
    state = replace(STATE, glucose_mm=1.0, volume_ml=200.0, uptake_mm_per_day=30.0)
    decision = decide_feed(state, replace(POLICY, working_volume_ml=200.0))
    assert decision.volume_ml == pytest.approx(160.0)


def test_prediction_and_its_inverse_agree() -> None:
    level = predict_glucose(STATE, 9 * HOUR_S)
    assert time_until_glucose(STATE, level) == pytest.approx(9 * HOUR_S)
    assert time_until_glucose(STATE, 9.0) == 0.0
    assert time_until_glucose(replace(STATE, uptake_mm_per_day=0.0), 4.0) == math.inf


def test_uptake_is_carried_to_the_end_of_the_interval() -> None:
    later = predict_glucose(STATE, DAY_S)
    found = uptake_mm_per_day(
        glucose_before_mm=8.0, glucose_now_mm=later, elapsed_s=DAY_S, growth_per_day=0.5
    )
    assert found == pytest.approx(2.0 * math.exp(0.5))


def test_rising_glucose_is_no_uptake() -> None:
    assert (
        uptake_mm_per_day(
            glucose_before_mm=5.0, glucose_now_mm=6.0, elapsed_s=DAY_S, growth_per_day=0.5
        )
        == 0.0
    )


@pytest.mark.parametrize(
    ('before', 'now', 'hours', 'rate'),
    [
        (1e8, 2e8, 24.0, math.log(2)),
        (1e8, 5e7, 24.0, 0.0),
        (1e8, 9e9, 24.0, 1.3),
        (0, 1e8, 24, 0.6),
    ],
)
def test_growth_is_kept_within_credible_limits(
    before: float, now: float, hours: float, rate: float
) -> None:
    found = growth_per_day(cells_before=before, cells_now=now, elapsed_s=hours * HOUR_S)
    assert found == pytest.approx(rate)


HARVEST = HarvestPolicy(
    target_cells=4e9, earliest_day=9.0, latest_day=12.0, least_viability_pct=60.0
)


@pytest.mark.parametrize(
    ('day', 'cells', 'viability', 'choice'),
    [
        (8.0, 5e9, 95.0, 'continue'),
        (9.0, 5e9, 95.0, 'harvest'),
        (9.0, 3e9, 95.0, 'continue'),
        (12.0, 3e8, 95.0, 'harvest'),
        (9.0, 5e9, 59.0, 'stop'),
        (5.0, math.nan, math.nan, 'continue'),
        (12.0, math.nan, math.nan, 'harvest'),
    ],
)
def test_harvest_follows_day_cells_and_viability(
    day: float, cells: float, viability: float, choice: str
) -> None:
    found, reason = decide_harvest(HARVEST, day=day, viable_cells=cells, viability_pct=viability)
    assert found == choice
    assert reason


def test_end_of_growth_is_told_as_the_recipe_says_it() -> None:
    policy = replace(HARVEST, earliest_day=0.0, latest_day=1.25)
    found = decide_harvest(policy, day=1.245, viable_cells=1e8, viability_pct=90.0)
    assert found == ('harvest', 'day 1.25: growth ends on day 1.25')


@pytest.mark.parametrize(
    ('expected', 'dilution'), [(1e4, 1.0), (2.5e6, 1.0), (3e6, 2.0), (1e7, 5.0), (1e9, 50.0)]
)
def test_dilution_brings_the_chamber_to_its_best_density(expected: float, dilution: float) -> None:
    assert choose_dilution(expected) == dilution


def test_dilution_ends_at_both_ends() -> None:
    assert other_dilution(1.0, -1) is None
    assert other_dilution(50.0, 1) is None
    assert other_dilution(5.0, 1) == 10.0


@pytest.mark.parametrize(
    ('car_per_ml', 'available', 'vials', 'expected'),
    [
        (5e6, 100.0, 20, (4, 5.0, False)),
        (1e8, 100.0, 20, (1, 1.0, False)),
        (1e9, 100.0, 20, (1, 1.0, False)),
        (5e6, 12.0, 20, (3, 4.0, True)),
        (5e6, 100.0, 2, (2, 5.0, True)),
        (0.0, 100.0, 20, (20, 5.0, True)),
    ],
)
def test_dose_is_divided_over_as_few_vials_as_hold_it(
    car_per_ml: float, available: float, vials: int, expected: tuple[int, float, bool]
) -> None:
    plan = plan_fill(
        dose_cells=1e8,
        car_per_ml=car_per_ml,
        available_ml=available,
        vials_available=vials,
        least_ml=1.0,
        most_ml=5.0,
    )
    assert (plan.vials, plan.volume_ml, plan.short) == expected
