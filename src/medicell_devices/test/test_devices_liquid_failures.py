"""What goes wrong with liquids while a simulated device moves them."""

from __future__ import annotations

import pytest
from device_bench import balanced, goal

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    CountParticles,
    Mix,
    Operation,
    Role,
    Sample,
    SampleResult,
    SelectCells,
    Transfer,
    TransferResult,
    WashAndConcentrate,
)
from medicell_devices.failure import PartlyDone
from medicell_devices.simulated.fluid_handler import SimulatedFluidHandler
from medicell_devices.testing.bench import Bench, cid
from medicell_sim.port import PumpReading


@pytest.mark.parametrize(
    ('fault', 'code'),
    [
        ('occlusion', ErrorCode.OCCLUSION),
        ('kinked_line', ErrorCode.OCCLUSION),
        ('bubble', ErrorCode.BUBBLE),
        ('leak', ErrorCode.LEAK),
        ('pump_drift', ErrorCode.HARDWARE_FAULT),
        ('empty_reagent', ErrorCode.EMPTY_SOURCE),
    ],
)
def test_transfer_ends_with_the_fault_and_what_has_moved(
    bench: Bench, fault: str, code: ErrorCode
) -> None:
    bench.world.inject(fault, 'p')
    error = bench.fails(goal(bench, Transfer, volume_ml=200.0))
    assert error.code is code
    assert isinstance(error, PartlyDone)
    assert isinstance(error.result, TransferResult)
    truth = bench.world.truth(cid('spare_vessel')).volume_ml
    assert error.result.volume_ml == pytest.approx(truth, abs=0.3)
    assert 'of 200.00 mL moved' in error.message
    telemetry = bench.driver(Role.FLUID_HANDLER).telemetry()
    assert telemetry['pump_rate_ml_min'] == telemetry['open_valves'] == 0.0
    balanced(bench)


@pytest.mark.parametrize(
    ('fault', 'code'), [('occlusion', ErrorCode.OCCLUSION), ('leak', ErrorCode.LEAK)]
)
def test_sample_ends_with_the_fault_and_a_result_of_its_own(
    bench: Bench, fault: str, code: ErrorCode
) -> None:
    bench.world.inject(fault, 'p')
    error = bench.fails(goal(bench, Sample))
    assert error.code is code
    assert isinstance(error, PartlyDone)
    assert isinstance(error.result, SampleResult)
    truth = bench.world.truth(cid('cartridge')).volume_ml
    assert error.result.volume_ml == pytest.approx(truth, abs=0.3)
    balanced(bench)


@pytest.mark.parametrize('strokes', [0, -1])
@pytest.mark.parametrize('cls', [Transfer, Sample])
def test_pump_that_gives_no_stroke_fails_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cls: type[Operation], strokes: int
) -> None:
    monkeypatch.setattr(SimulatedFluidHandler, 'strokes_of', lambda *_: strokes)
    before = bench.volumes()
    error = bench.fails(goal(bench, cls))
    assert error.code is ErrorCode.HARDWARE_FAULT
    assert f'the pump says {strokes} strokes for' in error.message
    assert 'least is 1' in error.message
    assert bench.volumes() == before
    telemetry = bench.driver(Role.FLUID_HANDLER).telemetry()
    assert telemetry['pump_rate_ml_min'] == telemetry['open_valves'] == 0.0


def test_bubble_passes_and_the_rest_can_be_moved(bench: Bench) -> None:
    bench.world.inject('bubble', 'p')
    first = bench.fails(goal(bench, Transfer))
    assert isinstance(first, PartlyDone)
    assert isinstance(first.result, TransferResult)
    rest = 50.0 - first.result.volume_ml
    bench.run(goal(bench, Transfer, volume_ml=rest))
    assert bench.world.truth(cid('spare_vessel')).volume_ml == pytest.approx(50.0, rel=0.02)


@pytest.mark.parametrize('volume_ml', [0.5, 5.0, 50.0, 220.0])
def test_transfer_is_metered_by_load_cells_better_than_the_pump(
    bench: Bench, volume_ml: float
) -> None:
    result = bench.run(goal(bench, Transfer, volume_ml=volume_ml))
    assert isinstance(result, TransferResult)
    truth = bench.world.truth(cid('spare_vessel')).volume_ml
    assert truth == pytest.approx(volume_ml, rel=0.01, abs=0.08)
    assert result.volume_ml == pytest.approx(truth, rel=0.005, abs=0.08)


def test_transfer_takes_the_time_of_its_rate(bench: Bench) -> None:
    begun_s = bench.world.now_s()
    bench.run(goal(bench, Transfer, volume_ml=60.0, rate_ml_min=20.0))
    assert bench.world.now_s() - begun_s == pytest.approx(180.0, rel=0.05)


@pytest.mark.parametrize('cls', [SelectCells, WashAndConcentrate])
@pytest.mark.parametrize(
    ('fault', 'code'), [('kinked_line', ErrorCode.OCCLUSION), ('leak', ErrorCode.LEAK)]
)
def test_separation_ends_with_the_fault(
    bench: Bench, cls: type[Operation], fault: str, code: ErrorCode
) -> None:
    bench.world.inject(fault, 'p')
    assert bench.fails(goal(bench, cls)).code is code
    balanced(bench)


def test_separation_that_gives_nothing_has_failed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = PumpReading(
        moved_ml=0.0, pressure_kpa=5.0, bubble=False, leak=False, source_empty=False
    )
    for verb in ('select_cells', 'wash'):
        monkeypatch.setattr(bench.world, verb, lambda **_: nothing)
    assert bench.fails(goal(bench, SelectCells)).code is ErrorCode.SEPARATION_FAILED
    assert bench.fails(goal(bench, WashAndConcentrate)).code is ErrorCode.SEPARATION_FAILED


def test_sample_of_a_bag_that_has_stood_is_mixed_first_and_says_so(bench: Bench) -> None:
    bench.run(goal(bench, CountParticles, duration_s=7200.0))
    result = bench.run(goal(bench, Sample))
    assert isinstance(result, SampleResult)
    assert any('mixing' in item.step for item in bench.progress)
    source, drawn = bench.world.truth(cid('apheresis')), bench.world.truth(cid('cartridge'))
    ratio = (drawn.viable_untransduced / drawn.volume_ml) / (
        source.viable_untransduced / source.volume_ml
    )
    assert ratio == pytest.approx(1.0, abs=0.02)


def test_sample_of_a_bag_just_mixed_is_drawn_at_once(bench: Bench) -> None:
    bench.run(goal(bench, Mix))
    bench.progress.clear()
    bench.run(goal(bench, Sample))
    assert not any('mixing' in item.step for item in bench.progress)
