"""An arm on its path: at any pace, stopped and resumed on it, and never off it unseen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arm_rig import CELL, SOUND, Rig, back, limits

from medicell_core.errors import ErrorCode, MedicellError
from medicell_devices.arm import way_back
from medicell_devices.arm.air import Around
from medicell_devices.arm.history import JointHistory
from medicell_devices.arm.path import JointPath
from medicell_devices.arm.port import ArmTrajectory, Grip, GripperState, JointSamples
from medicell_sim.port import ArmView

STALLED = ArmView(stalled_joint=2, delay_s=0.0, silent=False)
LATE = ArmView(stalled_joint=0, delay_s=0.6, silent=False)
LOST = ArmView(stalled_joint=0, delay_s=0.0, silent=True)
TURNS = (1.2, 0.4, -0.5, 0.3, 0.2, -0.6)
STEP_S = 0.004


def planned() -> JointPath:
    plan = CELL.plan_move('nest_01', 'fill', posture=CELL.home())
    return JointPath(plan.times_s, plan.positions_rad, limits())


def goal_of(path: JointPath) -> np.ndarray:
    return path.at(path.duration_s)


def sampled(told: ArmTrajectory) -> tuple[np.ndarray, np.ndarray]:
    """Return the postures and the accelerations that were told."""
    times = np.arange(0.0, told.times_s[-1], STEP_S) + told.start_s
    rows = told.at(times)
    speeds = np.gradient(rows, STEP_S, axis=0)
    return rows, np.gradient(speeds, STEP_S, axis=0)


def test_arm_without_errors_is_where_it_was_told_and_ends_at_its_goal() -> None:
    rig = Rig(lag_s=0.0, error_rad=0.0)
    path = rig.way(*TURNS)
    assert rig.follow(path) is None
    assert rig.since_s == pytest.approx(path.duration_s, abs=0.2)
    assert rig.motion.tracking_error_rad < 1e-12
    assert rig.motion.measured_posture() == pytest.approx(goal_of(path), abs=1e-12)
    assert rig.motion.commanded() is None


def test_arm_arrives_by_its_plan_whatever_its_drives_do() -> None:
    ends = set()
    for drives in ({'lag_s': 0.0, 'error_rad': 0.0}, {}, {'lag_s': 0.02, 'error_rad': 1e-3}):
        rig = Rig(**drives)
        path = rig.way(*TURNS)
        assert rig.follow(path) is None
        ends.add(rig.now)
    assert len(ends) == 1
    assert rig.since_s == pytest.approx(path.duration_s + rig.settings.dwell_s, abs=1e-6)


@pytest.mark.parametrize(('turn', 'home'), [(0.0015, True), (-0.0015, True), (0.003, False)])
def test_arm_that_was_not_told_to_move_yet_is_measured(turn: float, home: bool) -> None:
    rig = Rig(error_rad=0.0)
    rig.push(0.0, turn, 0.0, 0.0, 0.0, 0.0)
    found = rig.motion.locate(rig)  # type: ignore[arg-type]
    assert (found == rig.home).all() == home
    assert found == pytest.approx(rig.home, abs=1.01 * abs(turn))


def test_fingers_take_their_time_and_press_only_when_they_are_there() -> None:
    rig = Rig()
    rig.arm._holds = lambda: True
    seen = []
    for closed in (True, False):
        rig.arm.grip(closed=closed)
        for _ in range(4):
            state = rig.arm.gripper()
            seen.append((round(state.opening_m, 6), state.force_n))
            rig.sleep(0.05)
    force_n = rig.settings.grip_n
    assert seen[:4] == [(0.006, 0.0), (0.0035, 0.0), (0.001, 0.0), (0.0, force_n)]
    assert seen[4:] == [(0.0, 0.0), (0.0025, 0.0), (0.005, 0.0), (0.006, 0.0)]


def test_lag_and_error_are_measured_and_small() -> None:
    rig = Rig()
    assert rig.follow(planned()) is None
    assert 0.001 < rig.motion.tracking_error_rad < 0.02
    again = Rig()
    assert again.follow(planned()) is None
    assert again.motion.tracking_error_rad == rig.motion.tracking_error_rad


@pytest.mark.parametrize('share', np.linspace(0.02, 0.98, 25))
def test_protective_stop_stays_on_the_path_within_limits_and_goes_on(share: float) -> None:
    rig = Rig()
    path, took = planned(), list[float]()
    at_s = share * path.duration_s
    rig.at(at_s, lambda: rig.motion.protective_stop(took.append))
    rig.at(at_s + 4.0, rig.motion.resume)
    assert rig.follow(path) is None
    assert len(took) == 1
    assert 0.0 <= took[0] <= rig.settings.stopping_limit_s
    assert rig.motion.stopping_time_s == took[0]
    rows, forces = sampled(rig.told[1])
    dense = path.part(0.0, path.duration_s)
    assert max(dense.nearest(row, before_s=path.duration_s)[1] for row in rows[::20]) < 0.05
    most = np.maximum(limits().acceleration, 1.0)
    assert float((np.abs(forces) / most).max()) < 1.15
    assert rig.motion.locate(rig) == pytest.approx(goal_of(path))
    assert rig.since_s > path.duration_s + 3.0


def test_stopping_postures_are_postures_of_the_path() -> None:
    rig = Rig()
    path = rig.way(*TURNS)
    rig.at(0.5 * path.duration_s, rig.motion.protective_stop)
    rig.at(5.0, rig.motion.resume)
    assert rig.follow(path) is None
    direction = goal_of(path) - rig.home
    for told in rig.told:
        shares = (told.positions_rad - rig.home) @ direction / (direction @ direction)
        assert told.positions_rad == pytest.approx(rig.home + np.outer(shares, direction))


def test_stop_of_an_arm_that_stands_takes_no_time() -> None:
    rig, took = Rig(), list[float]()
    rig.motion.protective_stop(took.append)
    rig.motion.protective_stop(took.append)
    assert took == [0.0, 0.0]
    rig.motion.resume()
    rig.motion.resume()
    assert not rig.motion.held


def test_motion_that_begins_under_a_protective_stop_waits_for_its_end() -> None:
    rig = Rig()
    rig.motion.protective_stop()
    rig.at(3.0, rig.motion.resume)
    path = rig.way(*TURNS)
    assert rig.follow(path) is None
    assert rig.told[0].start_s >= rig.begun_s + 3.0


def test_resume_while_braking_goes_on_when_the_arm_stands_and_its_stop_is_measured() -> None:
    rig, took = Rig(), list[float]()
    path, tops = planned(), list[float]()
    rig.at(1.0, lambda: rig.motion.protective_stop(took.append))
    rig.at(1.05, rig.motion.resume)
    rig.at(1.06, lambda: tops.append(float(rig.motion.held)))
    assert rig.follow(path) is None
    assert tops == [1.0]
    assert len(took) == 1
    assert 0.05 < took[0] <= rig.settings.stopping_limit_s
    assert rig.motion.stopping_time_s == took[0]
    _, resumed = rig.told[1:]
    assert resumed.start_s >= rig.begun_s + 1.0 + took[0]
    assert resumed.velocities_rad_s[0] == pytest.approx(np.zeros(6), abs=1e-6)
    assert not rig.motion.held
    assert rig.motion.locate(rig) == pytest.approx(goal_of(path))


def test_stop_after_a_resume_that_came_too_early_is_in_force_until_it_is_resumed_again() -> None:
    rig, took = Rig(), list[float]()
    path = planned()
    for since_s, act in (
        (1.0, lambda: rig.motion.protective_stop(took.append)),
        (1.1, rig.motion.protective_stop),
        (1.2, rig.motion.resume),
        (1.3, rig.motion.protective_stop),
        (4.0, rig.motion.resume),
    ):
        rig.at(since_s, act)
    assert rig.follow(path) is None
    assert len(took) == 1
    assert 0.05 < took[0] <= rig.settings.stopping_limit_s
    assert rig.told[2].start_s >= rig.begun_s + 4.0
    assert rig.motion.locate(rig) == pytest.approx(goal_of(path))


@pytest.mark.parametrize('stopped', ['emergency stop', 'nobody answers', 'halt'])
def test_resume_that_came_too_early_is_taken_back_by_whatever_stops_the_arm_after_it(
    stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, path = Rig(), planned()

    def away() -> bool:
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'no world')

    def stop() -> None:
        if stopped == 'halt':
            rig.motion.halt()
        elif stopped == 'emergency stop':
            rig.power = False
            rig.motion.poll()
        else:
            monkeypatch.setattr(rig.motion, '_powered', away)
            with pytest.raises(MedicellError, match='no world'):
                rig.motion.poll()
            monkeypatch.undo()

    def mended() -> None:
        rig.power = True

    for since_s, act in (
        (1.0, rig.motion.protective_stop),
        (1.1, rig.motion.resume),
        (1.15, stop),
        (1.2, mended),
        (3.0, lambda: told.append(len(rig.told))),
        (4.0, rig.motion.resume),
    ):
        rig.at(since_s, act)
    told: list[int] = []
    error = rig.follow(path)
    if stopped == 'halt':
        assert error is not None
        rig.sleep(2.5 - rig.since_s)
        rig.motion.poll()
        assert rig.motion.held
        return
    assert error is None
    assert told == [2]
    assert rig.told[2].start_s >= rig.begun_s + 4.0
    assert rig.motion.locate(rig) == pytest.approx(goal_of(path))


@pytest.mark.parametrize('percent', [1.0, 10.0, 50.0])
def test_override_slows_the_whole_path(percent: float) -> None:
    rig = Rig()
    rig.motion.set_speed_override(percent)
    assert rig.motion.speed_override_pct == percent
    path = rig.way(*TURNS)
    assert rig.follow(path) is None
    assert rig.since_s == pytest.approx(path.duration_s * 100.0 / percent, rel=0.02, abs=0.2)


def test_override_changes_a_motion_under_way_within_the_limits() -> None:
    rig = Rig()
    path = planned()
    rig.at(1.0, lambda: rig.motion.set_speed_override(30.0))
    rig.at(4.0, lambda: rig.motion.set_speed_override(100.0))
    assert rig.follow(path) is None
    assert len(rig.told) == 3
    for told in rig.told[1:]:
        _, forces = sampled(told)
        assert float((np.abs(forces) / limits().acceleration).max()) < 1.15
    assert rig.since_s > path.duration_s + 1.0


@pytest.mark.parametrize('percent', [0.0, 0.9, 100.1, math.nan])
def test_override_out_of_range_is_refused_with_its_limits(percent: float) -> None:
    rig = Rig()
    with pytest.raises(MedicellError, match='1 to 100') as caught:
        rig.motion.set_speed_override(percent)
    assert caught.value.code is ErrorCode.INVALID_GOAL
    assert rig.motion.speed_override_pct == 100.0


@pytest.mark.parametrize(
    ('ailment', 'code', 'named'),
    [
        (STALLED, ErrorCode.JOINT_STALLED, 'joint_2'),
        (LATE, ErrorCode.JOINT_STATE_LATE, '0.3 s'),
        (LOST, ErrorCode.JOINT_STATE_LOST, '1.5 s'),
    ],
)
def test_tracking_fault_stops_the_arm_with_its_code_and_the_path_is_gone_to_its_end(
    ailment: ArmView, code: ErrorCode, named: str
) -> None:
    rig = Rig()
    path = planned()
    rig.ailment = ailment
    error = rig.follow(path)
    assert error is not None
    assert error.code is code
    assert named in error.message
    assert 'after the start' in error.message
    commanded = rig.motion.commanded()
    assert commanded is not None
    assert rig.now >= commanded.end_s
    assert commanded.velocities_rad_s[-1] == pytest.approx(np.zeros(6))
    rig.ailment = SOUND
    rig.motion.go_on(rig, back)
    assert rig.motion.locate(rig) == pytest.approx(goal_of(path))
    assert rig.motion.measured_posture() == pytest.approx(goal_of(path), abs=1e-3)


def stopped_and_pushed(*turns: float) -> tuple[Rig, JointPath]:
    """Return an arm that was stopped on its path and then pushed off it."""
    rig, path = Rig(), planned()
    rig.at(0.5 * path.duration_s, rig.motion.halt)
    assert rig.follow(path) is not None
    rig.sleep(1.0)
    rig.push(*turns)
    return rig, path


def test_arm_that_was_pushed_off_its_path_goes_back_to_it_and_on_to_its_end() -> None:
    rig, path = stopped_and_pushed(0.0, 0.02, 0.0, 0.0, 0.0, 0.0)
    told, stood = len(rig.told), rig.arm._posture.copy()
    asked: list[np.ndarray] = []

    def way_back(first: np.ndarray, last: np.ndarray) -> JointPath:
        asked.extend([first, last])
        return back(first, last)

    rig.motion.go_on(rig, way_back)
    assert asked[0] == pytest.approx(stood, abs=1e-3)
    assert path.nearest(asked[1], before_s=path.duration_s)[1] < 1e-9
    assert abs(asked[0] - asked[1]).max() <= 0.02 + 1e-3
    assert rig.told[told].positions_rad[0] == pytest.approx(asked[0])
    assert rig.motion.locate(rig) == pytest.approx(goal_of(path))


def test_arm_that_is_pushed_less_than_its_goal_tolerance_goes_on_without_a_way_back() -> None:
    rig, path = stopped_and_pushed(0.0, 0.0018, 0.0, 0.0, 0.0, 0.0)
    rig.motion.go_on(rig, lambda *_: pytest.fail('no way back is needed'))
    assert rig.motion.locate(rig) == pytest.approx(goal_of(path))


def test_path_of_an_operation_that_was_ended_just_before_is_not_set_off_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    await_release = rig.motion.await_release

    def ended(context: object) -> None:
        """End the operation, and halt the arm, after its last look at that."""
        await_release(context)  # type: ignore[arg-type]
        monkeypatch.setattr(rig, 'check', refused)
        rig.motion.halt()

    def refused() -> None:
        raise MedicellError(ErrorCode.STOPPED, 'stopped')

    monkeypatch.setattr(rig.motion, 'await_release', ended)
    with pytest.raises(MedicellError, match='stopped'):
        rig.motion.follow(rig.way(*TURNS), rig)  # type: ignore[arg-type]
    assert rig.told == []


@pytest.mark.parametrize('wanted', ['go_on', 'back'])
@pytest.mark.parametrize('ended', ['on its way back to the path', 'on the path back'])
def test_arm_that_was_stopped_again_still_knows_its_path_and_its_ends(
    wanted: str, ended: str
) -> None:
    turn = 0.2 if ended == 'on its way back to the path' else 0.0
    rig, path = stopped_and_pushed(0.0, turn, 0.0, 0.0, 0.0, 0.0)
    rig.at(rig.since_s + 0.6, rig.motion.halt)
    with pytest.raises(MedicellError, match='stopped on its path'):
        rig.motion.back(rig, back)
    rig.sleep(1.0)
    assert rig.motion.unfinished
    getattr(rig.motion, wanted)(rig, back)
    end = goal_of(path) if wanted == 'go_on' else rig.home
    assert rig.motion.locate(rig) == pytest.approx(end)
    assert rig.motion.measured_posture() == pytest.approx(end, abs=1e-3)


def test_arm_at_the_beginning_of_its_path_does_not_set_off_by_a_resume_or_another_pace() -> None:
    rig, path = stopped_and_pushed(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    rig.motion.back(rig, back)
    told = len(rig.told)
    rig.motion.protective_stop()
    rig.motion.resume()
    rig.motion.set_speed_override(50.0)
    rig.sleep(1.0)
    assert len(rig.told) == told
    rig.motion.go_on(rig, back)
    assert rig.motion.locate(rig) == pytest.approx(goal_of(path))


def test_way_back_to_the_path_that_is_refused_moves_nothing() -> None:
    rig, _ = stopped_and_pushed(0.0, 0.05, 0.0, 0.0, 0.0, 0.0)
    told = len(rig.told)

    def refuse(*_: np.ndarray) -> JointPath:
        raise MedicellError(ErrorCode.FIRST_AIR_BREACH, 'no')

    with pytest.raises(MedicellError, match='no'):
        rig.motion.go_on(rig, refuse)
    assert len(rig.told) == told


class Plate:
    """A scene whose arm, beside a thin plate on its way, is 1 mm from another body all along."""

    at_m, half_m, beside_m = 0.0125, 0.0005, 1e-3

    def travel_m(self, path: np.ndarray) -> np.ndarray:
        return np.abs(np.diff(path[:, 0]))

    def gap_m(self, posture: np.ndarray) -> float:
        return min(self.beside_m, abs(float(posture[0]) - self.at_m) - self.half_m)


@pytest.mark.parametrize(('beside_m', 'at_m'), [(1e-3, 0.0125), (3e-4, 1.0)])
def test_way_back_past_a_thin_body_or_out_of_a_narrow_gap_is_refused(
    monkeypatch: pytest.MonkeyPatch, beside_m: float, at_m: float
) -> None:
    plate = Plate()
    plate.at_m, plate.beside_m = at_m, beside_m
    monkeypatch.setattr(way_back, '_scene', lambda *_: plate)
    monkeypatch.setattr(way_back, '_refused', lambda *_: MedicellError(ErrorCode.PATH_BLOCKED, ''))
    first, last = np.zeros(6), np.array([0.025, 0.0, 0.0, 0.0, 0.0, 0.0])
    around = Around(open_stations=frozenset(), carrying=True, carried_open=False)

    def asked() -> JointPath:
        return way_back.way_back(
            CELL, first, last, limits=limits(), occupied=frozenset(), around=around
        )

    with pytest.raises(MedicellError):
        asked()
    plate.at_m, plate.beside_m = 1.0, 1e-3
    assert asked().at(0.0) == pytest.approx(first)


def test_arm_that_was_stopped_returns_to_where_its_path_began() -> None:
    rig = Rig()
    path = planned()
    rig.at(1.7, rig.motion.halt)
    error = rig.follow(path)
    assert error is not None
    assert error.code is ErrorCode.STOPPED
    rig.motion.back(rig, back)
    assert rig.motion.locate(rig) == pytest.approx(rig.home)
    assert rig.motion.measured_posture() == pytest.approx(rig.home, abs=1e-3)
    assert rig.motion.commanded() is None


@pytest.mark.parametrize('stop', ['halt', 'protective_stop'])
def test_arm_is_told_to_hold_where_no_time_is_known_for_a_ramp(
    monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    rig, stops = Rig(), list[float]()

    def away() -> float:
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'no world')

    def halted() -> None:
        monkeypatch.setattr(rig.motion, '_now_s', away)
        monkeypatch.setattr(rig.arm, 'stop', lambda: stops.append(rig.now))
        getattr(rig.motion, stop)()

    rig.at(0.5, halted)
    with pytest.raises(MedicellError, match='no world'):
        rig.motion.follow(rig.way(*TURNS), rig)
    assert len(stops) == 1
    assert math.isnan(rig.motion.stopping_time_s)
    # It stands off its path: nothing but a way back sets it off again.
    monkeypatch.undo()
    rig.motion.resume()
    rig.motion.set_speed_override(50.0)
    assert len(rig.told) == 1


def test_arm_is_told_to_hold_where_its_ramp_cannot_be_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig, stops = Rig(), list[float]()

    def singular(*_: object, **__: object) -> None:
        raise FloatingPointError('no ramp')

    def halted() -> None:
        monkeypatch.setattr(JointPath, 'paced', singular)
        monkeypatch.setattr(rig.arm, 'stop', lambda: stops.append(rig.now))
        rig.motion.halt()

    rig.at(0.5, halted)
    with pytest.raises(FloatingPointError):
        rig.motion.follow(rig.way(*TURNS), rig)  # type: ignore[arg-type]
    assert len(stops) == 1


def test_joint_that_lags_is_off_its_path_and_named() -> None:
    error = Rig(lag_s=0.2).follow(planned())
    assert error is not None
    assert error.code is ErrorCode.PATH_TOLERANCE_EXCEEDED
    assert 'joint_' in error.message
    assert 'allowed are 0.0500 rad' in error.message
    assert 'stood after' in error.message


def test_joint_that_never_comes_to_its_goal_is_named_after_the_settling_time() -> None:
    rig = Rig(error_rad=0.02)
    path = rig.way(*TURNS)
    error = rig.follow(path)
    assert error is not None
    assert error.code is ErrorCode.GOAL_NOT_REACHED
    assert 'within 1 s' in error.message
    assert rig.since_s >= path.duration_s + rig.settings.settle_s


def test_stop_whose_joints_cannot_be_seen_is_told_as_not_measured() -> None:
    rig, took = Rig(), list[float]()
    rig.ailment = LOST
    path = rig.way(*TURNS)
    rig.at(0.5 * path.duration_s, lambda: rig.motion.protective_stop(took.append))
    error = rig.follow(path)
    assert error is not None
    assert error.code is ErrorCode.JOINT_STATE_LOST
    rig.now += rig.settings.joint_state_lost_s
    rig.motion.poll()
    assert len(took) == 1
    assert math.isnan(took[0])


def test_arm_that_is_not_seen_does_not_go_on_from_where_it_was_seen_last() -> None:
    rig = Rig()
    rig.ailment = LOST
    assert rig.follow(planned()) is not None
    told = len(rig.told)
    with pytest.raises(MedicellError, match='not known') as caught:
        rig.motion.go_on(rig, back)
    assert caught.value.code is ErrorCode.JOINT_STATE_LOST
    assert len(rig.told) == told


def test_joint_states_of_a_move_are_kept_from_its_beginning_to_its_end() -> None:
    rig = Rig()
    rig.motion.begin_record()
    path = rig.way(*TURNS)
    assert rig.follow(path) is None
    kept = rig.motion.measured()
    assert kept.times_s[0] - rig.begun_s <= 0.02
    whole_s = path.duration_s + rig.settings.dwell_s
    assert kept.times_s[-1] - rig.begun_s == pytest.approx(whole_s, abs=1e-3)
    assert float(np.diff(kept.times_s).max()) <= 0.04
    rig.motion.begin_record()
    assert len(rig.motion.measured().times_s) == 1


def test_history_never_grows_beyond_its_bound_and_keeps_both_ends() -> None:
    history = JointHistory(6, most=100)
    for number in range(1000):
        history.add(
            JointSamples(times_s=np.array([float(number)]), positions_rad=np.full((1, 6), number))
        )
    kept = history.samples().times_s
    assert len(kept) <= 100
    assert kept[0] == 0.0
    assert kept[-1] >= 990.0
    assert (np.diff(kept) > 0.0).all()


@pytest.mark.parametrize(
    ('opening_m', 'force_n', 'grip'),
    [
        (0.006, 0.0, Grip.OPEN),
        (0.0, 15.0, Grip.HOLDING),
        (0.0, 1.0, Grip.EMPTY),
        (0.0, math.nan, Grip.HOLDING),
    ],
)
def test_gripper_is_judged_by_its_opening_and_its_force(
    opening_m: float, force_n: float, grip: Grip
) -> None:
    state = GripperState(opening_m=opening_m, force_n=force_n)
    assert state.judged(open_m=0.004, least_force_n=5.0) is grip


@pytest.mark.parametrize(('pace', 'wall_s'), [(1.0, 2.0), (4.0, 0.5), (math.inf, 0.0)])
def test_time_of_the_cell_waits_for_an_arm_that_moves_by_the_wall(
    pace: float, wall_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, held, steps = Rig(), list[float](), list[float]()
    monkeypatch.setattr(type(rig.arm), 'pace', pace)
    monkeypatch.setattr(rig.motion, '_hold', held.append)
    sleep = rig.sleep
    monkeypatch.setattr(rig, 'sleep', lambda s, **_: (steps.append(s), sleep(s)))
    rig.motion.rest(rig, 2.0)
    assert rig.since_s == pytest.approx(2.0)
    assert sum(held) == pytest.approx(wall_s, abs=0.1)
    assert max(steps) == (2.0 if math.isinf(pace) else rig.settings.supervision_period_s)


def test_arm_that_touches_something_stops_and_says_what(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    touched = ['the wrist touched the wall at 0.3 s']
    monkeypatch.setattr(rig.arm, 'collision', lambda: touched.pop() if touched else '')
    error = rig.follow(rig.way(0.6))
    assert error is not None
    assert error.code is ErrorCode.COLLISION
    assert error.message.startswith('the wrist touched the wall at 0.3 s; stood after')
    rig.sleep(1.0)
    rig.motion.poll()
    assert not touched
    assert rig.motion.measured_posture()[0] < rig.home[0] + 0.3
