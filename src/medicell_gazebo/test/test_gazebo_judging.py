"""What touches what, how far joints are off, and what that makes of a batch; without Gazebo."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medicell_core.containers import ContainerKind, Material
from medicell_devices.arm.port import ArmTrajectory
from medicell_devices.simulated.machinery import STOPPER_PRESS
from medicell_gazebo.air import MeasuredAir
from medicell_gazebo.judging import PLACE_M, ContactJudge, Touch
from medicell_gazebo.lock_step import Contact, Stretch, steps_of
from medicell_gazebo.poses import Skeleton, tilts_of
from medicell_gazebo.tracking import Tracking
from medicell_gazebo.vials import vials_of
from medicell_gazebo.world import GazeboWorld, gazebo_world
from medicell_motion.cell import RobotCell
from medicell_motion.description import parse
from medicell_record.motion import JointPeak, PhysicsFigures, VialPlaced

CELL = RobotCell.shipped()
DESCRIPTION = parse(CELL.model())
VIAL = 'vial_01::vial::glass'
OTHER_VIAL = 'vial_02::vial::glass'
FINGER = 'fill_robot::fill_robot_finger_left::body_0'
PRESS = 'isolator::fill_robot_stopper_press::body_0'
NEST = 'cell::fill_robot_nest_01::body_1'
WALL = 'cell::isolator::front_glass'


class Still:
    """Stands in for Gazebo: its vials stand where they are put."""

    def __init__(self, world: GazeboWorld) -> None:
        self.places = {vial.name: vial.pose[:3, 3].copy() for vial in world.vials}

    def pose(self, model: str) -> tuple[np.ndarray, np.ndarray]:
        return self.places[model], np.array([1.0, 0.0, 0.0, 0.0])


class Judged:
    """A judge with two vials in the nest."""

    def __init__(self) -> None:
        world = gazebo_world(
            CELL.model(),
            CELL.geometry,
            home=CELL.home(),
            vials={'nest_01': 'vial_01', 'nest_02': 'vial_02'},
        )
        self.gazebo = Still(world)
        stand_in: Any = self.gazebo
        self.judge = ContactJudge(world, stand_in)

    def touch(self, one: str, other: str, at_s: float, *, held: str | None = None) -> str:
        """Let two bodies touch; returns what is told of it."""
        contact = Contact(bodies=(one, other), first_s=at_s, last_s=at_s, force_n=2.0, depth_m=0.0)
        self.judge.take(stretch(contacts=(contact,), held=held))
        return '; '.join(contact.text for contact in self.judge.untold())


def stretch(**changes: Any) -> Stretch:
    empty = Stretch(
        times_s=np.zeros(1),
        positions=np.zeros((1, 0)),
        efforts=np.zeros((1, 0)),
        links=np.zeros((1, 6, 7)),
        carried=np.full((1, 7), np.nan),
        contacts=(),
        grip_n=0.0,
        held=None,
    )
    return replace(empty, **changes)


def test_vial_that_people_have_put_aside_may_stand_on_the_edge_of_its_place() -> None:
    judged = Judged()
    judged.gazebo.places['vial_01'][0] += PLACE_M + 0.001
    judged.judge.put_aside('vial_01', aside=True)
    assert judged.touch(VIAL, NEST, 1.0) == ''
    judged.judge.put_aside('vial_01', aside=False)
    assert VIAL in judged.touch(VIAL, NEST, 10.0)


def test_a_vial_stands_on_its_pedestal_and_not_beside_its_place() -> None:
    judged = Judged()
    assert judged.touch(VIAL, NEST, 1.0) == ''
    judged.gazebo.places['vial_01'][0] += 0.011
    assert 'vial_01::vial::glass touched cell::fill_robot_nest_01::body_1 at 5.000 s' in (
        judged.touch(VIAL, NEST, 5.0)
    )


def test_fingers_touch_a_vial_only_while_they_grip_or_have_just_let_go() -> None:
    judged = Judged()
    assert judged.touch(VIAL, FINGER, 1.0) != ''
    judged.judge.gripped(closed=True, now_s=10.0)
    assert judged.touch(VIAL, FINGER, 10.1, held='vial_01') == ''
    judged.judge.gripped(closed=False, now_s=20.0)
    assert judged.touch(VIAL, FINGER, 20.5) == ''
    assert judged.touch(OTHER_VIAL, FINGER, 20.5) != ''
    assert judged.touch(VIAL, FINGER, 21.5) != ''


def test_closed_fingers_touch_the_vial_that_they_hold_and_no_other() -> None:
    judged = Judged()
    judged.judge.gripped(closed=True, now_s=10.0)
    assert judged.touch(VIAL, FINGER, 10.1) == ''
    assert judged.touch(VIAL, FINGER, 10.2, held='vial_01') == ''
    assert judged.touch(OTHER_VIAL, FINGER, 12.0, held='vial_01') != ''


def test_fingers_that_close_anew_may_touch_another_vial_than_before() -> None:
    judged = Judged()
    judged.judge.gripped(closed=True, now_s=10.0)
    assert judged.touch(VIAL, FINGER, 10.2, held='vial_01') == ''
    judged.judge.gripped(closed=False, now_s=20.0)
    judged.judge.gripped(closed=True, now_s=30.0)
    assert judged.touch(OTHER_VIAL, FINGER, 30.1) == ''


def test_a_press_touches_a_vial_only_while_it_is_down() -> None:
    judged = Judged()
    judged.judge.lowered(STOPPER_PRESS, down=True, now_s=1.0)
    assert judged.touch(PRESS, VIAL, 3.0) == ''
    judged.judge.lowered(STOPPER_PRESS, down=False, now_s=4.0)
    assert judged.touch(PRESS, VIAL, 4.5) == ''
    assert judged.touch(PRESS, VIAL, 6.0) != ''
    assert judged.judge.pairs[Touch.STOPPERING] == 1


@pytest.mark.parametrize('other', [OTHER_VIAL, WALL])
def test_what_is_in_no_row_of_the_table_is_unintended(other: str) -> None:
    judged = Judged()
    judged.judge.gripped(closed=True, now_s=0.0)
    assert judged.touch(VIAL, other, 1.0) != ''
    assert [contact.bodies for contact in judged.judge.unintended] == [(VIAL, other)]


def test_bodies_of_models_in_a_model_are_known_by_its_name_and_their_link() -> None:
    judged = Judged()
    assert (
        judged.touch('vial_01::inner::vial::glass', 'cell::rack::fill_robot_nest_01::box', 1.0)
        == ''
    )
    assert judged.touch('vial_01::inner::vial::glass', 'mine::wall::brick::box', 2.0) != ''
    assert judged.judge.pairs[Touch.STANDING] == 1


def test_a_pair_that_goes_on_touching_is_told_once_and_after_a_while_again() -> None:
    judged = Judged()
    told = [bool(judged.touch(VIAL, WALL, at_s)) for at_s in (1.0, 1.1, 1.9, 3.5)]
    assert told == [True, False, False, True]


def test_the_peak_of_each_joint_is_the_greatest_error_since_the_start() -> None:
    tracking = Tracking()
    tracking.take(np.zeros(1), np.ones((1, 6)))
    assert tracking.peaks == ()
    tracking.told = ArmTrajectory(
        start_s=1.0,
        times_s=np.zeros(1),
        positions_rad=np.zeros((1, 6)),
        velocities_rad_s=np.zeros((1, 6)),
    )
    postures = np.array([[9.0] * 6, [0.01, 0, 0, 0, 0, 0], [-0.03, 0, 0, 0, 0, 0.02]])
    tracking.take(np.array([0.5, 1.0, 2.0]), postures)
    first, *_, last = tracking.peaks
    assert (first.joint, first.error_rad, first.at_s) == ('joint_1', 0.03, 2.0)
    assert (last.joint, last.error_rad) == ('joint_6', 0.02)


def links_at(posture: np.ndarray) -> np.ndarray:
    """Return the poses of the arm's links in a posture, as Gazebo would tell them."""
    poses = DESCRIPTION.poses({f'joint_{n + 1}': float(q) for n, q in enumerate(posture)})
    rows = []
    for number in range(6):
        pose = poses[f'fill_robot_link_{number + 1}']
        turn = pose[:3, :3]
        w = math.sqrt(max(0.0, 1.0 + np.trace(turn))) / 2.0
        lean = [turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]
        rows.append([*pose[:3, 3], w, *(value / (4.0 * w) for value in lean)])
    return np.array(rows)


