"""Whole moves in the shipped isolator, checked again by independent, finer sampling."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_motion.arm import Arm
from medicell_motion.cell import Plan, RobotCell
from medicell_motion.expansion import expand_shipped
from medicell_motion.geometry import CellGeometry, shipped_geometry
from medicell_motion.scene import Surroundings
from medicell_motion.stations import Grip, Station

LINE = ('fill', 'stopper', 'cap', 'label', 'handover', 'reject', 'hatch')
OPEN = frozenset({'fill', 'stopper'})
FINE_S = 0.01
PER_LINK = 30
PAIRS = 40


@pytest.fixture(scope='module')
def cell() -> RobotCell:
    return RobotCell.shipped()


def turn(axis: str, angle: np.ndarray) -> np.ndarray:
    """Return rotations written apart from the arm's own."""
    spin = np.zeros((len(angle), 3, 3))
    first, second, still = {'z': (0, 1, 2), 'y': (2, 0, 1)}[axis]
    spin[:, still, still] = 1.0
    spin[:, first, first] = spin[:, second, second] = np.cos(angle)
    spin[:, second, first] = np.sin(angle)
    spin[:, first, second] = -np.sin(angle)
    return spin


def bodies(cell: RobotCell, postures: np.ndarray) -> dict[str, tuple[np.ndarray, float]]:
    """Return points along each link, (n, PER_LINK, 3), with its radius, from first principles."""
    arm, links, vial = cell.geometry.arm, cell.geometry.links, cell.geometry.container
    frame, at = np.broadcast_to(np.eye(3), (len(postures), 3, 3)), np.zeros((len(postures), 3))
    lengths = (arm.shoulder_height_m, arm.upper_arm_m, arm.forearm_m, 0.0, 0.0)
    corners = []
    for joint, axis in enumerate('zyyzyz'):
        frame = frame @ turn(axis, postures[:, joint])
        if joint < len(lengths):
            at = at + lengths[joint] * frame[:, :, 2]
            corners.append(at)
    shoulder, elbow, wrist = corners[0], corners[1], corners[2]
    tool = frame[:, :, 2]
    flange = wrist + arm.wrist_to_flange_m * tool
    tip = flange + arm.tool_length_m * tool
    half = np.array([0.0, 0.0, vial.grip_to_mouth_m])
    pairs = {
        'upper_arm': (shoulder, elbow, links.upper_arm_m),
        'forearm': (elbow, wrist, links.forearm_m),
        'wrist': (wrist, flange, links.wrist_m),
        'tool': (flange, tip - (vial.radius_m + links.tool_m) * tool, links.tool_m),
        'carried': (tip - half, tip + half, vial.radius_m),
    }
    share = np.linspace(0.0, 1.0, PER_LINK)[None, :, None]
    return {
        name: (a[:, None] * (1 - share) + b[:, None] * share, radius)
        for name, (a, b, radius) in pairs.items()
    }


def nearest_over(cell: RobotCell, plan: Plan, open_: frozenset[str]) -> float:
    """Return the least level distance of anything to the air of an open or the carried vial."""
    fine = np.arange(0.0, plan.duration_s, FINE_S)
    postures = np.column_stack(
        [np.interp(fine, plan.times_s, plan.positions_rad[:, joint]) for joint in range(6)]
    )
    parts = bodies(cell, postures)
    mouths = {name: cell.geometry.stations[name].position_m[None] for name in open_}
    mouths['carried'] = parts['carried'][0].mean(axis=1)
    least = np.inf
    for owner, centre in mouths.items():
        mouth_z = centre[:, None, 2] + cell.geometry.container.grip_to_mouth_m
        for name, (points, radius) in parts.items():
            if name == owner:
                continue
            level = np.linalg.norm(points[..., :2] - centre[:, None, :2], axis=2)
            above = points[..., 2] + radius > mouth_z
            gap = np.where(above, level, np.inf).min() - radius
            least = min(least, gap - cell.geometry.travel.air_column_radius_m)
    return float(least)


