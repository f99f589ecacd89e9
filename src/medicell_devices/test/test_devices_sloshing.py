"""The liquid of an open vial when the arm is stopped, goes on, or changes its pace."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from arm_rig import CELL, Rig, limits

from medicell_core.errors import ErrorCode, MedicellError
from medicell_devices.arm.following import Following
from medicell_devices.arm.path import JointPath
from medicell_devices.arm.port import ArmTrajectory, JointSamples
from medicell_devices.arm.sloshing import Sloshing, times_of_run
from medicell_motion.liquid import damping_per_s, tilts_rad

SHIPPED_M = CELL.geometry.liquid.freeboard_m
LITTLE_M = 0.0035
"""A freeboard for which the joints' own limits are too fast by far."""


def filled(freeboard_m: float) -> tuple[Rig, JointPath, Sloshing]:
    """Return an arm that holds an open vial of so much freeboard, and its way."""
    plan = CELL.plan_move('nest_01', 'fill', posture=CELL.home(), carried_open=True)
    whole = JointPath(plan.times_s, plan.positions_rad, limits())
    geometry = CELL.geometry
    vial = replace(geometry.liquid, freeboard_m=freeboard_m)
    liquid = Sloshing(replace(geometry, liquid=vial))
    path = whole.part(plan.grasp_s, plan.duration_s, liquid=liquid)
    rig = Rig()
    rig.push(*(path.at(0.0) - rig.home))
    rig.sleep(1.0)
    rig.begun_s = rig.now
    return rig, path, liquid


def rise(liquid: Sloshing, *told: ArmTrajectory) -> float:
    """Return how high the liquid stands by what an arm was told from a stand on."""
    following = told[-1]
    times = times_of_run(told[0].start_s, following.end_s, about_s=following.start_s)
    rows = told[0].at(times)
    for later in told[1:]:
        rows = np.where((times >= later.start_s)[:, None], later.at(times), rows)
    return liquid.rise(rows, float(times[0]))


def stopped(share: float, freeboard_m: float, *, held_s: float) -> tuple[Rig, JointPath, Sloshing]:
    """Return an arm that was stopped with an open vial after a part of its way, and went on."""
    rig, path, liquid = filled(freeboard_m)
    at_s = share * path.duration_s
    rig.at(at_s, rig.motion.protective_stop)
    rig.at(at_s + held_s, rig.motion.resume)
    assert rig.follow(path) is None
    return rig, path, liquid


@pytest.mark.parametrize('share', np.linspace(0.05, 0.95, 10))
def test_stop_and_resume_in_the_shipped_cell_keep_the_liquid_in(share: float) -> None:
    rig, _, liquid = stopped(share, SHIPPED_M, held_s=1.0)
    assert 0.0 < liquid.peak <= 1.0
    assert rise(liquid, rig.told[-1]) <= 1.0


@pytest.mark.parametrize('share', [0.35, 0.5, 0.65])
def test_stop_is_as_quick_whatever_the_liquid_does_and_what_may_have_spilt_is_known(
    share: float,
) -> None:
    calm, _, above = stopped(share, SHIPPED_M, held_s=3.0)
    rig, _, liquid = stopped(share, LITTLE_M, held_s=3.0)
    assert rig.told[1].times_s == pytest.approx(calm.told[1].times_s)
    assert above.peak < 1.0 < liquid.peak


@pytest.mark.parametrize('held_s', [1.0, 6.0])
@pytest.mark.parametrize('share', [0.2, 0.35, 0.5])
def test_resume_goes_on_so_slowly_that_the_liquid_stays_in(share: float, held_s: float) -> None:
    rig, path, liquid = stopped(share, LITTLE_M, held_s=held_s)
    assert rise(liquid, rig.told[-1]) <= 1.0
    path.liquid = None
    resumed = rig.told[-1]
    place_s, _ = path.nearest(resumed.positions_rad[0], before_s=path.duration_s)
    quick = Following(path, now_s=resumed.start_s, path_s=place_s)
    told = quick.repaced(resumed.start_s, 1.0)
    assert told is not None
    assert rise(liquid, told) > 1.0
    assert told.end_s < resumed.end_s


def test_wave_of_a_stop_dies_down_while_the_arm_stands_and_the_arm_goes_on_faster() -> None:
    soon, _, liquid = stopped(0.5, LITTLE_M, held_s=0.9)
    late, _, _ = stopped(0.5, LITTLE_M, held_s=9.0)
    lasted = [rig.told[-1].end_s - rig.told[-1].start_s for rig in (soon, late)]
    assert lasted[0] > lasted[1]
    stood_s = soon.told[1].end_s
    assert liquid.left(stood_s + 1.0) > liquid.left(stood_s + 2.0) > 0.0
    ratio = liquid.left(stood_s + 2.0) / liquid.left(stood_s + 1.0)
    assert ratio == pytest.approx(np.exp(-damping_per_s(CELL.geometry.liquid)))


