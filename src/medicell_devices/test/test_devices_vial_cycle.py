"""A vial's whole cycle: each step once, gone on with after a stop, and what ends it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Outcome, ProcessVial, ProcessVialResult, Role
from medicell_core.serialise import to_json
from medicell_devices.arm.sloshing import Sloshing
from medicell_devices.failure import PartlyDone
from medicell_devices.simulated import carrying
from medicell_devices.testing.bench import Bench, cid, label_of
from medicell_devices.testing.goals import VALID
from medicell_devices.unknown import BrokenOff
from medicell_devices.vial_cycle import VialCycle
from medicell_motion.cell import RobotCell
from medicell_sim.port import LabelScene, PumpReading

VIAL = cid('vial_01')
SLEEPS = 44
"""More than one cycle takes, so that a stop at each of them ends it somewhere."""


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(Role.FILL_ROBOT)
    yield made
    made.close()


def goal(bench: Bench, **changes: object) -> ProcessVial:
    made = bench.goal(ProcessVial, **{**VALID[ProcessVial], **changes})
    assert isinstance(made, ProcessVial)
    return made


def done(bench: Bench) -> ProcessVialResult:
    result = bench.run(goal(bench))
    assert isinstance(result, ProcessVialResult)
    return result


def partly(error: MedicellError) -> ProcessVialResult:
    assert isinstance(error, PartlyDone)
    assert isinstance(error.result, ProcessVialResult)
    return error.result


def held_ml(bench: Bench) -> float:
    return bench.world.truth(VIAL).volume_ml


def accept_unknown(bench: Bench) -> None:
    """Have a person accept what a driver that has crashed had not told."""
    BrokenOff(bench.driver(Role.FILL_ROBOT), bench.world, bench.journal).accept()


def journalled(bench: Bench, step: str) -> int:
    """Return how often a step was done, by the journal."""
    keys = [key for key in bench.journal._entries if f'{VIAL}:{step}:' in key]
    outcomes = [bench.journal._entries[key].outcome for key in keys]
    return sum(not (item or {}).get('error_code') for item in outcomes)


def ended(bench: Bench, code: ErrorCode, number: int) -> float:
    """End a cycle at its n-th sleep; return what has come until then, NaN when it was over."""
    wanted = goal(bench)
    with bench.context(wanted) as context:
        ender = _EndsAt(context, code, number)
        try:
            bench.driver(Role.FILL_ROBOT).process_vial(wanted, ender)  # type: ignore[attr-defined]
        except MedicellError as error:
            reached = partly(error)
            if error.code is code:
                return reached.added_ml
            raise
    return math.nan


def test_cycle_brings_a_vial_to_its_station_with_all_its_figures(bench: Bench) -> None:
    result = done(bench)
    view = bench.world.look(VIAL)
    assert (view.location, view.stoppered, view.capped) == ('fill_robot/handover', True, True)
    assert held_ml(bench) == pytest.approx(2.0, rel=0.01)
    assert result.net_weight_g == pytest.approx(held_ml(bench), abs=0.01)
    assert result.added_ml == result.volume_ml
    assert result.label_text == bench.world.see_label(VIAL).text
    assert (result.step, result.station, result.label_prints) == ('placed', 'handover', 1)
    figures = (result.open_s, result.closed_for_s, result.force_n, result.torque_nm)
    assert all(value > 0.0 for value in figures)
    assert (result.moves, result.planned_breaches, result.measured_breaches) == (5, 0, 0)
    assert result.path_length_m > 1.0
    assert result.planned_samples > 0
    assert result.measured_samples > 0
    assert result.measured_gap_m > 0.0


def test_cycle_of_a_vial_that_is_done_moves_nothing_and_tells_the_same(bench: Bench) -> None:
    first = done(bench)
    before = bench.volumes()
    again = done(bench)
    assert bench.volumes() == before
    assert again.added_ml == 0.0
    assert again.path_length_m == 0.0
    same = ('net_weight_g', 'tare_g', 'open_s', 'force_n', 'torque_nm', 'label_text', 'station')
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]


@pytest.mark.parametrize('ending', [ErrorCode.STOPPED, ErrorCode.CANCELLED])
def test_cycle_stopped_at_any_of_its_moments_goes_on_with_no_step_done_twice(
    ending: ErrorCode,
) -> None:
    """Every sleep of the cycle is ended once; sums of what came add up to what is in the vial."""
    ends = 0
    for number in range(1, SLEEPS, 2 if ending is ErrorCode.STOPPED else 5):
        with Bench(Role.FILL_ROBOT) as bench:
            driver = bench.driver(Role.FILL_ROBOT)
            came_ml = ended(bench, ending, number)
            if math.isnan(came_ml):
                break
            ends += 1
            driver.stop()
            driver.reset()
            result = done(bench)
            assert held_ml(bench) == pytest.approx(2.0, rel=0.02), number
            assert came_ml + result.added_ml == pytest.approx(held_ml(bench), abs=0.02), number
            assert [journalled(bench, step) for step in ('fill', 'stopper', 'cap', 'label')] == [
                1,
                1,
                1,
                1,
            ]
            assert bench.world.balance().volume_error_pct < 0.1
    assert ends > 5


def test_crash_in_a_fill_is_weighed_and_gone_on_with(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.world.dispense

    def crash(**stroke: object) -> PumpReading:
        real(**stroke)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.world, 'dispense', crash)
    with pytest.raises(KeyboardInterrupt):
        bench.run(goal(bench))
    monkeypatch.undo()
    begun_ml = held_ml(bench)
    assert begun_ml > 0.5
    accept_unknown(bench)
    bench.new_driver(Role.FILL_ROBOT)
    assert done(bench).volume_ml == pytest.approx(2.0, rel=0.02)
    assert held_ml(bench) == pytest.approx(2.0, rel=0.02)


def test_crash_while_a_stopper_goes_in_is_seen_and_rejects_for_want_of_its_force(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.world.stopper

    def crash(**press: str) -> float:
        real(**press)
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.world, 'stopper', crash)
    with pytest.raises(KeyboardInterrupt):
        bench.run(goal(bench))
    monkeypatch.undo()
    accept_unknown(bench)
    error = bench.fails(goal(bench))
    assert error.code is ErrorCode.CLOSURE_FAILED
    assert 'stopper' in error.message
    assert bench.world.look(VIAL).location == 'fill_robot/reject'


MOVES = ('carry', 'dispense', 'stopper', 'cap', 'stick_label')
"""What the robot does to a vial: at each its process may die."""


def died(bench: Bench, wanted: ProcessVial, at: int, *, after: bool) -> bool:
    """Have the driver's process die at its n-th move, before or after; return whether it did."""
    count = 0

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def move(**given: object) -> object:
            nonlocal count
            count += 1
            if count == at and not after:
                raise KeyboardInterrupt
            result = real(**given)
            if count == at:
                raise KeyboardInterrupt
            return result

        return move

    with pytest.MonkeyPatch.context() as patch:
        for verb in MOVES:
            patch.setattr(bench.world, verb, dying(getattr(bench.world, verb)))
        try:
            bench.run(wanted)
        except KeyboardInterrupt:
            return True
    return False