def test_moves_between_stations_keep_first_air_with_fill_and_stopper_open(
    cell: RobotCell,
) -> None:
    pairs = list(permutations(cell.stations, 2))
    for index in np.random.default_rng(4).choice(len(pairs), PAIRS, replace=False):
        start, goal = pairs[index]
        plan = cell.plan_move(start, goal, open_stations=OPEN)
        assert nearest_over(cell, plan, OPEN - {start, goal}) > 0.0, (start, goal)


@pytest.mark.parametrize('start', ['nest_10', 'fill', 'label'])
def test_first_air_holds_with_every_other_station_open(cell: RobotCell, start: str) -> None:
    for goal in ('nest_01', 'nest_11', 'nest_24', 'fill', 'handover', 'reject'):
        if goal == start:
            continue
        plan = cell.plan_move(start, goal, open_stations=frozenset(cell.stations))
        others = frozenset(cell.stations) - {start, goal}
        assert nearest_over(cell, plan, others) > 0.0, (start, goal)


def test_way_round_is_taken_only_where_something_is_open(cell: RobotCell) -> None:
    direct = cell.plan_move('nest_24', 'cap')
    round_ = cell.plan_move('nest_24', 'cap', open_stations=OPEN)
    assert nearest_over(cell, direct, OPEN) < 0.0
    assert round_.duration_s > direct.duration_s


def test_plan_begins_and_ends_at_the_stations_with_the_arm_at_rest(cell: RobotCell) -> None:
    plan = cell.plan_move('nest_07', 'fill')
    ends = cell.geometry.arm.forward(plan.positions_rad[[0, -1]])
    assert ends[0] == pytest.approx(cell.geometry.stations['nest_07'].pose, abs=1e-9)
    assert ends[1] == pytest.approx(cell.geometry.stations['fill'].pose, abs=1e-9)
    assert plan.names == tuple(f'joint_{n}' for n in range(1, 7))
    assert plan.times_s[0] == 0.0
    assert plan.times_s[-1] == plan.duration_s
    assert (np.diff(plan.times_s) > 0.0).all()
    assert plan.positions_rad.shape == (len(plan.times_s), 6)


def test_path_length_is_at_least_the_straight_line(cell: RobotCell) -> None:
    plan = cell.plan_move('hatch', 'label')
    stations = cell.geometry.stations
    straight = np.linalg.norm(stations['hatch'].position_m - stations['label'].position_m)
    assert plan.path_length_m > straight


@pytest.mark.parametrize('goal', ['nest_01', 'fill', 'label', 'handover'])
def test_velocity_and_acceleration_stay_within_every_axis_limit(
    cell: RobotCell, goal: str
) -> None:
    arm = cell.geometry.arm
    plan = cell.plan_move('nest_14', goal, open_stations=OPEN, posture=cell.home())
    grid = np.arange(0.0, plan.duration_s, 0.002)
    moved = np.column_stack(
        [np.interp(grid, plan.times_s, plan.positions_rad[:, joint]) for joint in range(6)]
    )
    speed = np.abs(np.diff(moved, axis=0)).max(axis=0) / 0.002
    assert (speed <= np.array(arm.max_velocity_rad_s) * (1 + 1e-6)).all()
    step = np.diff(plan.times_s)
    velocity = np.diff(plan.positions_rad, axis=0) / step[:, None]
    gain = np.diff(velocity, axis=0) / ((step[1:] + step[:-1]) / 2)[:, None]
    assert (np.abs(gain).max(axis=0) <= np.array(arm.max_acceleration_rad_s2)).all()
    assert arm.within_limits(plan.positions_rad).all()
    assert (speed / arm.max_velocity_rad_s).max() > 0.2


