"""Level lines keep a container upright; searches find ways, alike for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_motion.cell import RobotCell
from medicell_motion.liquid import tilts_rad
from medicell_motion.measuring import measure_first_air
from medicell_motion.scene import Surroundings
from medicell_motion.spaces import LevelSpace, Line, dense, radial
from medicell_motion.stations import Grip, grip_poses

SHARES = np.linspace(0.0, 1.0, 200)


@pytest.fixture(scope='module')
def cell() -> RobotCell:
    return RobotCell.shipped()


@pytest.fixture(scope='module')
def space(cell: RobotCell) -> LevelSpace:
    found = cell.planner.search(upright=True).space
    assert isinstance(found, LevelSpace)
    return found


def around(cell: RobotCell) -> Surroundings:
    nest = frozenset(name for name in cell.stations if name.startswith('nest_'))
    return Surroundings(occupied=nest, uncovered=nest, carrying=True, carried_open=True)


def level_pose(radius: float, azimuth: float, height: float, turn: float) -> np.ndarray:
    """Return an upright pose whose tool is turned from its radius."""
    grip = Grip(radius_m=radius, azimuth_rad=azimuth, height_m=height)
    pose = grip_poses(grip.as_array()[None])[0]
    pose[:3, :3] = grip_poses(np.array([[1.0, azimuth + turn, 0.0]]))[0, :3, :3]
    return pose


def test_every_line_keeps_the_container_upright_and_begins_at_its_posture(
    cell: RobotCell, space: LevelSpace
) -> None:
    chance = np.random.default_rng(3)
    lines = 0
    for posture in cell.geometry.arm.postures(level_pose(0.5, 0.4, 0.4, 0.6)):
        start = space.coordinates(posture)
        line = Line(posture=posture, start=start, end=start + chance.uniform(-0.3, 0.3, 4))
        path = space.postures(line, SHARES)
        assert path[0] == pytest.approx(posture, abs=1e-9)
        assert tilts_rad(cell.geometry, path).max() < 1e-6
        assert space.coordinates(path[-1])[:3] == pytest.approx(line.end[:3])
        lines += 1
    assert lines >= 4


def test_radial_line_takes_the_wrist_to_its_other_way(cell: RobotCell, space: LevelSpace) -> None:
    start = space.coordinates(cell.home())
    assert radial(start) == pytest.approx(start)
    # The forearm from below the level of the tool to above it.
    flat = np.array([0.0, -1.5, 0.0, 0.0])
    line = Line(posture=cell.home(), start=start, end=start + flat)
    path = space.postures(line, SHARES)
    assert path[0, 4] * path[-1, 4] < 0.0
    assert np.abs(np.diff(path, axis=0)).max() < 0.02
    assert tilts_rad(cell.geometry, path).max() < 1e-6


def test_line_that_would_flip_the_wrist_ends_there(cell: RobotCell, space: LevelSpace) -> None:
    start = space.coordinates(cell.home())
    aside = start + np.array([0.0, 0.0, 0.0, 1e-4])
    line = Line(posture=cell.home(), start=start, end=aside)
    posture = space.postures(line, SHARES)[-1]
    over = Line(posture=posture, start=aside, end=aside + np.array([0.0, -1.5, 0.0, 0.0]))
    path, count = dense(space, over, cell.planner.scene.radii, 0.005)
    assert 1 < len(path) < count


def test_open_container_goes_upright_past_all_others_where_no_straight_line_does(
    cell: RobotCell,
) -> None:
    starts = cell.geometry.arm.postures(level_pose(0.62, -1.3, 0.19, 0.0))
    goal = level_pose(0.62, 1.25, 0.19, 0.2)
    plan = cell.plan_to(goal, posture=starts, around=around(cell), seed=5)
    assert cell.planner.edges > 1
    assert tilts_rad(cell.geometry, plan.positions_rad).max() < 1e-6
    assert cell.geometry.arm.forward(plan.positions_rad[-1]) == pytest.approx(goal, abs=1e-6)
    air = measure_first_air(
        cell.geometry,
        plan.times_s,
        plan.positions_rad,
        open_stations=around(cell).uncovered,
        carried_from_s=0.0,
    )
    assert air.breaches == ()
    assert air.gap_m > 0.0
    again = RobotCell.shipped().plan_to(goal, posture=starts, around=around(cell), seed=5)
    assert np.array_equal(plan.positions_rad, again.positions_rad)


def test_pose_beyond_the_reach_is_refused(cell: RobotCell) -> None:
    with pytest.raises(MedicellError, match=r'reach is 0\.880 m') as refused:
        cell.plan_to(level_pose(1.2, 0.0, 0.4, 0.0), posture=cell.home(), around=around(cell))
    assert refused.value.code is ErrorCode.OUT_OF_REACH