def rest_of(bench: Bench) -> ProcessVialResult:
    """Return what the next cycle of the vial tells, whether that is accepted or rejected."""
    try:
        return done(bench)
    except MedicellError as error:
        return partly(error)


def begun(bench: Bench) -> ProcessVial:
    """Have a server's journal know of a cycle's start."""
    wanted = goal(bench)
    bench.journal.started(wanted.operation_id, 'ProcessVial', to_json(wanted))
    return wanted


@pytest.mark.parametrize('after', [False, True], ids=['before', 'after'])
def test_cycle_that_dies_at_any_of_its_moves_is_found_with_its_labels_and_what_has_come(
    after: bool,
) -> None:
    """What is found and what the next cycle tells add up to what is in the vial."""
    seen = set()
    for number in range(1, SLEEPS):
        with Bench(Role.FILL_ROBOT) as bench:
            wanted = begun(bench)
            if not died(bench, wanted, number, after=after):
                break
            bench._drivers.clear()
            broken_off = BrokenOff(bench.driver(Role.FILL_ROBOT), bench.world, bench.journal)
            broken_off.look(but=())
            found = broken_off.outcome(wanted.operation_id)
            view = bench.world.look(VIAL)
            assert found.error_code is ErrorCode.OUTCOME_UNKNOWN
            assert isinstance(found.result, ProcessVialResult)
            assert found.result.label_prints == bench.world.labels_printed(VIAL), number
            assert math.isnan(found.result.closed_for_s) is not view.stoppered, number
            assert held_ml(bench) == 0.0 or found.result.open_s > 0.0, number
            broken_off.accept()
            seen.add((found.result.label_prints, view.stoppered))
            told_ml = (found.result.added_ml, rest_of(bench).added_ml)
            known_ml = sum(volume for volume in told_ml if not math.isnan(volume))
            assert known_ml == pytest.approx(held_ml(bench), abs=0.02), number
    assert seen == {(0, False), (0, True), (1, True)}