def test_plan_from_a_posture_begins_there_and_grasps_before_it_carries(cell: RobotCell) -> None:
    home = cell.home()
    plan = cell.plan_move('nest_03', 'fill', posture=home)
    alone = cell.plan_move('nest_03', 'fill')
    assert plan.positions_rad[0] == pytest.approx(home)
    assert plan.duration_s == pytest.approx(plan.grasp_s + alone.duration_s)
    grasp = np.flatnonzero(plan.times_s >= plan.grasp_s - 1e-9)[0]
    assert plan.positions_rad[grasp] == pytest.approx(alone.positions_rad[0], abs=1e-6)
    following = cell.plan_move(
        'nest_04', 'stopper', posture=plan.positions_rad[-1], open_stations=frozenset({'fill'})
    )
    assert following.positions_rad[0] == pytest.approx(plan.positions_rad[-1])


def test_hand_that_is_already_there_does_not_go_away_first(cell: RobotCell) -> None:
    placed = cell.plan_move('nest_03', 'fill').positions_rad[-1]
    onward = cell.plan_move('fill', 'stopper', posture=placed)
    assert onward.grasp_s == 0.0
    assert onward.duration_s == pytest.approx(cell.plan_move('fill', 'stopper').duration_s)


def test_plan_from_any_tilted_posture_gets_level_first(cell: RobotCell) -> None:
    tilted = cell.home() + np.array([0.2, 0.0, 0.0, 0.1, 0.2, 0.1])
    plan = cell.plan_move('nest_03', 'fill', posture=tilted)
    assert plan.positions_rad[0] == pytest.approx(tilted)
    assert float(np.abs(np.diff(plan.positions_rad, axis=0)).max()) < 0.5


@pytest.mark.parametrize('place', ['hatch', 'nest_12', 'label', 'handover'])
def test_empty_hand_leaves_every_place_with_all_stations_open(cell: RobotCell, place: str) -> None:
    posture = cell.grip_posture(place)
    for start in ('nest_01', 'nest_24', 'fill', 'reject'):
        plan = cell.plan_move(
            start, 'cap', open_stations=frozenset(cell.stations), posture=posture
        )
        assert plan.positions_rad[0] == pytest.approx(posture)
        assert plan.grasp_s > 0.0


def test_posture_outside_the_limits_is_refused(cell: RobotCell) -> None:
    with pytest.raises(MedicellError, match='posture') as refused:
        cell.plan_move('nest_03', 'fill', posture=np.array([9.0, 0, 0, 0, 0, 0]))
    assert refused.value.code is ErrorCode.INVALID_GOAL


def test_same_move_again_is_remembered_and_cannot_be_spoilt(cell: RobotCell) -> None:
    first = cell.plan_move('nest_02', 'label')
    kept = first.positions_rad.copy()
    first.positions_rad[:] = 0.0
    checks = cell.planner.scene.checks
    second = cell.plan_move('nest_02', 'label')
    assert cell.planner.scene.checks == checks
    assert np.array_equal(second.positions_rad, kept)


@pytest.mark.parametrize(
    ('start', 'goal', 'open_'),
    [('nest_99', 'fill', ()), ('fill', 'nest_25', ()), ('fill', 'cap', ('somewhere',))],
)
def test_unknown_station_is_refused(
    cell: RobotCell, start: str, goal: str, open_: tuple[str, ...]
) -> None:
    with pytest.raises(MedicellError, match=r'nest_99|nest_25|somewhere') as refused:
        cell.plan_move(start, goal, open_stations=frozenset(open_))
    assert refused.value.code is ErrorCode.UNKNOWN_STATION


def with_station(geometry: CellGeometry, name: str, **grip: float) -> CellGeometry:
    station = Station(name=name, grip=Grip(**grip), approach_m=0.08)
    return replace(geometry, stations={**geometry.stations, name: station})


@pytest.mark.parametrize(
    'grip',
    [
        {'radius_m': 0.95, 'azimuth_rad': 1.0, 'height_m': 0.15},
        {'radius_m': 0.30, 'azimuth_rad': 1.0, 'height_m': 0.15},
    ],
    ids=['too far', 'folded beyond the elbow limit'],
)
def test_station_out_of_reach_is_refused_with_pose_and_reach(grip: dict[str, float]) -> None:
    cell = RobotCell(with_station(shipped_geometry(), 'shelf', **grip))
    x = grip['radius_m'] * np.cos(grip['azimuth_rad'])
    with pytest.raises(MedicellError, match=f'shelf.*x {x:.3f}.*reach is 0.880 m') as refused:
        cell.plan_move('fill', 'shelf')
    assert refused.value.code is ErrorCode.OUT_OF_REACH


