"""What goes wrong while a simulated device works: found, named, and left safe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from device_bench import BATCH, OTHER_BATCH, Bench, cid, label_of
from valid_goals import VALID, climate, station

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    AcquireImages,
    AnalyseImages,
    AssaySample,
    CapVial,
    CountParticles,
    ExchangeMedium,
    ExchangeMediumResult,
    FillVial,
    Incubate,
    IncubateResult,
    LabelVial,
    LoadBay,
    MeasureProbes,
    MeasureProbesResult,
    Mix,
    MoveContainer,
    MoveToBay,
    Operation,
    ReadLabel,
    Role,
    Sample,
    SampleResult,
    SelectCells,
    SetClimate,
    StopperVial,
    Transfer,
    TransferResult,
    WashAndConcentrate,
)
from medicell_devices.failure import PartlyDone
from medicell_sim.port import BayReading, ParticleReading, PumpReading


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def goal(bench: Bench, cls: type[Operation], **changes: object) -> Operation:
    return bench.goal(cls, **{**VALID[cls], **changes})


def balanced(bench: Bench) -> None:
    balance = bench.world.balance()
    assert balance.volume_error_pct < 0.1
    assert balance.cells_error_pct < 0.1


# --- liquids ---------------------------------------------------------------------------------


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


# --- incubator -------------------------------------------------------------------------------


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
        context._on_progress = lambda _: bench.world.set_door('bay_1', open_=True)
        with pytest.raises(MedicellError) as caught:
            driver.exchange_medium(wanted, context)  # type: ignore[attr-defined]
    assert caught.value.code is ErrorCode.DOOR_OPEN


def test_loading_closes_the_door_when_cancelled(bench: Bench) -> None:
    driver = bench.driver(Role.INCUBATOR)
    wanted = goal(bench, LoadBay)
    with bench.context(wanted, step_s=1.0) as context:
        context._on_progress = lambda _: context.end_early(ErrorCode.CANCELLED, 'cancelled')
        with pytest.raises(MedicellError):
            driver.load_bay(wanted, context)  # type: ignore[attr-defined]
    assert not bench.world.bay('bay_2').door_open
    assert bench.world.at('incubator/bay_2') == ''


# --- fill robot ------------------------------------------------------------------------------


def test_dropped_vial_is_reported_where_it_lies(bench: Bench) -> None:
    bench.world.inject('dropped_vial', 'p')
    error = bench.fails(goal(bench, MoveContainer))
    assert error.code is ErrorCode.CONTAINER_DROPPED
    assert 'floor' in error.message
    assert bench.fails(goal(bench, MoveContainer)).code is ErrorCode.OUT_OF_REACH


def test_arm_follows_its_plan_and_stands_where_it_was_stopped(bench: Bench) -> None:
    driver = bench.driver(Role.FILL_ROBOT)
    home = driver.joint_positions(bench.world.now_s())  # type: ignore[attr-defined]
    wanted = goal(bench, MoveContainer)
    seen = []
    with bench.context(wanted, step_s=0.5) as context:
        real = context._clock.sleep

        def sleep(owner: str, duration_s: float) -> None:
            real(owner, duration_s)
            seen.append(driver.joint_positions(bench.world.now_s()))  # type: ignore[attr-defined]
            if len(seen) == 6:
                assert driver.current_plan() is not None  # type: ignore[attr-defined]
                driver.stop()

        context._clock = _Sleeping(bench.world, sleep)  # type: ignore[assignment]
        with pytest.raises(MedicellError) as caught:
            driver.move_container(wanted, context)  # type: ignore[attr-defined]
    assert caught.value.code is ErrorCode.STOPPED
    assert abs(seen[3] - home).max() > 0.05
    bench.world.close()
    assert driver.current_plan() is None  # type: ignore[attr-defined]
    stopped = driver.joint_positions(bench.world.now_s() + 100.0)  # type: ignore[attr-defined]
    assert stopped == pytest.approx(seen[5])


class _Sleeping:
    """A clock with another sleep."""

    def __init__(self, clock: object, sleep: object) -> None:
        self._clock = clock
        self.sleep = sleep

    def __getattr__(self, name: str) -> object:
        return getattr(self._clock, name)


def test_next_move_begins_where_the_last_one_ended(bench: Bench) -> None:
    driver = bench.driver(Role.FILL_ROBOT)
    bench.run(goal(bench, MoveContainer))
    here = driver.joint_positions(bench.world.now_s())  # type: ignore[attr-defined]
    wanted = goal(bench, MoveContainer, station='stopper')
    with bench.context(wanted) as context:
        first = []
        context._on_progress = lambda _: first.append(driver.current_plan())
        driver.move_container(wanted, context)  # type: ignore[attr-defined]
    plan, _ = next(item for item in first if item is not None)
    assert plan.positions_rad[0] == pytest.approx(here)


@pytest.mark.parametrize('code', [ErrorCode.FIRST_AIR_BREACH, ErrorCode.PATH_BLOCKED])
def test_plan_that_is_refused_moves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: ErrorCode
) -> None:
    driver = bench.driver(Role.FILL_ROBOT)

    def refuse(*_: object, **__: object) -> None:
        raise MedicellError(code, 'refused')

    monkeypatch.setattr(type(driver._cell), 'plan_move', refuse)  # type: ignore[attr-defined]
    assert bench.refuses(goal(bench, MoveContainer)) is code


def test_open_vials_are_told_to_the_planner(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = bench.driver(Role.FILL_ROBOT)
    real = driver._cell.plan_move  # type: ignore[attr-defined]
    told = []

    def spy(cell: object, *places: str, **options: object) -> object:
        told.append(options['open_stations'])
        return real(*places, **options)

    monkeypatch.setattr(type(driver._cell), 'plan_move', spy)  # type: ignore[attr-defined]
    station('vial_02', 'cap', stoppered=True)(bench)
    bench.run(goal(bench, MoveContainer))
    assert told == [frozenset({'nest_03'})]


def test_fill_outside_its_tolerance_is_refused_with_the_weight(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    station('vial_01', 'fill')(bench)
    real = bench.world.pump

    def generous(**stroke: object) -> PumpReading:
        return real(**{**stroke, 'volume_ml': stroke['volume_ml'] * 1.15})  # type: ignore

    monkeypatch.setattr(bench.world, 'pump', generous)
    error = bench.fails(goal(bench, FillVial))
    assert error.code is ErrorCode.FILL_OUT_OF_TOLERANCE
    assert isinstance(error, PartlyDone)
    assert error.result is not None


@pytest.mark.parametrize('volume_ml', [0.5, 1.0, 2.0, 9.0])
def test_fill_meets_its_tolerance(bench: Bench, volume_ml: float) -> None:
    station('vial_01', 'fill')(bench)
    bench.run(goal(bench, FillVial, volume_ml=volume_ml))
    truth = bench.world.truth(cid('vial_01')).volume_ml
    assert truth == pytest.approx(volume_ml, rel=0.03)


def test_force_and_torque_out_of_range_are_faults(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    station('vial_03', 'stopper')(bench)
    monkeypatch.setattr(bench.world, 'stopper', lambda **_: 300.0)
    assert bench.fails(goal(bench, StopperVial)).code is ErrorCode.HARDWARE_FAULT
    monkeypatch.undo()
    bench.world.stopper(operation_id='set-up', vial=cid('vial_03'))
    station('vial_03', 'cap')(bench)
    monkeypatch.setattr(bench.world, 'cap', lambda **_: 0.0)
    assert bench.fails(goal(bench, CapVial)).code is ErrorCode.HARDWARE_FAULT


@pytest.mark.parametrize(
    ('printed', 'code'),
    [('smudge', ErrorCode.LABEL_MISMATCH), ('', ErrorCode.LABEL_UNREADABLE)],
)
def test_label_is_read_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, printed: str, code: ErrorCode
) -> None:
    station('vial_03', 'label', stoppered=True, capped=True)(bench)
    real = bench.world.stick_label

    def misprint(*, operation_id: str, container: str, text: str) -> None:
        real(operation_id=operation_id, container=container, text=printed)

    monkeypatch.setattr(bench.world, 'stick_label', misprint)
    assert bench.fails(goal(bench, LabelVial)).code is code


# --- imaging ---------------------------------------------------------------------------------


def test_pictures_out_of_focus_are_refused_and_a_sweep_mends_them(bench: Bench) -> None:
    bench.run(goal(bench, Sample))
    bench.world.inject('out_of_focus', 'p')
    changes = {'container': cid('cartridge'), 'dilution': 20.0}
    assert bench.fails(goal(bench, AcquireImages, **changes)).code is ErrorCode.OUT_OF_FOCUS
    bench.run(goal(bench, AcquireImages, **changes, refocus=True))
    bench.run(goal(bench, AcquireImages, **changes))


@pytest.mark.parametrize('modality', ['bright_field', 'fluorescence'])
def test_dim_lamp_is_found(bench: Bench, modality: str) -> None:
    bench.run(goal(bench, Sample))
    bench.world.inject('lamp_dim', 'p')
    wanted = goal(
        bench, AcquireImages, container=cid('cartridge'), dilution=20.0, modality=modality
    )
    assert bench.fails(wanted).code is ErrorCode.ILLUMINATION_FAILED


def test_pictures_are_counted_and_old_sets_are_let_go(bench: Bench) -> None:
    driver = bench.driver(Role.IMAGING, kept_image_sets=1)
    assert driver.latest_image() is None  # type: ignore[attr-defined]
    bench.run(goal(bench, Sample))
    taken = []
    for modality in ('bright_field', 'fluorescence'):
        wanted = goal(
            bench,
            AcquireImages,
            container=cid('cartridge'),
            dilution=40.0,
            modality=modality,
            fields=4,
        )
        taken.append(bench.run(wanted).image_set)  # type: ignore[attr-defined]
    assert driver.latest_image() is not None  # type: ignore[attr-defined]
    assert bench.refuses(goal(bench, AnalyseImages, image_set=taken[0])) is (
        ErrorCode.UNKNOWN_IMAGE_SET
    )
    counted = bench.run(goal(bench, AnalyseImages, image_set=taken[1]))
    assert counted.cells_counted > 50  # type: ignore[attr-defined]
    other = goal(bench, AnalyseImages, image_set=taken[1], batch_id=OTHER_BATCH)
    assert bench.refuses(other) is ErrorCode.IDENTITY_MISMATCH


def test_empty_pictures_are_refused_as_too_few_cells(bench: Bench) -> None:
    taken = bench.run(goal(bench, AcquireImages))
    assert math.isnan(taken.focus_score)  # type: ignore[attr-defined]
    wanted = goal(bench, AnalyseImages, image_set=taken.image_set)  # type: ignore[attr-defined]
    assert bench.fails(wanted).code is ErrorCode.TOO_FEW_CELLS


def test_crowded_pictures_are_refused_as_too_dense(bench: Bench) -> None:
    bench.driver(Role.IMAGING, min_focus_score=0.0)
    bench.run(goal(bench, WashAndConcentrate))
    bench.run(goal(bench, Sample, source=cid('product')))
    taken = bench.run(goal(bench, AcquireImages, container=cid('cartridge')))
    wanted = goal(bench, AnalyseImages, image_set=taken.image_set)  # type: ignore[attr-defined]
    assert bench.fails(wanted).code is ErrorCode.TOO_DENSE


# --- air and laboratory ----------------------------------------------------------------------


def test_particle_excursion_is_reported_with_its_figures(bench: Bench) -> None:
    bench.world.inject('particle_excursion', 'p')
    error = bench.fails(goal(bench, CountParticles))
    assert error.code is ErrorCode.PARTICLE_EXCURSION
    assert isinstance(error, PartlyDone)
    assert '3520' in error.message
    assert error.result.particles_0_5_um_per_m3 > 3520.0  # type: ignore[union-attr]


def test_count_with_too_little_air_says_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = ParticleReading(count_0_5_um=0, count_5_um=0, flow_l_min=20.0)
    monkeypatch.setattr(bench.world, 'particles', lambda **_: weak)
    assert bench.fails(goal(bench, CountParticles)).code is ErrorCode.FLOW_OUT_OF_RANGE


def test_assay_takes_its_turnaround(bench: Bench) -> None:
    begun_s = bench.world.now_s()
    bench.run(goal(bench, AssaySample, test='potency'))
    hours = (bench.world.now_s() - begun_s) / 3600.0
    assert hours == pytest.approx(bench.config.laboratory.turnaround_h['potency'])


def test_assay_without_a_figure_is_a_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.world, 'assay', lambda **_: math.nan)
    assert bench.fails(goal(bench, AssaySample)).code is ErrorCode.HARDWARE_FAULT


def test_health_shows_the_last_fault_until_the_next_goal(bench: Bench) -> None:
    driver = bench.driver(Role.FLUID_HANDLER)
    bench.fails(goal(bench, Transfer, target=cid('full')))
    assert 'Transfer' in driver.health()['fault']
    bench.run(goal(bench, ReadLabel))
    assert 'fault' not in driver.health()
    assert label_of('apheresis').startswith(BATCH)
