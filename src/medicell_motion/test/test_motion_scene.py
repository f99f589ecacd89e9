"""The cell by Pinocchio and Coal, held against the closed form and against exact distances."""

from __future__ import annotations

import numpy as np
import pytest

from medicell_core.errors import InputError
from medicell_motion.body import CARRIED
from medicell_motion.cell import RobotCell
from medicell_motion.expansion import expand_shipped
from medicell_motion.geometry import shipped_geometry
from medicell_motion.measuring import measure_first_air
from medicell_motion.scene import Scene, Surroundings, Touch
from medicell_motion.stations import grip_poses

POSTURES = 1000
FINER = 25
POLE = (
    '<link name="pole"><collision><origin xyz="0.45 -1.5 1.4"/>'
    '<geometry><cylinder radius="0.0005" length="1.0"/></geometry></collision></link>'
    '<joint name="pole_joint" type="fixed"><parent link="base_link"/><child link="pole"/>'
    '</joint></robot>'
)
POLE_AT_TIP = POLE.replace('0.45 -1.5 1.4', '0.615 -0.615 0.3').replace(
    'parent link="base_link"', 'parent link="fill_robot_base_link"'
)


@pytest.fixture(scope='module')
def cell() -> RobotCell:
    return RobotCell.shipped()


@pytest.fixture
def scene(cell: RobotCell) -> Scene:
    return cell.planner.scene


def drawn(count: int, seed: int) -> np.ndarray:
    arm = shipped_geometry().arm
    chance = np.random.default_rng(seed)
    return chance.uniform(arm.lower_limit_rad, arm.upper_limit_rad, (count, 6))


def nest_open(cell: RobotCell, **other: object) -> Surroundings:
    names = frozenset(name for name in cell.stations if name.startswith('nest_'))
    return Surroundings(occupied=names, uncovered=names, **other)


def test_closed_form_is_the_kinematics_of_the_model(cell: RobotCell, scene: Scene) -> None:
    for posture in drawn(POSTURES, seed=1):
        assert np.abs(scene.tip(posture) - cell.geometry.arm.forward(posture)).max() < 1e-9


@pytest.mark.parametrize('level', [0, 1, 3, 5])
def test_broad_phase_honours_the_margin_of_every_level(
    cell: RobotCell, scene: Scene, level: int
) -> None:
    scene.look(nest_open(cell, carrying=True))
    margin = scene.margins_m[level]
    answers = []
    for posture in drawn(60, seed=level):
        gap = scene.gap_m(posture)
        if abs(gap - margin) > 1e-6:
            answers.append(scene.free(posture, level=level))
            assert answers[-1] == (gap > margin)
    assert any(answers)
    assert not all(answers)