def skeleton() -> Skeleton:
    posture = {f'joint_{n + 1}': float(q) for n, q in enumerate(CELL.home())}
    return Skeleton(CELL.geometry.arm, DESCRIPTION, posture)


def test_the_skeleton_out_of_the_links_is_that_of_the_joints() -> None:
    posture = CELL.home() + np.array([0.3, -0.2, 0.25, 0.4, -0.3, 0.5])
    points, tool = skeleton().of(links_at(posture)[None])
    arm = CELL.geometry.arm
    assert points[0] == pytest.approx(arm.skeleton(posture), abs=1e-9)
    assert tool[0] == pytest.approx(arm.rotation(posture), abs=1e-9)


def test_an_open_vial_under_the_arm_is_a_breach_and_a_closed_one_is_none() -> None:
    links = links_at(CELL.home())
    under = np.array([*links[5, :2], 1.0, 1.0, 0.0, 0.0, 0.0])
    aside = under + np.array([0.0, 0.6, 0.0, 0.0, 0.0, 0.0, 0.0])
    for pose, closed, breaches in ((under, False, 1), (under, True, 0), (aside, False, 0)):
        air = MeasuredAir(CELL.geometry, skeleton(), {'vial_01': pose})
        if closed:
            air.closed('vial_01')
        air.take(stretch(links=links[None]))
        assert (air.found.samples, air.found.breaches) == (1, breaches)