def told(bench: Bench, wanted: ProcessVial) -> ProcessVialResult:
    """Return what is found of a cycle whose process has died, once it was accepted."""
    bench._drivers.clear()
    broken_off = BrokenOff(bench.driver(Role.FILL_ROBOT), bench.world, bench.journal)
    broken_off.look(but=())
    found = broken_off.outcome(wanted.operation_id).result
    assert isinstance(found, ProcessVialResult)
    broken_off.accept()
    return found


def failed_in_its_dose(bench: Bench) -> ProcessVialResult:
    """Return what a cycle tells that a bubble has ended at its second dose."""
    wanted = begun(bench)
    with pytest.MonkeyPatch.context() as patch:
        real, doses = bench.world.dispense, iter((False, True))

        def bubble(**stroke: Any) -> PumpReading:
            if next(doses):
                raise MedicellError(ErrorCode.BUBBLE, 'in the line')
            return real(**stroke)

        patch.setattr(bench.world, 'dispense', bubble)
        error = bench.fails(wanted)
    result = partly(error)
    outcome = Outcome(error_code=error.code, error_msg=error.message, result=result)
    bench.journal.finished(wanted.operation_id, to_json(outcome))
    return result


def died_in_its_dose(bench: Bench) -> ProcessVialResult:
    """Return what is found of a cycle whose process died after its first dose."""
    wanted = begun(bench)
    with pytest.MonkeyPatch.context() as patch:
        real = bench.world.dispense

        def crash(**stroke: Any) -> PumpReading:
            real(**stroke)
            raise KeyboardInterrupt

        patch.setattr(bench.world, 'dispense', crash)
        with pytest.raises(KeyboardInterrupt):
            bench.run(wanted)
    return told(bench, wanted)


@pytest.mark.parametrize('dies_again', [False, True])
def test_cycle_that_failed_then_died_in_its_dose_tells_each_drop_once(
    bench: Bench, dies_again: bool
) -> None:
    """What all cycles tell adds up to what is in the vial; one that died weighs nothing."""
    added_ml = [failed_in_its_dose(bench).added_ml]
    assert math.isnan(died_in_its_dose(bench).added_ml)
    if dies_again:
        wanted = begun(bench)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(VialCycle, '_stopper', _die)
            with pytest.raises(KeyboardInterrupt):
                bench.run(wanted)
        added_ml.append(told(bench, wanted).added_ml)
    added_ml.append(rest_of(bench).added_ml)
    assert added_ml[0] > 1.0
    assert sum(added_ml) == pytest.approx(held_ml(bench), abs=0.02)


def _die(_: object) -> None:
    raise KeyboardInterrupt


def test_vial_found_among_the_rejects_keeps_its_figures_when_it_is_asked_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispense, carry = bench.world.dispense, bench.world.carry

    def generous(**stroke: Any) -> PumpReading:
        return dispense(**{**stroke, 'duration_s': 1.3 * stroke['duration_s']})

    def crash(**move: str) -> bool:
        arrived = carry(**move)
        if move['station'].endswith('reject'):
            raise KeyboardInterrupt
        return arrived

    monkeypatch.setattr(bench.world, 'dispense', generous)
    monkeypatch.setattr(bench.world, 'carry', crash)
    wanted = begun(bench)
    with pytest.raises(KeyboardInterrupt):
        bench.run(wanted)
    found = told(bench, wanted)
    assert found.volume_ml == pytest.approx(held_ml(bench), abs=0.01)
    error = bench.fails(goal(bench))
    assert error.code is ErrorCode.VIAL_SEALED
    again = partly(error)
    assert again.added_ml == 0.0
    same = ('volume_ml', 'net_weight_g', 'tare_g', 'open_s', 'force_n', 'label_prints', 'station')
    assert [getattr(again, name) for name in same] == [getattr(found, name) for name in same]