def test_thin_pole_between_two_samples_is_not_slipped_past() -> None:
    scene = Scene(shipped_geometry(), expand_shipped().replace('</robot>', POLE))
    around = Surroundings(occupied=frozenset())
    scene.look(around)
    chance = np.random.default_rng(7)
    passed = stopped = 0
    while passed < 5 or stopped < 5:
        first, last = drawn(2, seed=int(chance.integers(1 << 30)))
        last = first + 0.4 * (last - first)
        count = int(np.ceil(np.abs(last - first) @ scene.radii / scene.margins_m[0])) + 1
        path = np.linspace(first, last, count)
        if scene.first_touch(path) is not None:
            stopped += 1
            continue
        passed += 1
        for posture in np.linspace(first, last, FINER * count)[:: count // 20 + 1]:
            assert scene.gap_m(posture) > 0.0


def test_first_touch_is_the_first_sample_that_is_not_free(cell: RobotCell, scene: Scene) -> None:
    scene.look(nest_open(cell))
    blocked = []
    for first, last in drawn(24, seed=3).reshape(12, 2, 6):
        count = int(np.ceil(np.abs(last - first) @ scene.radii / scene.margins_m[0])) + 1
        path = np.linspace(first, last, count)
        wanted = next((k for k, posture in enumerate(path) if not scene.free(posture)), None)
        assert scene.first_touch(path) == wanted
        blocked.append(wanted is not None)
    assert any(blocked)
    assert not all(blocked)


def test_first_touch_of_samples_at_uneven_distances_is_the_first_that_is_not_free(
    cell: RobotCell, scene: Scene
) -> None:
    scene.look(nest_open(cell, carrying=True))
    chance = np.random.default_rng(11)
    found = []
    for first, last in drawn(24, seed=5).reshape(12, 2, 6):
        count = int(np.ceil(np.abs(last - first) @ scene.radii / scene.margins_m[0])) + 1
        # Some stand still, others nearly so, as where a line is sampled for a racing wrist.
        even = np.linspace(0.0, 1.0, count)
        shares = np.sort(np.concatenate([even, even[::7], chance.choice(even, 20) ** 1.01]))
        path = first + shares[:, None] * (last - first)
        wanted = next((k for k, posture in enumerate(path) if not scene.free(posture)), None)
        assert scene.first_touch(path) == wanted
        found.append(wanted)
    assert None in found
    assert any(found)


@pytest.mark.parametrize('first_rad', np.linspace(-0.6, -0.4, 7))
def test_no_margin_answers_for_a_sample_that_the_tip_of_a_stretched_arm_is_too_far_on(
    first_rad: float,
) -> None:
    scene = Scene(shipped_geometry(), expand_shipped().replace('</robot>', POLE_AT_TIP))
    scene.look(Surroundings(occupied=frozenset()))
    path = np.zeros((1200, 6))
    path[:, 0], path[:, 1] = np.linspace(first_rad, -1.0, len(path)), np.pi / 2.0
    wanted = next(k for k, posture in enumerate(path) if not scene.free(posture))
    assert scene.touch(path[wanted]) == Touch(link='finger', body='pole', air=False)
    assert scene.first_touch(path) == wanted


def test_wide_margins_clear_a_free_path_by_a_tenth_of_its_samples(
    cell: RobotCell, scene: Scene
) -> None:
    scene.look(Surroundings(occupied=frozenset()))
    start = cell.home()
    turned = np.append(start[0] + 0.6, start[1:])
    path = np.linspace(start, turned, 200)
    before = scene.checks
    assert scene.first_touch(path) is None
    assert scene.checks - before <= len(path) // 10


def test_samples_are_apart_by_less_than_the_bound_of_the_travel(
    cell: RobotCell, scene: Scene
) -> None:
    arm = cell.geometry.arm
    for posture, step in zip(drawn(200, seed=5), drawn(200, seed=6), strict=True):
        path = np.stack([posture, posture + 0.01 * step])
        gone = np.linalg.norm(np.diff(arm.skeleton(path), axis=0)[0], axis=1)
        assert gone.max() <= scene.travel_m(path)[0]


def test_both_implementations_agree_on_first_air(cell: RobotCell, scene: Scene) -> None:
    around = nest_open(cell)
    scene.look(around)
    over = clear = 0
    for posture in drawn(150, seed=8):
        measured = measure_first_air(
            cell.geometry, np.zeros(1), posture[None], open_stations=around.uncovered
        )
        free = scene.free(posture)
        over += bool(measured.breaches)
        clear += free
        assert not (free and measured.breaches)
        assert not free or measured.gap_m > 0.0
    assert over > 2
    assert clear > 40


def test_carried_container_is_a_part_of_the_arm(cell: RobotCell, scene: Scene) -> None:
    pose = cell.geometry.stations['fill'].pose
    pose[2, 3] += 0.04
    (posture, *_) = cell.geometry.arm.inverse(pose)
    beside = frozenset({'fill'})
    scene.look(Surroundings(occupied=beside))
    assert scene.free(posture)
    scene.look(Surroundings(occupied=beside, carrying=True))
    assert scene.touch(posture) == Touch(link=CARRIED, body='container at fill', air=False)


def test_link_over_an_open_carried_container_is_named(cell: RobotCell, scene: Scene) -> None:
    chance = np.random.default_rng(2)
    found = set()
    while not found:
        grip = np.array([[chance.uniform(0.1, 0.5), 0.0, chance.uniform(0.2, 0.5)]])
        pose = grip_poses(grip)[0]
        pose[:3, :3] = grip_poses(np.array([[1.0, chance.uniform(-np.pi, np.pi), 0.0]]))[0, :3, :3]
        for posture in cell.geometry.arm.postures(pose):
            scene.look(Surroundings(occupied=frozenset(), carrying=True))
            closed = scene.free(posture)
            scene.look(Surroundings(occupied=frozenset(), carrying=True, carried_open=True))
            touch = scene.touch(posture)
            if closed and touch is not None:
                assert touch.air
                assert touch.body == CARRIED
                found.add(touch.link)
    assert found <= {'upper_arm', 'forearm', 'wrist', 'shoulder'}


def test_hand_grips_beside_a_container_and_its_air_only_where_it_is_told_to(
    cell: RobotCell, scene: Scene
) -> None:
    posture = cell.grip_posture('nest_07')
    scene.look(nest_open(cell))
    touch = scene.touch(posture)
    assert touch is not None
    assert touch.body == 'container at nest_07'
    scene.look(nest_open(cell, gripping=frozenset({'nest_07'})))
    assert scene.touch(posture) is None


def test_tools_over_the_stations_count(cell: RobotCell, scene: Scene) -> None:
    scene.look(Surroundings(occupied=frozenset(), carrying=True))
    station = cell.geometry.stations['fill']
    pose = station.pose
    pose[2, 3] += 0.14
    (posture, *_) = cell.geometry.arm.inverse(pose)
    touch = scene.touch(posture)
    assert touch is not None
    assert touch.body == 'needle'


def test_text_that_is_no_model_of_the_arm_is_refused() -> None:
    with pytest.raises(InputError, match='lacks joint_1'):
        Scene(shipped_geometry(), '<robot name="x"><link name="a"/></robot>')
