"""What goes wrong in a bay: found, named, and left safe."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from device_bench import balanced, goal

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    ExchangeMedium,
    ExchangeMediumResult,
    Incubate,
    IncubateResult,
    LoadBay,
    MeasureProbes,
    MeasureProbesResult,
    MoveToBay,
    Role,
    SetClimate,
)
from medicell_devices.failure import PartlyDone
from medicell_devices.simulated.machinery import NoBodies
from medicell_devices.testing.bench import Bench, cid
from medicell_devices.testing.goals import VALID, climate
from medicell_sim.port import BayReading


@pytest.mark.parametrize(
    ('fault', 'code'),
    [
        ('bay_temperature_drift', ErrorCode.TEMPERATURE_OUT_OF_RANGE),
        ('co2_loss', ErrorCode.CO2_OUT_OF_RANGE),
        ('door_ajar', ErrorCode.DOOR_OPEN),
    ],
)
def test_incubation_ends_early_with_what_the_bay_has_lost(
    bench: Bench, fault: str, code: ErrorCode
) -> None:
    climate(bench)
    bench.world.inject(fault, 'q')
    begun_s = bench.world.now_s()
    wanted = bench.goal(Incubate, phase='q', **{**VALID[Incubate], 'duration_s': 86400.0})
    error = bench.fails(wanted)
    assert error.code is code
    if code is not ErrorCode.DOOR_OPEN:
        assert isinstance(error, PartlyDone)
        assert isinstance(error.result, IncubateResult)
    assert bench.world.now_s() - begun_s < 6.0 * 3600.0


def test_excursion_shorter_than_tolerated_is_lived_through(bench: Bench) -> None:
    climate(bench)
    bench.world.inject('bay_temperature_drift', 'q')
    changes = {'duration_s': 7200.0, 'tolerated_excursion_s': 86400.0}
    result = bench.run(bench.goal(Incubate, phase='q', **{**VALID[Incubate], **changes}))
    assert isinstance(result, IncubateResult)
    assert result.temperature_min_c < 36.5


def test_incubation_lasts_exactly_as_long_as_asked(bench: Bench) -> None:
    climate(bench)
    begun_s = bench.world.now_s()
    bench.run(goal(bench, Incubate, duration_s=12345.0))
    assert bench.world.now_s() - begun_s == pytest.approx(12345.0, abs=0.01)


def test_vessel_leaves_a_bay_whose_door_is_ajar(bench: Bench) -> None:
    bench.world.set_door('bay_1', open_=True)
    bench.run(goal(bench, MoveToBay))
    assert bench.world.at('incubator/bay_2') == cid('culture')
    assert not bench.world.bay('bay_1').door_open


def test_climate_that_is_not_reached_times_out(bench: Bench) -> None:
    bench.driver(Role.INCUBATOR, reach_timeout_s=120.0)
    error = bench.fails(goal(bench, SetClimate))
    assert error.code is ErrorCode.TEMPERATURE_OUT_OF_RANGE
    assert 'not reached in 120 s' in error.message


def test_climate_without_gas_times_out_on_co2(bench: Bench) -> None:
    bench.world.inject('co2_loss', 'p')
    assert bench.fails(goal(bench, SetClimate)).code is ErrorCode.CO2_OUT_OF_RANGE


def test_agitation_that_stands_still_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    climate(bench)
    real = bench.world.bay

    def still(bay: str) -> BayReading:
        return replace(real(bay), agitation_rpm=1.0)

    monkeypatch.setattr(bench.world, 'bay', still)
    assert bench.fails(goal(bench, Incubate)).code is ErrorCode.AGITATION_FAILED
    assert bench.fails(goal(bench, SetClimate)).code is ErrorCode.AGITATION_FAILED


def test_failed_probes_are_named_and_nan(bench: Bench) -> None:
    bench.world.inject('probe_failure', 'p')
    error = bench.fails(goal(bench, MeasureProbes))
    assert error.code is ErrorCode.PROBE_FAILED
    assert isinstance(error, PartlyDone)
    assert isinstance(error.result, MeasureProbesResult)
    assert math.isnan(error.result.glucose_mm)
    assert 'glucose_mm' in error.message


@pytest.mark.parametrize(('mode', 'duration_s'), [('batch', 0.0), ('perfusion', 21600.0)])
def test_exchange_keeps_the_volume_and_feeds(bench: Bench, mode: str, duration_s: float) -> None:
    climate(bench)
    before = bench.world.truth(cid('culture'))
    result = bench.run(goal(bench, ExchangeMedium, mode=mode, duration_s=duration_s))
    after = bench.world.truth(cid('culture'))
    assert isinstance(result, ExchangeMediumResult)
    assert result.withdrawn_ml == pytest.approx(40.0, rel=0.01)
    assert result.added_ml == pytest.approx(40.0, rel=0.01)
    assert after.volume_ml == pytest.approx(before.volume_ml, rel=0.01)
    assert bench.world.bay('bay_1').agitation_rpm == 20.0
    balanced(bench)


@pytest.mark.parametrize('mode', ['batch', 'perfusion'])
@pytest.mark.parametrize(
    ('fault', 'code'),
    [
        ('occlusion', ErrorCode.OCCLUSION),
        ('leak', ErrorCode.LEAK),
        ('bubble', ErrorCode.BUBBLE),
    ],
)
def test_exchange_ends_with_the_fault_and_agitates_again(
    bench: Bench, mode: str, fault: str, code: ErrorCode
) -> None:
    climate(bench)
    bench.world.inject(fault, 'q')
    changes = {'mode': mode, 'duration_s': 7200.0}
    fields = {**VALID[ExchangeMedium], **changes}
    error = bench.fails(bench.goal(ExchangeMedium, phase='q', **fields))
    assert error.code is code
    assert 'withdrawn' in error.message
    assert bench.world.bay('bay_1').agitation_rpm == 20.0


def test_door_that_opens_ends_a_perfusion(bench: Bench) -> None:
    climate(bench)
    driver = bench.driver(Role.INCUBATOR)
    wanted = goal(bench, ExchangeMedium, mode='perfusion', duration_s=7200.0)
    with bench.context(wanted) as context:
        context.listen(lambda _: bench.world.set_door('bay_1', open_=True))
        with pytest.raises(MedicellError) as caught:
            driver.exchange_medium(wanted, context)  # type: ignore[attr-defined]
    assert caught.value.code is ErrorCode.DOOR_OPEN


class StuckDoors(NoBodies):
    """Doors whose bodies do not answer when they are to close."""

    def drive(self, joint: str, position: float) -> None:
        if position == 0.0:
            raise MedicellError(ErrorCode.COMMUNICATION_LOST, f'no physics of {joint}')


def test_both_doors_are_shut_and_the_result_kept_though_their_bodies_do_not_answer(
    bench: Bench,
) -> None:
    bench.driver(Role.INCUBATOR).use_machinery(StuckDoors())  # type: ignore[attr-defined]
    bench.run(goal(bench, MoveToBay))
    assert bench.world.at('incubator/bay_2') == cid('culture')
    assert not bench.world.bay('bay_1').door_open
    assert not bench.world.bay('bay_2').door_open


def test_loading_closes_the_door_when_cancelled(bench: Bench) -> None:
    driver = bench.driver(Role.INCUBATOR)
    wanted = goal(bench, LoadBay)
    with bench.context(wanted, step_s=1.0) as context:
        context.listen(lambda _: context.end_early(ErrorCode.CANCELLED, 'cancelled'))
        with pytest.raises(MedicellError):
            driver.load_bay(wanted, context)  # type: ignore[attr-defined]
    assert not bench.world.bay('bay_2').door_open
    assert bench.world.at('incubator/bay_2') == ''