class Trouble:
    """What keeps the arm from bringing a filled vial to its stopper, and how it is mended."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self._bench = bench
        self._patch = monkeypatch
        self._name = name

    def begin(self) -> None:
        if self._name == 'station_blocked':
            self._stand_at('stopper')
        elif self._name == 'out_of_reach':
            carrier = self._bench.driver(Role.FILL_ROBOT)._carrier  # type: ignore[attr-defined]
            geometry = carrier._cell.geometry
            stopper = geometry.stations['stopper']
            far = replace(stopper, grip=replace(stopper.grip, radius_m=1.5))
            stations = {**geometry.stations, 'stopper': far}
            self._patch.setattr(carrier, '_cell', RobotCell(replace(geometry, stations=stations)))
        else:
            self._bench.world.inject(self._name, 'p')

    def mend(self) -> None:
        if self._name == 'station_blocked':
            self._stand_at('nest_02')
        elif self._name == 'out_of_reach':
            self._patch.undo()
        else:
            self._bench.world.remedy(self._name)

    def _stand_at(self, station: str) -> None:
        self._bench.world.carry(
            operation_id='set-up', container=cid('vial_02'), station=f'fill_robot/{station}'
        )


@pytest.mark.parametrize(
    ('name', 'code'),
    [
        ('joint_stalled', ErrorCode.JOINT_STALLED),
        ('joint_state_late', ErrorCode.JOINT_STATE_LATE),
        ('joint_state_lost', ErrorCode.JOINT_STATE_LOST),
        ('station_blocked', ErrorCode.STATION_OCCUPIED),
        ('out_of_reach', ErrorCode.OUT_OF_REACH),
    ],
)
def test_trouble_after_the_fill_ends_with_its_code_and_no_step_is_done_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, code: ErrorCode
) -> None:
    trouble = Trouble(bench, monkeypatch, name)
    wanted = goal(bench)
    with bench.context(wanted) as context:
        watched = _Reports(context, f'{VIAL} filled', trouble.begin)
        with pytest.raises(MedicellError) as caught:
            bench.driver(Role.FILL_ROBOT).process_vial(wanted, watched)  # type: ignore[attr-defined]
    assert caught.value.code is code
    begun = partly(caught.value)
    assert begun.step == 'filled'
    readings = bench.driver(Role.FILL_ROBOT).telemetry()
    assert readings['pump_rate_ml_min'] == 0.0
    # What can be known before a move is refused before the vial is gripped.
    assert readings['gripper_holds'] == 0.0 or name.startswith('joint_')
    filled_ml = held_ml(bench)
    assert begun.added_ml == pytest.approx(filled_ml, abs=0.02)
    trouble.mend()
    result = done(bench)
    assert result.added_ml == 0.0
    assert held_ml(bench) == filled_ml
    assert (result.step, result.station) == ('placed', 'handover')
    assert [journalled(bench, step) for step in ('fill', 'stopper', 'cap', 'label')] == [1] * 4
    assert bench.world.balance().volume_error_pct < 0.1


@pytest.mark.parametrize(
    ('fault', 'code'),
    [
        ('vial_out_of_reach', ErrorCode.OUT_OF_REACH),
        ('station_blocked', ErrorCode.STATION_OCCUPIED),
        ('emergency_stop', ErrorCode.EMERGENCY_STOP),
    ],
)
def test_cycle_that_a_person_must_free_is_refused_until_then_and_fills_the_vial_once(
    bench: Bench, fault: str, code: ErrorCode
) -> None:
    bench.world.inject(fault, 'p')
    first = bench.fails(goal(bench))
    before_ml = held_ml(bench)
    again = bench.fails(goal(bench))
    assert (first.code, again.code) == (code, code)
    assert held_ml(bench) == before_ml
    assert (before_ml > 0.0) == (fault == 'emergency_stop')
    assert bench.driver(Role.FILL_ROBOT).telemetry()['pump_rate_ml_min'] == 0.0
    bench.world.remedy(fault)
    result = done(bench)
    assert (result.step, result.station) == ('placed', 'handover')
    assert result.added_ml == pytest.approx(held_ml(bench) - before_ml, abs=0.02)
    assert held_ml(bench) == pytest.approx(VALID[ProcessVial]['volume_ml'], rel=0.02)
    assert journalled(bench, 'fill') == 1
    assert bench.world.balance().volume_error_pct < 0.1


def test_vial_that_may_have_spilt_is_closed_and_rejected_once_though_its_cycle_was_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver: Any = bench.driver(Role.FILL_ROBOT)
    geometry = driver._cell.geometry
    low = replace(geometry, liquid=replace(geometry.liquid, freeboard_m=0.0035))
    monkeypatch.setattr(carrying, 'Sloshing', lambda _: Sloshing(low))
    wanted = goal(bench)
    with bench.context(wanted) as context:
        watched = _Reports(context, f'{VIAL} filled', lambda: carried.append(True))
        carried: list[bool] = []
        sleep = context.sleep

        def stopping(duration_s: float, *, step: str = '') -> None:
            sleep(duration_s, step=step)
            load = driver._carrier._load
            told = driver.commanded()
            if not carried or load is None or told is None or len(told.times_s) == 1:
                return
            if bench.world.now_s() > told.start_s + 0.5 * load.path.duration_s:
                carried.clear()
                driver.protective_stop(lambda _: None)
                driver.resume_motion()

        monkeypatch.setattr(context, 'sleep', stopping)
        with pytest.raises(MedicellError) as caught:
            driver.process_vial(wanted, watched)
    assert caught.value.code is ErrorCode.VIAL_MAY_HAVE_SPILT
    assert partly(caught.value).step == 'rejected'
    view = bench.world.look(VIAL)
    assert (view.location, view.stoppered) == ('fill_robot/reject', True)
    bench.world.place(VIAL, 'fill_robot/stopper')
    again = bench.fails(goal(bench))
    assert again.code is ErrorCode.VIAL_MAY_HAVE_SPILT
    assert journalled(bench, 'fill') == journalled(bench, 'stopper') == 1


def crashed(bench: Bench, monkeypatch: pytest.MonkeyPatch, station: str, *, arrived: bool) -> None:
    """Have the driver's process die as it sets the vial down at a station, and start anew."""
    real = bench.world.carry

    def crash(**carry: str) -> bool:
        if not carry['station'].endswith(station):
            return real(**carry)
        if arrived:
            real(**carry)
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(bench.world, 'carry', crash)
        with pytest.raises(KeyboardInterrupt):
            bench.run(goal(bench))
    anew(bench)