@pytest.mark.parametrize(('first', 'then'), [(10.0, 100.0), (40.0, 80.0), (30.0, 10.0)])
def test_another_pace_under_way_keeps_the_liquid_in(first: float, then: float) -> None:
    rig, path, liquid = filled(LITTLE_M)
    rig.motion.set_speed_override(first)
    at_s = 0.4 * path.duration_s * 100.0 / first
    rig.at(at_s, lambda: rig.motion.set_speed_override(then))
    assert rig.follow(path) is None
    assert len(rig.told) == 2
    assert rise(liquid, *rig.told) <= 1.0


def test_pace_at_which_no_ramp_keeps_the_liquid_in_is_taken_to_spill_it() -> None:
    rig, path, liquid = filled(LITTLE_M / 100.0)
    rig.motion.set_speed_override(10.0)
    rig.at(4.0 * path.duration_s, lambda: rig.motion.set_speed_override(100.0))
    assert rig.follow(path) is None
    assert len(rig.told) == 2
    assert liquid.peak == pytest.approx(rise(liquid, *rig.told), rel=0.01)
    assert liquid.peak > 1.0


@pytest.mark.parametrize('stop', ['halt', 'protective_stop'])
def test_stop_without_the_time_of_the_cell_is_taken_to_spill_the_liquid(
    monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    rig, path, liquid = filled(SHIPPED_M)

    def away() -> float:
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'no world')

    def stopped() -> None:
        monkeypatch.setattr(rig.motion, '_now_s', away)
        monkeypatch.setattr(rig.arm, 'stop', lambda: None)
        getattr(rig.motion, stop)()

    rig.at(0.5 * path.duration_s, stopped)
    with pytest.raises(MedicellError, match='no world'):
        rig.motion.follow(path, rig)  # type: ignore[arg-type]
    assert liquid.peak == math.inf


@pytest.mark.parametrize('shaken', ['not at all', 'under way', 'after the commanded end'])
def test_joint_states_that_shake_are_judged_though_the_command_is_smooth(shaken: str) -> None:
    rig, path, liquid = filled(SHIPPED_M)
    half_s = 0.5 * path.duration_s
    following = Following(path, now_s=rig.now, path_s=0.0)
    following.repaced(rig.now, 1.0)
    stop = following.repaced(rig.now + half_s, 0.0)
    assert stop is not None
    times = np.arange(rig.now, stop.end_s + 0.5, 0.01)
    joints = following.wanted(times)
    first_s = {'not at all': np.inf, 'under way': rig.now + 0.5 * half_s}
    begun_s = first_s.get(shaken, stop.end_s + 0.02)
    since = np.clip(times - begun_s, 0.0, 0.4)
    joints[:, 0] += 0.01 * np.sin(2.0 * np.pi * 5.0 * since)
    following.stood(JointSamples(times_s=times, positions_rad=joints))
    assert (liquid.peak > 1.0) == (shaken != 'not at all')


def test_stop_that_no_joint_state_tells_of_is_judged_as_it_was_commanded() -> None:
    rig, path, liquid = filled(SHIPPED_M)
    following = Following(path, now_s=rig.now, path_s=0.0)
    told = [following.repaced(rig.now, 1.0), following.repaced(rig.now + 1.0, 0.0)]
    commanded = rise(liquid, *told)  # type: ignore[arg-type]
    following.stood(JointSamples(times_s=np.zeros(0), positions_rad=np.zeros((0, 6))))
    assert liquid.peak == pytest.approx(commanded, rel=1e-6)


def test_tilt_of_a_vial_that_stands_brings_its_liquid_nearer_to_the_mouth() -> None:
    _, path, liquid = filled(SHIPPED_M)
    tilted = path.at(0.0) + np.array([0.0, 0.0, 0.0, 0.0, 0.2, 0.0])
    angle = float(tilts_rad(CELL.geometry, tilted[None])[0])
    assert angle > 0.1
    vial = CELL.geometry.liquid
    standing = np.repeat(tilted[None], 50, axis=0)
    height = np.tan(angle) * vial.inner_radius_m / vial.freeboard_m
    assert liquid.rise(standing, 0.0) == pytest.approx(height)
    assert liquid.rise(np.repeat(path.at(0.0)[None], 50, axis=0), 0.0) < 1e-3


def test_way_back_along_a_path_begins_at_rest() -> None:
    rig, path, liquid = filled(SHIPPED_M)
    rig.at(0.5 * path.duration_s, rig.motion.halt)
    assert rig.follow(path) is not None
    rig.sleep(1.0)
    told = len(rig.told)
    rig.motion.back(rig, lambda *_: pytest.fail('it stands on its path'))  # type: ignore[arg-type]
    back = rig.told[told]
    assert back.velocities_rad_s[0] == pytest.approx(np.zeros(6), abs=1e-9)
    assert rise(liquid, back) <= 1.0
    assert rig.motion.measured_posture() == pytest.approx(path.at(0.0), abs=1e-3)