def test_a_lean_is_told_whatever_way_it_turns() -> None:
    half = math.radians(2.0) / 2.0
    leaning = np.array([0.0, 0.0, 0.0, math.cos(half), math.sin(half), 0.0, 0.0])
    assert float(tilts_of(leaning)) == pytest.approx(math.radians(2.0))


def test_only_vials_of_the_nest_get_a_body() -> None:
    def material(name: str, kind: ContainerKind, location: str) -> Material:
        return Material(
            name=name, kind=kind, capacity_ml=10, content='empty', volume_ml=0, location=location
        )

    kit = [
        material('bag', ContainerKind.BAG, 'fluid_handler'),
        material('vial_1', ContainerKind.VIAL, 'fill_robot/nest'),
        material('vial_2', ContainerKind.VIAL, 'fill_robot/nest'),
    ]
    assert vials_of('B', kit) == {'nest_01': 'B.vial_1', 'nest_02': 'B.vial_2'}


def test_steps_are_whole_and_none_for_the_past() -> None:
    assert [steps_of(value) for value in (0.1, 0.1001, 0.0, -1.0)] == [100, 101, 0, 0]


def physics(**changes: Any) -> PhysicsFigures:
    sound = PhysicsFigures(
        joints=(JointPeak(joint='joint_1', error_rad=0.003, at_s=1.0, near='fill'),),
        placed=1,
        worst=VialPlaced(vial='vial_01', station='handover', off_m=0.0009, tilt_deg=0.9),
        worst_on_the_way=None,
        contacts={'standing': 1, 'unintended': 0},
        unintended=(),
        air_samples=10,
        air_breaches=0,
        air_gap_m=0.02,
        air_first='',
        physics_s=10.0,
        real_time_factor=2.0,
    )
    return replace(sound, **changes)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'worst': VialPlaced(vial='v', station='nest_01', off_m=0.0011, tilt_deg=0)}, '1.10 mm'),
        ({'worst': VialPlaced(vial='v', station='nest_01', off_m=0, tilt_deg=1.1)}, '1.10 deg'),
        ({'unintended': ('a touched b',)}, 'a touched b'),
        ({'lost': 'gzserver has ended with -9'}, 'not all was judged'),
        ({'air_breaches': 1, 'air_first': 'tool was over the open v'}, 'tool was over'),
    ],
)
def test_what_is_out_of_its_limits_is_told(changes: dict[str, Any], words: str) -> None:
    assert physics().failures() == ()
    (told,) = physics(**changes).failures()
    assert words in told


def test_the_figures_are_told_to_people() -> None:
    rows = dict(physics().rows())
    assert rows['tracking error'] == '3.0 mrad at most, joint_1 near fill'
    assert rows['first air'] == '0 breaches in 10 poses, 20.0 mm at least'