def anew(bench: Bench) -> None:
    """Start the driver anew; what it had not told is accepted as unknown."""
    accept_unknown(bench)
    bench._drivers.clear()


@pytest.mark.parametrize('arrived', [True, False])
def test_open_vial_that_a_crashed_driver_carried_is_covered_and_rejected(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    crashed(bench, monkeypatch, 'stopper', arrived=arrived)
    assert held_ml(bench) > 1.0
    error = bench.fails(goal(bench))
    assert error.code is ErrorCode.VIAL_MAY_HAVE_SPILT
    assert 'nothing tells how high' in error.message
    assert partly(error).step == 'rejected'
    view = bench.world.look(VIAL)
    assert (view.location, view.stoppered) == ('fill_robot/reject', True)


@pytest.mark.parametrize('arrived', [True, False])
@pytest.mark.parametrize('station', ['fill', 'cap'])
def test_vial_that_a_crashed_driver_carried_empty_or_closed_has_not_spilt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, station: str, arrived: bool
) -> None:
    crashed(bench, monkeypatch, station, arrived=arrived)
    assert done(bench).step == 'placed'


def test_open_vial_that_was_stopped_in_the_hand_is_rejected_by_a_driver_that_was_started_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver: Any = bench.driver(Role.FILL_ROBOT)
    with monkeypatch.context() as stopping:
        real = driver._carrier._set_down

        def stopped(load: Any, *arguments: Any) -> None:
            if load.carry.station == 'stopper':
                driver.stop()
            real(load, *arguments)

        stopping.setattr(driver._carrier, '_set_down', stopped)
        assert bench.fails(goal(bench)).code is ErrorCode.STOPPED
    anew(bench)
    assert bench.fails(goal(bench)).code is ErrorCode.VIAL_MAY_HAVE_SPILT
    assert bench.world.look(VIAL).location == 'fill_robot/reject'
    assert bench.world.look(VIAL).stoppered


