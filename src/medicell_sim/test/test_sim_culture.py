"""The culture's equations: integrated rightly, and calibrated on what was published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from medicell_sim import culture
from medicell_sim.contents import Component
from medicell_sim.culture import Biology, Surroundings
from medicell_sim.parameters import load_parameters
from medicell_sim.study import (
    CAR_POSITIVE,
    FOLD,
    GROWTH_RATE,
    CalibrationRow,
    calibration,
    draw_calibration,
    draw_distributions,
)

P = load_parameters().culture
DAY_S = 86400.0


def at(temperature_c: float = 37.0, co2_pct: float = 5.0) -> Surroundings:
    return Surroundings(
        temperature_c=np.array([temperature_c]),
        co2_pct=np.array([co2_pct]),
        x_max_per_ml=np.array([P.x_max_per_ml]),
    )


def row(**amounts: float) -> np.ndarray:
    held = np.zeros((1, culture.WIDTH))
    defaults = {
        'VOLUME_ML': 100.0,
        'UNTRANSDUCED': 1e8,
        'GLUCOSE_UMOL': 1100.0,
        'SIGNAL': 1e8,
        'ACTIVATION': 0.5e8,
    }
    for name, value in {**defaults, **amounts}.items():
        held[0, Component[name]] = value
    return held


def grow(
    start: np.ndarray, days: float = 1.0, surroundings: Surroundings | None = None
) -> np.ndarray:
    after = culture.integrate(
        P, Biology(), surroundings or at(), start, days * DAY_S, step_s=P.step_s
    )
    return after[0]


def viable(y: np.ndarray) -> float:
    return float(y[Component.UNTRANSDUCED] + y[Component.CAR_POSITIVE])


def test_runge_kutta_agrees_with_scipy_through_activation_and_transduction() -> None:
    start = row(ACTIVATOR_ML=1.0, VECTOR_TU=5e8, SIGNAL=0.0, ACTIVATION=0.2e8, OTHER=2e6)
    ours = grow(start, 3.0)
    theirs = solve_ivp(
        lambda _, y: culture.derivatives(P, Biology(), at(), y.reshape(1, -1))[0],
        (0.0, 3.0),
        start[0],
        method='LSODA',
        rtol=1e-9,
        atol=1e-6,
    ).y[:, -1]
    for component in (Component.UNTRANSDUCED, Component.CAR_POSITIVE, Component.DEAD):
        assert ours[component] == pytest.approx(theirs[component], rel=1e-4)
    assert ours[Component.GLUCOSE_UMOL] == pytest.approx(theirs[Component.GLUCOSE_UMOL], abs=0.5)
    assert ours[culture.BORN] == pytest.approx(theirs[culture.BORN], rel=1e-4)


def test_a_dense_pellet_that_exhausts_its_glucose_is_integrated_stably() -> None:
    start = row(VOLUME_ML=2.0, UNTRANSDUCED=2e9, SIGNAL=0.0, ACTIVATION=0.0, GLUCOSE_UMOL=20.0)
    after = grow(start, 1.0)
    assert 0.0 <= after[Component.GLUCOSE_UMOL] < 0.01
    assert after[Component.LACTATE_UMOL] == pytest.approx(20.0 * P.lactate_per_glucose, rel=0.01)
    assert np.all(np.isfinite(after))


def test_cells_balance_births_deaths_and_lysis() -> None:
    start = row(OTHER=3e7, DEAD=1e7, VECTOR_TU=1e9)
    after = grow(start, 5.0)
    cells = [Component.UNTRANSDUCED, Component.CAR_POSITIVE, Component.DEAD, Component.OTHER]
    made = start[0][cells].sum() + after[culture.BORN] - after[culture.LYSED]
    assert after[cells].sum() == pytest.approx(made, rel=1e-9)


def test_activation_rises_within_two_days_of_contact_and_fades_after_it() -> None:
    start = row(ACTIVATOR_ML=1.0, SIGNAL=0.0, ACTIVATION=0.0)
    first = grow(start, 0.5)
    second = grow(start, 2.0)
    assert first[Component.ACTIVATION] / viable(first) < 0.15
    assert second[Component.ACTIVATION] / viable(second) > 0.5
    washed = second.reshape(1, -1).copy()
    washed[0, Component.ACTIVATOR_ML] = 0.0
    washed[0, Component.GLUCOSE_UMOL] = 1100.0
    later = grow(washed, 5.0)
    assert later[Component.ACTIVATION] / viable(later) < 0.25


def test_resting_cells_take_up_no_vector_and_active_ones_by_multiplicity() -> None:
    resting = grow(row(VECTOR_TU=5e8, SIGNAL=0.0, ACTIVATION=0.0), 2.0)
    assert resting[Component.CAR_POSITIVE] < 1e-3 * viable(resting)
    few, many = (
        grow(row(VECTOR_TU=moi * 1e8, ACTIVATION=1e8), 2.0)[Component.CAR_POSITIVE]
        for moi in (1.0, 8.0)
    )
    assert 0.0 < few < many


@pytest.mark.parametrize(
    'change',
    [
        {'LACTATE_UMOL': 4000.0},
        {'GLUCOSE_UMOL': 5.0},
        {'ACTIVATION': 0.05e8, 'SIGNAL': 0.0},
        {'VOLUME_ML': 2.6, 'GLUCOSE_UMOL': 300.0},
    ],
    ids=['lactate', 'no glucose', 'rest', 'crowding'],
)
def test_growth_falls_with(change: dict[str, float]) -> None:
    assert viable(grow(row(**change))) < 0.9 * viable(grow(row()))


@pytest.mark.parametrize('temperature_c', [20.0, 42.0])
def test_growth_stops_away_from_its_temperature(temperature_c: float) -> None:
    away = grow(row(), 1.0, at(temperature_c=temperature_c))
    assert viable(away) < 1.02e8


def test_heat_kills() -> None:
    assert viable(grow(row(), 1.0, at(temperature_c=43.0))) < 0.1e8


def test_agitation_raises_the_density_limit_of_a_deep_layer() -> None:
    still, moved = (
        culture.density_limit_per_ml(P, volume_ml=250.0, area_cm2=200.0, agitation_rpm=rpm)
        for rpm in (0.0, 60.0)
    )
    shallow = culture.density_limit_per_ml(P, volume_ml=50.0, area_cm2=200.0, agitation_rpm=0.0)
    assert still < shallow < moved


@pytest.fixture(scope='module')
def rows() -> list[CalibrationRow]:
    return calibration()


def test_growth_rates_are_met_within_15_per_cent(rows: list[CalibrationRow]) -> None:
    rates = [row for row in rows if row.quantity == GROWTH_RATE]
    assert len(rates) == 11
    assert {row.condition: row.error_pct for row in rates if abs(row.error_pct) > 15.0} == {}


def test_the_whole_process_is_met_within_15_per_cent(rows: list[CalibrationRow]) -> None:
    whole = {row.quantity: row for row in rows if row.quantity in (FOLD, CAR_POSITIVE)}
    assert set(whole) == {FOLD, CAR_POSITIVE}
    assert all(abs(row.error_pct) < 15.0 for row in whole.values())


def test_the_calibration_fails_when_activation_no_longer_fades() -> None:
    p = load_parameters()
    broken = p.model_copy(
        update={'culture': p.culture.model_copy(update={'activation_decay_per_d': 0.05})}
    )
    errors = [row.error_pct for row in calibration(broken) if row.quantity == GROWTH_RATE]
    assert max(abs(error) for error in errors) > 15.0


def test_pictures_are_drawn(rows: list[CalibrationRow], tmp_path: Path) -> None:
    draw_calibration(rows, tmp_path / 'calibration.png')
    draw_distributions({'fold': [1.0, 2.0, float('nan')], 'dose': []}, tmp_path / 'study.png')
    for name in ('calibration.png', 'study.png'):
        assert (tmp_path / name).read_bytes().startswith(b'\x89PNG')
