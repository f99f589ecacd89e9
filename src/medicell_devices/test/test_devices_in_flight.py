"""What comes late after a filling valve was told to shut, as it is learnt."""

from __future__ import annotations

import numpy as np
import pytest

from medicell_devices.in_flight import InFlight

RATE_ML_MIN = 5.0


def guess(seconds: float = 0.3) -> InFlight:
    return InFlight(seconds=seconds, least_gain=0.2, most_step_s=0.06)


def dosed(late: InFlight, true_s: float, more_ml: float = 0.0) -> InFlight:
    open_s = late.open_s(0.2, RATE_ML_MIN)
    arrived_ml = RATE_ML_MIN / 60.0 * (open_s + true_s) + more_ml
    return late.learnt(arrived_ml=arrived_ml, open_s=open_s, rate_ml_min=RATE_ML_MIN)


def test_estimate_comes_close_within_a_few_fills() -> None:
    late = guess()
    for _ in range(6):
        late = dosed(late, 0.18)
    assert late.seconds == pytest.approx(0.18, abs=0.02)
    assert late.volume_ml(RATE_ML_MIN) == pytest.approx(0.015, abs=0.002)


def test_noise_is_averaged() -> None:
    chance = np.random.default_rng(1)
    late, seen = guess(), []
    for _ in range(300):
        late = dosed(late, 0.18 + 0.03 * float(chance.normal()))
        seen.append(late.seconds)
    assert np.std(seen[20:]) < 0.015
    assert np.mean(seen[20:]) == pytest.approx(0.18, abs=0.005)


def test_one_large_drop_moves_the_estimate_by_no_more_than_its_bound() -> None:
    late = guess(0.18)
    assert dosed(late, 0.18, more_ml=0.5).seconds == pytest.approx(0.24)
    assert dosed(late, 0.18, more_ml=-0.5).seconds == pytest.approx(0.12)


def test_estimate_and_opening_are_never_negative() -> None:
    late = guess(0.01)
    for _ in range(10):
        late = dosed(late, 0.0, more_ml=-0.1)
    assert late.seconds == 0.0
    assert guess().open_s(0.001, RATE_ML_MIN) == 0.0