def test_verdict_of_a_vial_is_told_again_by_a_driver_that_was_started_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed(bench, monkeypatch, 'stopper', arrived=True)
    with monkeypatch.context() as dying:
        dying.setattr(VialCycle, '_reject', lambda _: None)
        assert bench.fails(goal(bench)).code is ErrorCode.VIAL_MAY_HAVE_SPILT
    anew(bench)
    assert bench.fails(goal(bench)).code is ErrorCode.VIAL_MAY_HAVE_SPILT
    assert bench.world.look(VIAL).location == 'fill_robot/reject'


def test_vial_that_may_have_spilt_on_its_way_to_the_rejects_is_covered_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver: Any = bench.driver(Role.FILL_ROBOT)
    real, dispense = driver._carrier.carry, bench.world.dispense

    def generous(**stroke: Any) -> PumpReading:
        return dispense(**{**stroke, 'duration_s': 1.3 * stroke['duration_s']})

    def shaken(carry: Any, *arguments: Any, **named: Any) -> Any:
        result = real(carry, *arguments, **named)
        if carry.station == 'stopper':
            driver._carrier.set_rise(VIAL, 2.0)
        return result

    monkeypatch.setattr(driver._carrier, 'carry', shaken)
    monkeypatch.setattr(bench.world, 'dispense', generous)
    assert bench.fails(goal(bench)).code is ErrorCode.FILL_OUT_OF_TOLERANCE
    view = bench.world.look(VIAL)
    assert (view.location, view.stoppered) == ('fill_robot/reject', True)


def test_missing_vial_is_named_and_nothing_moves(bench: Bench) -> None:
    bench.world.place(VIAL, 'floor')
    assert bench.refuses(goal(bench)) is ErrorCode.VIAL_MISSING


def test_dropped_vial_ends_the_cycle_where_it_lies(bench: Bench) -> None:
    bench.world.inject('dropped_vial', 'p')
    error = bench.fails(goal(bench))
    assert error.code is ErrorCode.CONTAINER_DROPPED
    assert partly(error).station == ''
    assert math.isnan(partly(error).open_s)


