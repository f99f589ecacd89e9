"""The fill robot's arm in its cell: stopped, resumed, at fault, and measured for first air."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from arm_rig import push

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    FillVial,
    MoveContainer,
    MoveContainerResult,
    Operation,
    Role,
)
from medicell_devices.arm.sloshing import Sloshing
from medicell_devices.contracts import MovesArm
from medicell_devices.failure import PartlyDone
from medicell_devices.simulated import carrying
from medicell_devices.simulated.fill_robot import SimulatedFillRobot
from medicell_devices.testing.bench import Bench, cid
from medicell_devices.testing.goals import VALID, station
from medicell_motion.cell import Plan

FAULTS = {
    'joint_stalled': ErrorCode.JOINT_STALLED,
    'joint_state_late': ErrorCode.JOINT_STATE_LATE,
    'joint_state_lost': ErrorCode.JOINT_STATE_LOST,
}
HALF_WAY = 47
"""So many looks after its beginning the bench's move is under way with the vial."""
LIFTING = 32
"""The same while the vial is lifted out of the nest."""
REACHING = 9
"""The same while the hand is empty."""


@pytest.fixture
def robot(bench: Bench) -> SimulatedFillRobot:
    driver = bench.driver(Role.FILL_ROBOT)
    assert isinstance(driver, SimulatedFillRobot)
    assert isinstance(driver, MovesArm)
    return driver


def goal(bench: Bench, cls: type[Operation] = MoveContainer, **changes: object) -> Operation:
    return bench.goal(cls, **{**VALID[cls], **changes})


class Watched:
    """The bench's clock, and something done after every sleep."""

    def __init__(self, bench: Bench, looked: Callable[[int], object]) -> None:
        self._clock = bench.world
        self._looked = looked
        self._looks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)

    def sleep(self, owner: str, duration_s: float) -> None:
        self._clock.sleep(owner, duration_s)
        self._looks += 1
        self._looked(self._looks)


def performed(bench: Bench, wanted: Operation, looked: Callable[[int], object]) -> Any:
    """Perform a goal; `looked` is told after each sleep how many there were."""
    driver: Any = bench.driver(Role.FILL_ROBOT)
    verbs = {MoveContainer: driver.move_container, FillVial: driver.fill_vial}
    with bench.context(wanted) as context:
        context._clock = Watched(bench, looked)  # type: ignore[assignment]
        return verbs[type(wanted)](wanted, context)


def on_look(number: int, act: Callable[[], object]) -> Callable[[int], object]:
    return lambda look: act() if look == number else None


def location(bench: Bench, vial: str = 'vial_01') -> str:
    return bench.world.look(cid(vial)).location


def passed(bench: Bench, duration_s: float) -> None:
    """Let time go by."""
    with bench.context(goal(bench)) as context:
        context.sleep(duration_s)


def test_move_tells_how_first_air_was_planned_and_measured(bench: Bench) -> None:
    result = bench.run(goal(bench))
    assert isinstance(result, MoveContainerResult)
    assert result.planned_samples > 100
    assert result.measured_samples > 100
    assert result.planned_breaches == result.measured_breaches == 0
    assert result.measured_gap_m == pytest.approx(result.planned_gap_m, abs=2e-3)
    assert 0.0 < result.tracking_error_rad < 0.05


