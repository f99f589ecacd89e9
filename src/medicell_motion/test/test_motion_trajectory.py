"""Runs along ways: every limit of every axis kept, the liquid of an open container too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_motion.cell import Plan, RobotCell
from medicell_motion.geometry import CellGeometry, shipped_geometry
from medicell_motion.liquid import GRAVITY_M_S2, rise_share, tilts_rad
from medicell_motion.trajectory import SAMPLE_S, Curve, timed

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
        moved = timed(way(first, last), geometry, open_liquid=False)
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
    moved = timed(line(first, last), geometry, open_liquid=False)
    peak = np.abs(moved.velocities_rad_s[:, 0]).max()
    assert peak == pytest.approx(geometry.arm.max_velocity_rad_s[0], rel=0.03)


def test_run_begins_and_ends_at_rest_and_is_sampled_evenly(geometry: CellGeometry) -> None:
    moved = timed(bow(np.zeros(6), np.full(6, 0.7)), geometry, open_liquid=False)
    assert np.abs(moved.velocities_rad_s[[0, -1]]).max() < 1e-9
    assert np.ptp(np.diff(moved.times_s)) < 1e-9
    assert np.diff(moved.times_s).max() <= SAMPLE_S
    between = (moved.velocities_rad_s[1:] + moved.velocities_rad_s[:-1]) / 2.0
    assert between == pytest.approx(
        np.diff(moved.positions_rad, axis=0) / moved.times_s[1], abs=0.02
    )


def test_way_of_no_length_takes_no_time(geometry: CellGeometry) -> None:
    still = np.full(6, 0.3)
    moved = timed(line(still, still), geometry, open_liquid=True)
    assert moved.duration_s == 0.0
    assert moved.positions_rad == pytest.approx(still[None])


def test_open_container_stays_upright_and_its_liquid_in_it(
    geometry: CellGeometry, plan: Plan
) -> None:
    assert np.rad2deg(tilts_rad(geometry, plan.positions_rad).max()) < geometry.liquid.max_tilt_deg
    assert np.rad2deg(tilts_rad(geometry, plan.positions_rad).max()) < 1e-3
    even = np.arange(0.0, plan.duration_s, SAMPLE_S)
    positions = np.column_stack(
        [np.interp(even, plan.times_s, axis) for axis in plan.positions_rad.T]
    )
    assert 0.0 < rise_share(geometry, even, positions) <= 1.05


def test_fuller_container_is_carried_more_slowly(geometry: CellGeometry) -> None:
    fuller = replace(geometry, liquid=replace(geometry.liquid, freeboard_m=0.001))
    times = [RobotCell(item).plan_move('nest_05', 'cap').duration_s for item in (geometry, fuller)]
    assert times[1] > 1.3 * times[0]


def test_rise_is_that_of_the_tilted_surface_with_its_overshoot(geometry: CellGeometry) -> None:
    times = np.arange(0.0, 0.5, 0.01)
    start = RobotCell(geometry).home()
    turn = np.zeros((len(times), 6))
    # Turning about axis 1 ever faster pushes the tip sideways, and inwards by its speed.
    turn[:, 0] = 0.5 * times**2 * 2.0
    liquid = geometry.liquid
    radius = np.hypot(*geometry.arm.forward(start)[:2, 3])
    push = radius * np.hypot(2.0, (2.0 * times[-2]) ** 2)
    slope = liquid.overshoot * push / GRAVITY_M_S2 + np.tan(np.deg2rad(liquid.max_tilt_deg))
    wanted = liquid.inner_radius_m * slope / liquid.freeboard_m
    assert rise_share(geometry, times, start + turn) == pytest.approx(wanted, rel=1e-3)


def test_open_container_that_would_tilt_is_refused_with_its_angle(geometry: CellGeometry) -> None:
    home = RobotCell(geometry).home()
    bent = line(home, home + np.array([0.0, 0.0, 0.0, 0.0, 0.2, 0.0]))
    assert timed(bent, geometry, open_liquid=False).duration_s > 0.0
    with pytest.raises(MedicellError, match=r'tilted by 11\.5 degrees; 2 are allowed') as refused:
        timed(bent, geometry, open_liquid=True)
    assert refused.value.code is ErrorCode.PATH_BLOCKED