def test_container_beside_the_lift_is_named_with_link_and_time() -> None:
    beside = {'radius_m': 0.54, 'azimuth_rad': np.deg2rad(68.0), 'height_m': 0.20}
    cell = RobotCell(with_station(shipped_geometry(), 'inlet', **beside))
    with pytest.raises(MedicellError, match=r'to container at inlet at \d') as refused:
        cell.plan_move('fill', 'cap')
    assert refused.value.code is ErrorCode.PATH_BLOCKED


def test_open_container_beside_the_lift_is_a_breach_named_with_link_and_time() -> None:
    under = {'radius_m': 0.45, 'azimuth_rad': np.deg2rad(68.0), 'height_m': 0.06}
    cell = RobotCell(with_station(shipped_geometry(), 'inlet', **under))
    cell.plan_move('fill', 'cap')
    with pytest.raises(MedicellError, match=r'over the open container at inlet') as refused:
        cell.plan_move('fill', 'cap', open_stations=frozenset({'inlet'}))
    assert refused.value.code is ErrorCode.FIRST_AIR_BREACH


def test_tool_as_thick_as_the_vial_is_high_is_refused_before_anything_is_planned() -> None:
    geometry = shipped_geometry()
    thick = replace(geometry.links, tool_m=0.03)
    with pytest.raises(MedicellError, match='tool would be over the open carried') as refused:
        RobotCell(replace(geometry, links=thick)).plan_move('reject', 'hatch')
    assert refused.value.code is ErrorCode.FIRST_AIR_BREACH


def test_wall_across_every_way_ends_the_search_with_its_own_code() -> None:
    wall = (
        '<link name="wall"><collision><origin xyz="0.58 -1.35 1.45"/>'
        '<geometry><box size="0.7 0.02 1.2"/></geometry></collision></link>'
        '<joint name="wall_joint" type="fixed"><parent link="base_link"/><child link="wall"/>'
        '</joint></robot>'
    )
    model = expand_shipped().replace('</robot>', wall)
    cell = RobotCell(shipped_geometry(), lambda: model)
    cell.planner.most_edges = 60
    with pytest.raises(MedicellError, match=r'none is proved blocked; .*wall at') as refused:
        cell.plan_move('nest_12', 'fill')
    assert refused.value.code is ErrorCode.PATH_NOT_FOUND


def test_posture_among_standing_containers_is_proved_blocked_by_name(cell: RobotCell) -> None:
    with pytest.raises(MedicellError, match=r'at the start .*container at nest_12') as refused:
        cell.plan_to(
            cell.geometry.stations['fill'].pose,
            posture=cell.grip_posture('nest_12'),
            around=Surroundings(occupied=frozenset({'nest_12'})),
        )
    assert refused.value.code is ErrorCode.PATH_BLOCKED
    with pytest.raises(MedicellError, match=r'at the goal .*container at fill') as refused:
        cell.plan_to(
            cell.geometry.stations['fill'].pose,
            posture=cell.home(),
            around=Surroundings(occupied=frozenset({'fill'})),
        )
    assert refused.value.code is ErrorCode.PATH_BLOCKED


def test_home_and_grips_are_within_limits(cell: RobotCell) -> None:
    arm: Arm = cell.geometry.arm
    assert bool(arm.within_limits(cell.home()))
    for name in cell.stations:
        assert bool(arm.within_limits(cell.grip_posture(name)))


def test_cell_without_a_plan_loads_neither_pinocchio_nor_coal_nor_ruckig() -> None:
    asked = (
        'import sys\n'
        'from medicell_motion.cell import RobotCell\n'
        'RobotCell.shipped().home()\n'
        "print([name for name in ('pinocchio', 'coal', 'ruckig', 'xacro') if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, '-c', asked], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.strip() == '[]'
