"""What goes wrong at the fill robot: found, named, and left safe."""

from __future__ import annotations

from typing import Any

import pytest
from device_bench import balanced, goal

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    OPERATIONS,
    CapVial,
    FillVial,
    FillVialResult,
    LabelVial,
    MoveContainer,
    Operation,
    Role,
    StopperVial,
)
from medicell_devices.failure import PartlyDone
from medicell_devices.simulated.machinery import CRIMPER, NEEDLE, STOPPER_PRESS, NoBodies
from medicell_devices.testing.bench import Bench, cid, label_of
from medicell_devices.testing.goals import station
from medicell_sim.port import PumpReading


def test_dropped_vial_is_reported_where_it_lies(bench: Bench) -> None:
    bench.world.inject('dropped_vial', 'p')
    error = bench.fails(goal(bench, MoveContainer))
    assert error.code is ErrorCode.CONTAINER_DROPPED
    assert 'floor' in error.message
    assert bench.fails(goal(bench, MoveContainer)).code is ErrorCode.OUT_OF_REACH


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


WORK = {
    FillVial: ('vial_01', 'fill'),
    StopperVial: ('vial_03', 'stopper'),
    CapVial: ('vial_03', 'cap'),
}


class Tools(NoBodies):
    """Keeps what was told to move; `stuck` tools do not answer when they are to go up."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.told: list[tuple[str, float]] = []
        self._stuck = stuck

    def drive(self, joint: str, position: float) -> None:
        self.told.append((joint, position))
        if self._stuck and position == 0.0:
            raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'no physics')


def at_work(bench: Bench, cls: type[Operation], *, stuck: bool = False) -> Tools:
    """Stand a vial where it is worked on; returns the tools."""
    tools = Tools(stuck=stuck)
    bench.driver(Role.FILL_ROBOT).use_machinery(tools)  # type: ignore[attr-defined]
    station(*WORK[cls], stoppered=cls is CapVial)(bench)
    return tools


@pytest.mark.parametrize('cls', WORK)
def test_tool_stays_up_while_the_emergency_stop_is_pressed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cls: type[Operation]
) -> None:
    tools = at_work(bench, cls)
    monkeypatch.setattr(bench.world, 'emergency_stopped', lambda: True)
    error = bench.fails(goal(bench, cls))
    assert error.code is ErrorCode.EMERGENCY_STOP
    assert tools.told == []
    if cls is FillVial:
        assert isinstance(error, PartlyDone)
        assert isinstance(error.result, FillVialResult)


@pytest.mark.parametrize('cls', WORK)
def test_tool_comes_down_only_after_a_protective_stop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cls: type[Operation]
) -> None:
    tools = at_work(bench, cls)
    driver: Any = bench.driver(Role.FILL_ROBOT)
    driver.protective_stop(lambda _: None)
    real, told_before = driver._motion.await_release, list[tuple[str, float]]()

    def released(context: object) -> None:
        if driver._motion.held:
            told_before.extend(tools.told)
            driver.resume_motion()
        real(context)

    monkeypatch.setattr(driver._motion, 'await_release', released)
    bench.run(goal(bench, cls))
    assert not driver._motion.held
    assert told_before == []
    assert [position > 0.0 for _, position in tools.told] == [True, False]


@pytest.mark.parametrize('cls', WORK)
def test_tool_does_not_move_by_a_release_that_another_protective_stop_has_overtaken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cls: type[Operation]
) -> None:
    tools, held = at_work(bench, cls), list[bool]()
    driver: Any = bench.driver(Role.FILL_ROBOT)
    real, overtaken = driver._motion.await_release, list[bool]()

    def released(context: object) -> None:
        if driver._motion.held:
            driver.resume_motion()
        real(context)
        if not overtaken:
            overtaken.append(True)
            driver.protective_stop(lambda _: None)

    monkeypatch.setattr(driver._motion, 'await_release', released)
    monkeypatch.setattr(tools, 'drive', lambda *_: held.append(driver._motion.held))
    bench.run(goal(bench, cls))
    assert held == [False, False]


@pytest.mark.parametrize('cls', WORK)
def test_tool_that_does_not_go_up_takes_no_result_away(bench: Bench, cls: type[Operation]) -> None:
    tools = at_work(bench, cls, stuck=True)
    assert bench.run(goal(bench, cls)) is not None
    assert tools.told[-1][1] == 0.0


def test_arm_does_not_move_under_a_tool_that_does_not_go_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work(bench, CapVial, stuck=True)
    driver: Any = bench.driver(Role.FILL_ROBOT)
    monkeypatch.setattr(driver._carrier._arm, 'start', lambda _: pytest.fail('it moves'))
    assert bench.refuses(goal(bench, MoveContainer)) is ErrorCode.COMMUNICATION_LOST


@pytest.mark.parametrize('cls', WORK)
def test_tool_stays_down_when_its_work_is_stopped_and_goes_up_before_the_arm_moves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cls: type[Operation]
) -> None:
    tools = at_work(bench, cls)
    driver: Any = bench.driver(Role.FILL_ROBOT)
    wanted = goal(bench, cls)
    with bench.context(wanted) as context:
        sleep = context.sleep

        def stopping(duration_s: float, *, step: str = '') -> None:
            sleep(duration_s, step=step)
            if tools.told:
                driver.stop()

        monkeypatch.setattr(context, 'sleep', stopping)
        with pytest.raises(MedicellError) as caught:
            getattr(driver, OPERATIONS[cls.__name__].verb)(wanted, context)
    assert caught.value.code is ErrorCode.STOPPED
    assert [position > 0.0 for _, position in tools.told] == [True]
    driver.reset()
    start, up = driver._carrier._arm.start, list[bool]()

    def sets_off(trajectory: object) -> None:
        up.append((tools.told[0][0], 0.0) in tools.told)
        start(trajectory)

    monkeypatch.setattr(driver._carrier._arm, 'start', sets_off)
    vial = cid(WORK[cls][0])
    bench.run(goal(bench, MoveContainer, container=vial, station='reject'))
    assert up
    assert all(up)


@pytest.mark.parametrize('cls', WORK)
def test_tool_whose_work_is_done_under_a_protective_stop_goes_up_after_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cls: type[Operation]
) -> None:
    tools = at_work(bench, cls)
    driver: Any = bench.driver(Role.FILL_ROBOT)
    verb = {FillVial: 'weigh', StopperVial: 'stopper', CapVial: 'cap'}[cls]
    real, held = getattr(bench.world, verb), list[bool]()

    def stopped(*arguments: object, **named: object) -> object:
        done = real(*arguments, **named)
        if tools.told and not driver._motion.held:
            driver.protective_stop(lambda _: None)
        return done

    def driven(joint: str, position: float) -> None:
        held.append(driver._motion.held)
        tools.told.append((joint, position))

    monkeypatch.setattr(bench.world, verb, stopped)
    monkeypatch.setattr(tools, 'drive', driven)
    release = driver._motion.await_release

    def released(context: object) -> None:
        if driver._motion.held:
            driver.resume_motion()
        release(context)

    monkeypatch.setattr(driver._motion, 'await_release', released)
    assert bench.run(goal(bench, cls)) is not None
    assert tools.told[-1][1] == 0.0
    assert not any(held)


def test_tools_of_a_driver_that_was_started_anew_go_up_before_its_arm_moves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools, driver = Tools(), bench.driver(Role.FILL_ROBOT)
    driver.use_machinery(tools)  # type: ignore[attr-defined]
    bench.run(goal(bench, MoveContainer))
    up = [(joint, 0.0) for joint in (CRIMPER, NEEDLE, STOPPER_PRESS)]
    assert tools.told == up
    bench.run(goal(bench, MoveContainer, station='stopper'))
    assert tools.told == up


def test_fill_outside_its_tolerance_is_refused_with_the_weight(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    station('vial_01', 'fill')(bench)
    real = bench.world.dispense

    def generous(**stroke: object) -> PumpReading:
        return real(**{**stroke, 'duration_s': stroke['duration_s'] * 1.3})  # type: ignore

    monkeypatch.setattr(bench.world, 'dispense', generous)
    error = bench.fails(goal(bench, FillVial))
    assert error.code is ErrorCode.FILL_OUT_OF_TOLERANCE
    assert isinstance(error, PartlyDone)
    assert error.result is not None


@pytest.mark.parametrize(
    ('fault', 'code'), [('occlusion', ErrorCode.OCCLUSION), ('leak', ErrorCode.LEAK)]
)
def test_fill_ends_with_the_fault_and_what_the_balance_finds(
    bench: Bench, fault: str, code: ErrorCode
) -> None:
    station('vial_01', 'fill')(bench)
    bench.world.inject(fault, 'p')
    error = bench.fails(goal(bench, FillVial))
    assert error.code is code
    assert isinstance(error, PartlyDone)
    assert isinstance(error.result, FillVialResult)
    truth = bench.world.truth(cid('vial_01')).volume_ml
    assert error.result.volume_ml == pytest.approx(truth, abs=0.05)
    balanced(bench)


def test_fill_whose_balance_is_gone_too_keeps_the_first_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    station('vial_01', 'fill')(bench)
    weigh = bench.world.weigh

    def lost(**_: object) -> PumpReading:
        monkeypatch.setattr(bench.world, 'weigh', away)
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'the pump does not answer')

    def away(_: str) -> float:
        monkeypatch.setattr(bench.world, 'weigh', weigh)
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'the balance does not answer')

    monkeypatch.setattr(bench.world, 'dispense', lost)
    error = bench.fails(goal(bench, FillVial))
    assert error.code is ErrorCode.COMMUNICATION_LOST
    assert 'the pump does not answer' in error.message


def test_pump_stops_though_nobody_can_tell_where_the_arm_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    station('vial_01', 'fill')(bench)
    driver = bench.driver(Role.FILL_ROBOT)
    now_s = bench.world.now_s

    def away() -> float:
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'the world does not answer')

    def stopped_now(**_: object) -> PumpReading:
        assert driver.telemetry()['pump_rate_ml_min'] > 0.0
        monkeypatch.setattr(bench.world, 'now_s', away)
        driver.stop()
        monkeypatch.setattr(bench.world, 'now_s', now_s)
        rates.append(driver.telemetry()['pump_rate_ml_min'])
        raise MedicellError(ErrorCode.STOPPED, 'stop button')

    rates: list[float] = []
    monkeypatch.setattr(bench.world, 'dispense', stopped_now)
    assert bench.fails(goal(bench, FillVial)).code is ErrorCode.STOPPED
    assert rates == [0.0]


@pytest.mark.parametrize('volume_ml', [0.5, 1.0, 2.0, 9.0])
def test_fill_meets_its_tolerance(bench: Bench, volume_ml: float) -> None:
    station('vial_01', 'fill')(bench)
    bench.run(goal(bench, FillVial, volume_ml=volume_ml))
    truth = bench.world.truth(cid('vial_01')).volume_ml
    assert truth == pytest.approx(volume_ml, rel=0.02)


def test_force_and_torque_out_of_range_are_bad_closures(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    station('vial_03', 'stopper')(bench)
    monkeypatch.setattr(bench.world, 'stopper', lambda **_: 300.0)
    assert bench.fails(goal(bench, StopperVial)).code is ErrorCode.CLOSURE_FAILED
    monkeypatch.undo()
    bench.world.stopper(operation_id='set-up', vial=cid('vial_03'))
    station('vial_03', 'cap')(bench)
    monkeypatch.setattr(bench.world, 'cap', lambda **_: 0.0)
    assert bench.fails(goal(bench, CapVial)).code is ErrorCode.CLOSURE_FAILED


@pytest.mark.parametrize(
    ('printed', 'code'),
    [
        (label_of('vial_02'), ErrorCode.LABEL_MISMATCH),
        ('smudge', ErrorCode.LABEL_UNREADABLE),
        ('', ErrorCode.LABEL_UNREADABLE),
    ],
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
