"""Runs along ways: every limit of every axis kept, the liquid of an open container too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.special import jnp_zeros

from medicell_core.errors import ErrorCode, MedicellError
from medicell_motion.cell import Plan, RobotCell
from medicell_motion.geometry import CellGeometry, shipped_geometry
from medicell_motion.liquid import GRAVITY_M_S2, first_mode_rad_s, tilts_rad, wave
from medicell_motion.trajectory import SAMPLE_S, Curve, Trajectory, timed

STEP_S = 1e-3


@pytest.fixture(scope='module')
def geometry() -> CellGeometry:
    return shipped_geometry()


@pytest.fixture(scope='module')
def plan() -> Plan:
    cell = RobotCell.shipped()
    return cell.plan_move('nest_05', 'cap', open_stations=frozenset({'fill', 'nest_06'}))


def line(first: np.ndarray, last: np.ndarray) -> Curve:
    return lambda shares: first + shares[:, None] * (last - first)


def bow(first: np.ndarray, last: np.ndarray) -> Curve:
    """Return a bent way of all joints between two postures."""
    side = np.array([0.4, -0.3, 0.5, 0.8, -0.6, 1.0])
    return lambda s: first + s[:, None] * (last - first) + np.sin(np.pi * s)[:, None] ** 2 * side


@pytest.mark.parametrize('way', [line, bow])
def test_velocity_acceleration_and_jerk_keep_the_limits_of_every_axis(
    geometry: CellGeometry, way: object
) -> None:
    arm = geometry.arm
    chance = np.random.default_rng(11)
    for _ in range(6):
        first, last = 0.6 * chance.uniform(arm.lower_limit_rad, arm.upper_limit_rad, (2, 6))
        moved = timed([way(first, last)], geometry, open_liquid=False)
        speed = np.abs(moved.velocities_rad_s).max(axis=0) / arm.max_velocity_rad_s
        step = moved.times_s[1]
        gain = np.diff(moved.velocities_rad_s, axis=0) / step
        jolt = np.diff(gain, axis=0) / step
        gain = np.abs(gain).max(axis=0) / arm.max_acceleration_rad_s2
        jolt = np.abs(jolt).max(axis=0) / arm.max_jerk_rad_s3
        assert speed.max() <= 1.0
        assert gain.max() <= 1.0
        assert jolt.max() <= 1.0 + 0.02
        assert max(speed.max(), gain.max(), jolt.max()) > 0.85, 'no slower than it must be'


def test_straight_way_goes_at_a_limit_of_its_slowest_axis(geometry: CellGeometry) -> None:
    first = np.zeros(6)
    last = np.array([2.0, 0.1, 0.1, 0.1, 0.1, 0.1])
    moved = timed([line(first, last)], geometry, open_liquid=False)
    peak = np.abs(moved.velocities_rad_s[:, 0]).max()
    assert peak == pytest.approx(geometry.arm.max_velocity_rad_s[0], rel=0.03)


def test_run_begins_and_ends_at_rest_and_is_sampled_evenly(geometry: CellGeometry) -> None:
    moved = timed([bow(np.zeros(6), np.full(6, 0.7))], geometry, open_liquid=False)
    assert np.abs(moved.velocities_rad_s[[0, -1]]).max() < 1e-9
    assert np.ptp(np.diff(moved.times_s)) < 1e-9
    assert np.diff(moved.times_s).max() <= SAMPLE_S
    between = (moved.velocities_rad_s[1:] + moved.velocities_rad_s[:-1]) / 2.0
    assert between == pytest.approx(
        np.diff(moved.positions_rad, axis=0) / moved.times_s[1], abs=0.02
    )


def test_way_of_no_length_takes_no_time(geometry: CellGeometry) -> None:
    still = np.full(6, 0.3)
    moved = timed([line(still, still)], geometry, open_liquid=True)
    assert moved.duration_s == 0.0
    assert moved.positions_rad == pytest.approx(still[None])


def test_open_container_stays_upright_and_its_liquid_in_it(
    geometry: CellGeometry, plan: Plan
) -> None:
    assert np.rad2deg(tilts_rad(geometry, plan.positions_rad).max()) < geometry.liquid.max_tilt_deg
    assert np.rad2deg(tilts_rad(geometry, plan.positions_rad).max()) < 1e-3
    assert 0.0 < highest_m(geometry, plan) < geometry.liquid.freeboard_m


def full(geometry: CellGeometry, freeboard_m: float) -> CellGeometry:
    return replace(geometry, liquid=replace(geometry.liquid, freeboard_m=freeboard_m))


def test_fuller_container_is_carried_more_slowly(geometry: CellGeometry) -> None:
    times = [
        RobotCell(item).plan_move('nest_05', 'cap').duration_s
        for item in (geometry, full(geometry, 0.002))
    ]
    assert times[1] > 1.3 * times[0]


def test_liquid_stays_in_along_moves_as_its_modes_are_integrated(geometry: CellGeometry) -> None:
    fuller = full(geometry, 0.004)
    cell, spilt = RobotCell(fuller), 0
    for start, goal in (('fill', 'stopper'), ('nest_05', 'fill'), ('fill', 'hatch')):
        moved = cell.plan_move(start, goal, open_stations=frozenset({'nest_06'}))
        for depth in (1.0, 3.0):
            rise = highest_m(fuller, moved, depth_radii=depth)
            assert 0.2 * fuller.liquid.freeboard_m < rise < fuller.liquid.freeboard_m
        hasty = replace(moved, times_s=moved.times_s / 2.0)
        spilt += highest_m(fuller, hasty) > fuller.liquid.freeboard_m
    assert spilt, 'the same moves in half the time spill'


def test_liquid_stays_in_along_a_way_of_many_corners(geometry: CellGeometry) -> None:
    fuller, home = full(geometry, 0.002), RobotCell(geometry).home()
    turn = np.array([0.4, 0.0, 0.0, 0.0, 0.0, 0.0])
    ways = [line(home, home + turn), line(home + turn, home)] * 3
    alone = timed(ways[:1], fuller, open_liquid=True)
    moved = timed(ways, fuller, open_liquid=True)
    assert highest_m(fuller, moved) < fuller.liquid.freeboard_m
    assert moved.duration_s > 1.1 * len(ways) * alone.duration_s, 'their waves may add up'


def highest_m(
    geometry: CellGeometry, moved: Plan | Trajectory, *, depth_radii: float = 1.0
) -> float:
    """Return how high an undamped liquid rises at the wall, mode by mode, tilt included.

    By the oscillators' equation in small steps, on a spline through the samples.
    """
    radius = geometry.liquid.inner_radius_m
    tips = CubicSpline(moved.times_s, geometry.arm.forward(moved.positions_rad)[:, :3, 3])
    pushed = tips(np.arange(0.0, moved.times_s[-1], STEP_S / 2.0), 2)
    level = pushed[:, :2] / (GRAVITY_M_S2 + pushed[:, 2:])
    zeros = jnp_zeros(1, 6)[:, None]
    shares = 2.0 / (zeros**2 - 1.0)
    stiffness = GRAVITY_M_S2 * zeros / radius * np.tanh(zeros * depth_radii)
    slopes, paces, highest = np.zeros((6, 2)), np.zeros((6, 2)), 0.0
    for now in level:
        paces += STEP_S / 2.0 * stiffness * (now - slopes)
        slopes += STEP_S / 2.0 * paces
        rest = (1.0 - shares.sum()) * now
        highest = max(highest, float(np.linalg.norm((shares * slopes).sum(axis=0) + rest)))
    return radius * (highest + float(np.tan(np.deg2rad(geometry.liquid.max_tilt_deg))))


def test_wave_of_a_sudden_push_is_twice_the_level_that_the_push_would_hold(
    geometry: CellGeometry,
) -> None:
    liquid = geometry.liquid
    room = liquid.freeboard_m / liquid.inner_radius_m - np.tan(np.deg2rad(liquid.max_tilt_deg))
    times = np.arange(0.0, 3.5, STEP_S)
    fading = np.where(times < 0.1, 0.0, np.clip(2.0 - (times - 0.1), 0.0, None))
    tips = np.zeros((len(times), 3))
    tips[:, 0] = np.cumsum(np.cumsum(fading)) * STEP_S**2
    found = wave(geometry, tips, STEP_S)
    assert found.peak == pytest.approx(2.0 * 2.0 / GRAVITY_M_S2 / room, rel=0.05)


def test_short_push_leaves_a_wave_and_a_long_soft_one_leaves_none(
    geometry: CellGeometry,
) -> None:
    period = 2.0 * np.pi / first_mode_rad_s(geometry.liquid)
    left = []
    for length in (0.5 * period, 8.0 * period):
        times = np.arange(0.0, length + 0.2, STEP_S)
        bell = np.where(times < length, np.sin(np.pi * times / length) ** 4, 0.0)
        tips = np.zeros((len(times), 3))
        tips[:, 1] = np.cumsum(np.cumsum(bell)) * STEP_S**2
        left.append(wave(geometry, tips, STEP_S).left)
    assert left[0] > 10.0 * left[1]


def test_tilt_that_takes_the_freeboard_is_refused(geometry: CellGeometry) -> None:
    home = RobotCell(geometry).home()
    turned = line(home, home + np.array([0.4, 0.0, 0.0, 0.0, 0.0, 0.0]))
    with pytest.raises(MedicellError, match=r'takes its freeboard of 0\.0003 m'):
        timed([turned], full(geometry, 0.0003), open_liquid=True)


def test_open_container_that_would_tilt_is_refused_with_its_angle(geometry: CellGeometry) -> None:
    home = RobotCell(geometry).home()
    bent = line(home, home + np.array([0.0, 0.0, 0.0, 0.0, 0.2, 0.0]))
    assert timed([bent], geometry, open_liquid=False).duration_s > 0.0
    with pytest.raises(MedicellError, match=r'tilted by 11\.5 degrees; 2 are allowed') as refused:
        timed([bent], geometry, open_liquid=True)
    assert refused.value.code is ErrorCode.PATH_BLOCKED