def test_arm_that_is_stopped_brakes_on_its_path_with_the_vial_gripped(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    home = robot.joint_positions()
    with pytest.raises(MedicellError) as caught:
        performed(bench, goal(bench), on_look(HALF_WAY, robot.stop))
    assert caught.value.code is ErrorCode.STOPPED
    told = robot.commanded()
    assert told is not None
    assert told.velocities_rad_s[-1] == pytest.approx(np.zeros(6))
    passed(bench, 2.0)
    readings = robot.telemetry()
    stood = robot.joint_positions()
    assert stood == pytest.approx(told.positions_rad[-1], abs=1e-3)
    assert abs(stood - home).max() > 0.1
    assert 0.05 < readings['stopping_time_s'] < 1.2
    assert readings['gripper_holds'] == 1.0
    assert location(bench) == 'fill_robot/nest_01'


def goes_on_from(bench: Bench, robot: SimulatedFillRobot, stood: np.ndarray) -> None:
    """Ask for the move again: it begins where the arm stands, and ends at its station."""
    first: list[np.ndarray] = []

    def began(_: int) -> None:
        told = robot.commanded()
        if told is not None and not first and told.start_s > begun_s:
            first.append(told.positions_rad[0])

    begun_s = bench.world.now_s()
    result = performed(bench, goal(bench), began)
    assert first[0] == pytest.approx(stood, abs=2e-3)
    assert result.measured_breaches == 0
    assert location(bench) == 'fill_robot/fill'


def test_move_that_was_stopped_goes_on_from_where_it_stood(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    with pytest.raises(MedicellError):
        performed(bench, goal(bench), on_look(HALF_WAY, robot.stop))
    passed(bench, 2.0)
    robot.reset()
    stood = robot.joint_positions()
    goes_on_from(bench, robot, stood)
    assert robot.telemetry()['gripper_holds'] == 0.0


def test_held_vial_is_brought_back_before_another_is_fetched(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    with pytest.raises(MedicellError):
        performed(bench, goal(bench), on_look(HALF_WAY, robot.stop))
    passed(bench, 2.0)
    robot.reset()
    steps = len(bench.progress)
    bench.run(goal(bench, container=cid('vial_02')))
    said = [item.step for item in bench.progress[steps:]]
    assert said.index(f'bringing {cid("vial_01")} back') < said.index(f'carrying {cid("vial_02")}')
    assert location(bench) == 'fill_robot/nest_01'
    assert location(bench, 'vial_02') == 'fill_robot/fill'


def test_held_vial_can_go_elsewhere_than_it_was_meant_to(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    with pytest.raises(MedicellError):
        performed(bench, goal(bench), on_look(HALF_WAY, robot.stop))
    passed(bench, 2.0)
    robot.reset()
    bench.run(goal(bench, station='reject'))
    assert location(bench) == 'fill_robot/reject'


def stopped_at(bench: Bench, robot: SimulatedFillRobot, wanted: Operation, step: str) -> None:
    """Stop a move half a second after the beginning of one of its steps."""
    began_s: list[float] = []

    def looked(_: int) -> None:
        now_s = bench.world.now_s()
        if not began_s and bench.progress and bench.progress[-1].step.startswith(step):
            began_s.append(now_s)
        if began_s and now_s >= began_s[0] + 0.5 and not robot.telemetry()['stopped']:
            robot.stop()

    with pytest.raises(MedicellError) as caught:
        performed(bench, wanted, looked)
    assert caught.value.code is ErrorCode.STOPPED
    passed(bench, 2.0)
    robot.reset()


@pytest.mark.parametrize(('wait', 'ways'), [('_stand_open', 0), ('_make_sure', 1)])
def test_robot_that_was_made_safe_while_the_arm_stood_does_not_set_off(
    bench: Bench,
    robot: SimulatedFillRobot,
    monkeypatch: pytest.MonkeyPatch,
    wait: str,
    ways: int,
) -> None:
    arm: Any = robot._carrier._arm
    told, start, waited = [], arm.start, getattr(robot._carrier, wait)

    def heard(trajectory: Any) -> None:
        told.append(trajectory)
        start(trajectory)

    def stopped(*arguments: Any) -> None:
        waited(*arguments)
        robot.stop()

    monkeypatch.setattr(arm, 'start', heard)
    monkeypatch.setattr(robot._carrier, wait, stopped)
    assert bench.fails(goal(bench)).code is ErrorCode.STOPPED
    assert len(told) == ways
    assert location(bench) == 'fill_robot/nest_01'


def let_go(robot: SimulatedFillRobot, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Return the postures in which the fingers open from now on."""
    arm: Any = robot._carrier._arm
    real, found = arm.grip, list[np.ndarray]()

    def grip(*, closed: bool) -> None:
        if not closed:
            found.append(robot.joint_positions())
        real(closed=closed)

    monkeypatch.setattr(arm, 'grip', grip)
    return found


@pytest.mark.parametrize('vial', ['vial_01', 'vial_02'])
@pytest.mark.parametrize('steps', [('gripping',), ('carrying', 'bringing')])
def test_vial_whose_way_was_stopped_twice_is_let_go_only_at_an_end_of_it(
    bench: Bench,
    robot: SimulatedFillRobot,
    monkeypatch: pytest.MonkeyPatch,
    steps: tuple[str, ...],
    vial: str,
) -> None:
    for number, step in enumerate(steps, start=1):
        stopped_at(bench, robot, goal(bench, container=cid(f'vial_{number:02d}')), step)
    load = robot._carrier._load
    assert load is not None
    ends = load.path.at(0.0), load.path.at(load.path.duration_s)
    postures = let_go(robot, monkeypatch)
    bench.run(goal(bench, container=cid(vial)))
    end = ends[1] if vial == 'vial_01' else ends[0]
    assert postures[0] == pytest.approx(end, abs=2e-3)
    assert location(bench, vial) == 'fill_robot/fill'
    assert location(bench) == f'fill_robot/{"fill" if vial == "vial_01" else "nest_01"}'


@pytest.mark.parametrize('fault', FAULTS)
def test_tracking_fault_holds_the_vial_and_the_move_goes_on_after_it(
    bench: Bench, robot: SimulatedFillRobot, fault: str
) -> None:
    bench.world.inject(fault, 'p')
    error = bench.fails(goal(bench))
    assert error.code is FAULTS[fault]
    assert robot.health()['fault']
    bench.world.remedy(fault)
    result = bench.run(goal(bench))
    assert isinstance(result, MoveContainerResult)
    assert result.measured_breaches == 0
    assert location(bench) == 'fill_robot/fill'


@pytest.mark.parametrize('fault', FAULTS)
def test_tracking_fault_with_the_vial_between_the_fingers_goes_on_along_the_same_path(
    bench: Bench, robot: SimulatedFillRobot, fault: str
) -> None:
    wanted = goal(bench)
    arm = on_look(REACHING, lambda: bench.world.inject(fault, 'p'))
    with pytest.raises(MedicellError) as caught:
        performed(bench, wanted, arm)
    assert caught.value.code is FAULTS[fault]
    assert robot.telemetry()['gripper_holds'] == 1.0
    assert location(bench) == 'fill_robot/nest_01'
    bench.world.remedy(fault)
    steps = len(bench.progress)
    bench.run(goal(bench))
    assert f'carrying {cid("vial_01")} on' in [item.step for item in bench.progress[steps:]]
    assert location(bench) == 'fill_robot/fill'


def test_protective_stop_suspends_the_move_and_resume_ends_it(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    took: list[float] = []
    held: list[dict[str, float]] = []

    def looked(look: int) -> None:
        if look == HALF_WAY:
            robot.protective_stop(took.append)
        if look == HALF_WAY + 25:
            held.append(robot.telemetry())
            robot.resume_motion()

    result = performed(bench, goal(bench), looked)
    assert 0.0 < took[0] <= robot._settings.arm.stopping_limit_s
    assert held[0]['protective_stop'] == held[0]['gripper_holds'] == 1.0
    assert held[0]['stopping_time_s'] == took[0]
    assert result.measured_breaches == 0
    assert location(bench) == 'fill_robot/fill'
    assert robot.telemetry()['protective_stop'] == 0.0


def test_protective_stop_ends_with_the_operation_that_is_cancelled_under_it(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    wanted = goal(bench)

    def looked(look: int) -> None:
        if look == HALF_WAY:
            robot.protective_stop(lambda _: None)
        if look == HALF_WAY + 25:
            running[0].end_early(ErrorCode.CANCELLED, 'cancelled')

    running: list[Any] = []
    with bench.context(wanted) as context:
        running.append(context)
        context._clock = Watched(bench, looked)  # type: ignore[assignment]
        with pytest.raises(MedicellError) as caught:
            robot.move_container(wanted, context)  # type: ignore[arg-type]
    assert caught.value.code is ErrorCode.CANCELLED
    assert robot.telemetry()['protective_stop'] == 1.0


def test_move_that_is_cancelled_brakes_the_arm_on_its_path_with_the_vial_gripped(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    wanted = goal(bench)
    with bench.context(wanted) as context:
        cancel = on_look(LIFTING, lambda: context.end_early(ErrorCode.CANCELLED, 'cancelled'))
        context._clock = Watched(bench, cancel)  # type: ignore[assignment]
        with pytest.raises(MedicellError) as caught:
            robot.move_container(wanted, context)  # type: ignore[arg-type]
    assert caught.value.code is ErrorCode.CANCELLED
    told = robot.commanded()
    assert told is not None
    assert told.end_s - bench.world.now_s() < robot._settings.arm.stopping_limit_s
    path = robot._carrier._load.path  # type: ignore[union-attr]
    assert abs(told.positions_rad[-1] - path.at(path.duration_s)).max() > 0.1
    passed(bench, 2.0)
    assert robot.joint_positions() == pytest.approx(told.positions_rad[-1], abs=1e-3)
    assert robot.telemetry()['gripper_holds'] == 1.0
    bench.run(goal(bench))
    assert location(bench) == 'fill_robot/fill'


def test_protective_stop_in_a_fill_stops_the_pump_and_nothing_is_dosed_twice(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    station('vial_01', 'fill')(bench)
    rates: list[float] = []

    def looked(look: int) -> None:
        if robot.telemetry()['pump_rate_ml_min'] > 0.0 and not rates:
            robot.protective_stop(lambda _: None)
            rates.append(robot.telemetry()['pump_rate_ml_min'])
            due.append(look + 5)
        if due == [look]:
            robot.resume_motion()

    due: list[int] = []
    performed(bench, goal(bench, FillVial, volume_ml=5.0), looked)
    assert rates == [0.0]
    assert bench.world.truth(cid('vial_01')).volume_ml == pytest.approx(5.0, rel=0.03)


def stopped_too_soon_for_its_liquid(
    bench: Bench, robot: SimulatedFillRobot, monkeypatch: pytest.MonkeyPatch, vial: str
) -> None:
    """Stop a move of an open vial that has so little freeboard that it may have spilt."""
    geometry = robot._cell.geometry
    low = replace(geometry, liquid=replace(geometry.liquid, freeboard_m=0.0035))
    monkeypatch.setattr(carrying, 'Sloshing', lambda _: Sloshing(low))
    wanted = goal(bench, container=cid(vial))

    def looked(_: int) -> None:
        load, told = robot._carrier._load, robot.commanded()
        if load is None or told is None or len(told.times_s) == 1:
            return
        if bench.world.now_s() > told.start_s + 0.5 * load.path.duration_s:
            robot.stop()

    with pytest.raises(MedicellError):
        performed(bench, wanted, looked)
    passed(bench, 2.0)
    robot.reset()


@pytest.mark.parametrize(('vial', 'spilt'), [('vial_03', True), ('vial_01', False)])
def test_stop_that_may_have_brought_liquid_to_the_mouth_is_told_of_a_vial_that_holds_some(
    bench: Bench,
    robot: SimulatedFillRobot,
    monkeypatch: pytest.MonkeyPatch,
    vial: str,
    spilt: bool,
) -> None:
    stopped_too_soon_for_its_liquid(bench, robot, monkeypatch, vial)
    if not spilt:
        bench.run(goal(bench, container=cid(vial)))
        return
    # A move of another vial brings it back first: what may have spilt is told all the same.
    bench.run(goal(bench, container=cid('vial_02'), station='stopper'))
    error = bench.fails(goal(bench, container=cid(vial)))
    assert error.code is ErrorCode.VIAL_MAY_HAVE_SPILT
    assert '1 is allowed' in error.message
    assert isinstance(error, PartlyDone)
    assert location(bench, vial) == 'fill_robot/fill'
    bench.run(goal(bench, container=cid(vial), station='reject'))


def away(*_: object) -> float:
    raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'the balance does not answer')


def test_vial_whose_volume_cannot_be_asked_is_judged_by_its_next_move(
    bench: Bench, robot: SimulatedFillRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_too_soon_for_its_liquid(bench, robot, monkeypatch, 'vial_03')
    with monkeypatch.context() as lost:
        lost.setattr(type(robot._scales), 'volume_ml', away)
        error = bench.fails(goal(bench, container=cid('vial_03')))
        assert error.code is ErrorCode.COMMUNICATION_LOST
    aside = goal(bench, container=cid('vial_03'), station='reject')
    assert bench.fails(aside).code is ErrorCode.VIAL_MAY_HAVE_SPILT
    bench.run(goal(bench, container=cid('vial_03')))


@pytest.mark.parametrize('asked', [True, False])
def test_vial_that_may_have_spilt_is_told_so_with_a_breach_of_first_air(
    bench: Bench, robot: SimulatedFillRobot, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    stopped_too_soon_for_its_liquid(bench, robot, monkeypatch, 'vial_03')
    real = robot._carrier._result

    def breached(load: Any) -> MoveContainerResult:
        raise PartlyDone(ErrorCode.FIRST_AIR_BREACH, 'the wrist over nest_01', real(load))

    monkeypatch.setattr(robot._carrier, '_result', breached)
    if not asked:
        with monkeypatch.context() as lost:
            lost.setattr(type(robot._scales), 'volume_ml', away)
            first = bench.fails(goal(bench, container=cid('vial_03'), station='stopper'))
            assert first.code is ErrorCode.FIRST_AIR_BREACH
    error = bench.fails(goal(bench, container=cid('vial_03')))
    assert error.code is ErrorCode.VIAL_MAY_HAVE_SPILT
    assert 'the wrist over nest_01' in error.message
    assert isinstance(error, PartlyDone)
    assert isinstance(error.result, MoveContainerResult)


def test_arm_is_not_resumed_while_the_emergency_stop_is_pressed(
    bench: Bench, robot: SimulatedFillRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot.protective_stop(lambda _: None)
    monkeypatch.setattr(bench.world, 'emergency_stopped', lambda: True)
    with pytest.raises(MedicellError) as caught:
        robot.resume_motion()
    assert caught.value.code is ErrorCode.EMERGENCY_STOP
    assert robot.telemetry()['protective_stop'] == 1.0
    monkeypatch.undo()
    robot.resume_motion()
    assert robot.telemetry()['protective_stop'] == 0.0


@pytest.mark.parametrize('seen', ['by the arm', 'by a resume'])
def test_arm_that_was_resumed_too_early_stays_after_an_emergency_stop_until_it_is_resumed_again(
    bench: Bench, robot: SimulatedFillRobot, monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    pressed, told = [False], list[Any]()
    monkeypatch.setattr(bench.world, 'emergency_stopped', lambda: pressed[0])

    def resume_while_pressed() -> None:
        pressed[0] = True
        with pytest.raises(MedicellError) as caught:
            robot.resume_motion()
        assert caught.value.code is ErrorCode.EMERGENCY_STOP
        pressed[0] = False

    def looked(look: int) -> None:
        if look == HALF_WAY:
            robot.protective_stop(lambda _: None)
            robot.resume_motion()
            if seen == 'by a resume':
                resume_while_pressed()
            pressed[0] = seen == 'by the arm'
        if look == HALF_WAY + 12:
            pressed[0] = False
        if look in (HALF_WAY + 1, HALF_WAY + 30):
            told.append(robot.commanded())
        if look == HALF_WAY + 30:
            assert robot.telemetry()['protective_stop'] == 1.0
            robot.resume_motion()

    performed(bench, goal(bench), looked)
    assert told[0] is told[1]
    assert location(bench) == 'fill_robot/fill'


def test_speed_override_is_told_and_slows_the_move(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    robot.set_speed_override(25.0)
    assert robot.telemetry()['speed_override_pct'] == 25.0
    began_s = bench.world.now_s()
    bench.run(goal(bench))
    slow_s = bench.world.now_s() - began_s
    with Bench() as other:
        began_s = other.world.now_s()
        other.run(goal(other))
        assert slow_s > 2.0 * (other.world.now_s() - began_s)


def test_next_move_begins_where_the_last_one_ended(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    bench.run(goal(bench))
    here = robot.joint_positions()
    first: list[np.ndarray] = []

    def began(_: int) -> None:
        told = robot.commanded()
        if told is not None and not first:
            first.append(told.positions_rad[0])

    performed(bench, goal(bench, station='stopper'), began)
    assert first[0] == pytest.approx(here, abs=1e-3)


def test_gripper_that_closes_on_nothing_is_told(
    bench: Bench, robot: SimulatedFillRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robot, '_between_fingers', lambda: False)
    monkeypatch.setattr(robot._carrier._arm, '_holds', lambda: False)
    error = bench.fails(goal(bench))
    assert error.code is ErrorCode.CONTAINER_DROPPED
    assert 'closed on nothing at nest_01' in error.message
    passed(bench, robot._settings.arm.opening_s)
    assert robot.telemetry()['gripper_closed'] == 0.0


def test_hand_goes_off_only_when_the_fingers_have_had_their_time_to_open(
    bench: Bench, robot: SimulatedFillRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm: Any = robot._carrier._arm
    bench.run(goal(bench))
    let_go_s, went_s = bench.world.now_s(), list[float]()
    start = arm.start
    monkeypatch.setattr(arm, 'start', lambda told: (went_s.append(told.start_s), start(told)))
    bench.run(goal(bench, container=cid('vial_02'), station='reject'))
    assert went_s[0] - let_go_s == pytest.approx(robot._settings.arm.opening_s, abs=1e-6)


def test_breach_that_is_measured_is_told_with_its_counts_though_the_plan_had_none(
    bench: Bench, robot: SimulatedFillRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vial, place in (('vial_01', 'nest_04'), ('vial_02', 'nest_05')):
        bench.world.carry(
            operation_id='set-up', container=cid(vial), station=f'fill_robot/{place}'
        )
    real = type(robot._cell).plan_move

    def sweeping(cell: Any, *places: str, **options: Any) -> Plan:
        """Return the plan with a turn over the nest put in where the vial has been lifted."""
        plan = real(cell, *places, **options)
        heights = cell.geometry.arm.skeleton(plan.positions_rad)[:, 4, 2]
        lifted = (plan.times_s > plan.grasp_s) & (heights > 0.22)
        index = int(np.argmax(lifted))
        share = np.sin(np.linspace(0.0, np.pi, 50)) ** 2
        turned = plan.positions_rad[index] + np.outer(share, [0.3, 0, 0, 0, 0, 0])
        times = plan.times_s[index] + np.linspace(0.1, 3.0, 50)
        return replace(
            plan,
            times_s=np.concatenate(
                [plan.times_s[: index + 1], times, plan.times_s[index + 1 :] + 3.0]
            ),
            positions_rad=np.concatenate(
                [plan.positions_rad[: index + 1], turned, plan.positions_rad[index + 1 :]]
            ),
            duration_s=plan.duration_s + 3.0,
        )

    monkeypatch.setattr(type(robot._cell), 'plan_move', sweeping)
    error = bench.fails(goal(bench))
    assert error.code is ErrorCode.FIRST_AIR_BREACH
    assert 'measured' in error.message
    assert isinstance(error, PartlyDone)
    assert isinstance(error.result, MoveContainerResult)
    assert error.result.measured_breaches > 0
    assert error.result.measured_gap_m < 0.0
    assert location(bench) == 'fill_robot/fill'


def pushed(bench: Bench, robot: SimulatedFillRobot, look: int, *turns: float) -> None:
    """Stop a move at a look, and push the arm that stands by angles, as by hand."""
    with pytest.raises(MedicellError):
        performed(bench, goal(bench), on_look(look, robot.stop))
    passed(bench, 2.0)
    robot.reset()
    push(robot._carrier._arm, *turns)  # type: ignore[arg-type]


def test_arm_that_was_pushed_goes_back_to_its_path_with_the_vial_and_on(
    bench: Bench, robot: SimulatedFillRobot
) -> None:
    pushed(bench, robot, HALF_WAY, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0)
    stood = robot._carrier._arm._posture.copy()  # type: ignore[attr-defined]
    goes_on_from(bench, robot, stood)


@pytest.mark.parametrize(
    ('look', 'joint', 'turn', 'code', 'named'),
    [
        (HALF_WAY, 2, 0.25, 'PATH_BLOCKED', 'cannot go back to its path: tool .* to balance'),
        (LIFTING, 3, 0.4, 'PATH_BLOCKED', 'cannot go back to its path: forearm .* to base'),
        (LIFTING, 3, -0.5, 'FIRST_AIR_BREACH', 'finger would be over the open container at nest_'),
        (LIFTING, 5, 1.0, 'PATH_BLOCKED', 'is tilted by .* degrees, its liquid rises by'),
    ],
)
def test_arm_that_is_not_free_to_go_back_to_its_path_is_refused_by_name_and_stands(
    bench: Bench,
    robot: SimulatedFillRobot,
    look: int,
    joint: int,
    turn: float,
    code: str,
    named: str,
) -> None:
    pushed(bench, robot, look, *(turn if joint == number else 0.0 for number in range(1, 7)))
    stood = robot._carrier._arm._posture.copy()  # type: ignore[attr-defined]
    for wanted in (goal(bench), goal(bench, container=cid('vial_02'))):
        error = bench.fails(wanted)
        assert error.code is ErrorCode[code]
        assert re.search(named, error.message), error.message
        assert robot.joint_positions() == pytest.approx(stood, abs=1e-3)
        assert robot.telemetry()['gripper_holds'] == 1.0
    assert location(bench) == 'fill_robot/nest_01'