def test_over_filled_vial_is_closed_and_put_to_the_rejects(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.world.dispense

    def generous(**stroke: object) -> PumpReading:
        return real(**{**stroke, 'duration_s': stroke['duration_s'] * 1.3})  # type: ignore[arg-type, operator]

    monkeypatch.setattr(bench.world, 'dispense', generous)
    error = bench.fails(goal(bench))
    assert error.code is ErrorCode.FILL_OUT_OF_TOLERANCE
    view = bench.world.look(VIAL)
    assert (view.location, view.stoppered) == ('fill_robot/reject', True)
    assert partly(error).step == 'rejected'
    assert partly(error).volume_ml == pytest.approx(held_ml(bench), abs=0.01)


def test_under_filled_vial_is_topped_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bench.world.dispense
    strokes: list[float] = []

    def mean(**stroke: object) -> PumpReading:
        strokes.append(float(stroke['rate_ml_min']))  # type: ignore[arg-type]
        share = 0.5 if strokes[-1] == 5.0 else 1.0
        return real(**{**stroke, 'duration_s': stroke['duration_s'] * share})  # type: ignore[arg-type, operator]

    monkeypatch.setattr(bench.world, 'dispense', mean)
    result = done(bench)
    assert result.top_ups >= 1
    assert held_ml(bench) == pytest.approx(2.0, rel=0.01)


def test_vial_that_stood_open_too_long_is_closed_and_rejected(bench: Bench) -> None:
    bench.driver(Role.FILL_ROBOT, max_open_s=20.0)
    error = bench.fails(goal(bench))
    assert error.code is ErrorCode.VIAL_OPEN_TOO_LONG
    assert 'allowed are 20 s' in error.message
    view = bench.world.look(VIAL)
    assert (view.location, view.stoppered) == ('fill_robot/reject', True)


def test_bad_closure_rejects_with_its_force(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bench.world.stopper

    def hard(**press: str) -> float:
        return 5.0 * real(**press)

    monkeypatch.setattr(bench.world, 'stopper', hard)
    error = bench.fails(goal(bench))
    assert error.code is ErrorCode.CLOSURE_FAILED
    assert partly(error).force_n > 120.0
    assert bench.world.look(VIAL).location == 'fill_robot/reject'


def test_label_that_reads_wrong_is_read_once_more_and_not_printed_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick, see = bench.world.stick_label, bench.world.see_label
    blind: list[bool] = []
    prints: list[str] = []

    def print_(*, operation_id: str, container: str, text: str) -> None:
        stick(operation_id=operation_id, container=container, text=text)
        prints.append(text)
        blind.append(len(prints) == 1)

    def smeared(container: str) -> LabelScene:
        return replace(see(container), smear=float(bool(blind and blind.pop())))

    monkeypatch.setattr(bench.world, 'stick_label', print_)
    monkeypatch.setattr(bench.world, 'see_label', smeared)
    result = done(bench)
    assert (result.label_prints, result.label_text) == (1, see(VIAL).text)


def test_label_that_was_printed_before_a_crash_is_not_printed_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = bench.world.stick_label

    def crash(**label: str) -> None:
        stick(**label)
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.world, 'stick_label', crash)
    with pytest.raises(KeyboardInterrupt):
        bench.run(goal(bench))
    monkeypatch.undo()
    accept_unknown(bench)
    result = done(bench)
    assert (result.label_prints, result.label_text) == (1, bench.world.see_label(VIAL).text)
    assert journalled(bench, 'label') == 1, 'the journal keeps that it is labelled'


@pytest.mark.parametrize('printed', ['', 'smudge', label_of('vial_02')])
def test_label_that_stays_wrong_ends_the_cycle(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    real = bench.world.stick_label

    def misprint(*, operation_id: str, container: str, text: str) -> None:
        assert text
        real(operation_id=operation_id, container=container, text=printed)

    monkeypatch.setattr(bench.world, 'stick_label', misprint)
    error = bench.fails(goal(bench))
    readable = printed == label_of('vial_02')
    code = ErrorCode.LABEL_MISMATCH if readable else ErrorCode.LABEL_UNREADABLE
    assert error.code is code
    assert partly(error).label_prints == 1, 'a vial that nothing tells gets no second label'
    assert bench.world.look(VIAL).capped


def test_robot_after_a_restart_knows_what_comes_late_from_its_journal(bench: Bench) -> None:
    learnt = done(bench).in_flight_s
    other = bench.new_driver(Role.FILL_ROBOT)
    other.connect()
    bench._drivers[Role.FILL_ROBOT] = other
    second = replace(
        goal(bench),
        vial=cid('vial_02'),
        label_text=label_of('vial_02'),
    )
    result = bench.run(second)
    assert isinstance(result, ProcessVialResult)
    assert abs(result.in_flight_s - learnt) < abs(result.in_flight_s - 0.3)


class _EndsAt:
    """A context that is told to end half-way through its n-th sleep."""

    def __init__(self, context: object, code: ErrorCode, number: int) -> None:
        self._context = context
        self._code = code
        self._left = number

    def __getattr__(self, name: str) -> object:
        return getattr(self._context, name)

    def sleep(self, duration_s: float, *, step: str = '') -> None:
        self._left -= 1
        if self._left == 0:
            self._context.sleep(duration_s / 2.0, step=step)  # type: ignore[attr-defined]
            self._context.end_early(self._code, 'told to')  # type: ignore[attr-defined]
        self._context.sleep(duration_s, step=step)  # type: ignore[attr-defined]


class _Reports:
    """A context that does something when a step has been reported."""

    def __init__(self, context: object, step: str, act: Callable[[], None]) -> None:
        self._context = context
        self._step = step
        self._act = act

    def __getattr__(self, name: str) -> object:
        return getattr(self._context, name)

    def report(self, fraction_done: float, step: str) -> None:
        self._context.report(fraction_done, step)  # type: ignore[attr-defined]
        if step == self._step:
            self._act()
