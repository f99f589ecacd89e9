"""Gazebo 11 behind the topics of an arm: a vial filled under physics, wrong messages, its end."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medicell_interfaces.action import MoveContainer, ProcessVial
from medicell_interfaces.msg import BodyContacts, Containers, ContainerState
from needs import GAZEBO, lacking
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String, UInt8MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from medicell_core.containers import ContainerKind, label_text
from medicell_core.errors import ErrorCode
from medicell_core.operations import Role
from medicell_core.serialise import loads
from medicell_devices.cell_config import load_cell
from medicell_devices.simulated.machinery import DOWN_M
from medicell_devices.testing.bench import kit_of
from medicell_gazebo import gazebo11
from medicell_gazebo.by_hand import ASIDE_M
from medicell_gazebo.figures import Stations
from medicell_gazebo.harmonic import nest_world
from medicell_gazebo.pose_log import PoseLog
from medicell_gazebo.sdf import Release
from medicell_gazebo.world import SPARE
from medicell_motion.cell import RobotCell
from medicell_nodes.compose import activate_all, deactivate_all, overrides
from medicell_nodes.device_node import DeviceNode
from medicell_nodes.gazebo_making import arm_maker
from medicell_nodes.gazebo_node import GazeboNode
from medicell_nodes.world_node import WorldNode
from medicell_record.motion import Motion, PhysicsFigures
from medicell_ros import qos
from medicell_ros.conversion import time_from_message
from medicell_ros.host import NodeHost

from .conftest import BATCH, ROOT, Probe, until

pytestmark = pytest.mark.gazebo

PACE = 2.0
LATE_S = 0.5
"""Less than the fault delays a joint state by."""
NOT_PREPARED = '`./medicell exec python -m medicell_gazebo prepare` was not run'
TIMEOUT_S = 300.0
"""Wall seconds for a vial on a busy machine."""
BODY_S = 120.0
"""The same for what has a body to be told with the poses."""
VIAL, OTHER_VIAL = f'{BATCH}.vial_01', f'{BATCH}.vial_02'
KIT = kit_of(
    ('vial_01', ContainerKind.VIAL, 10.0, 'empty', 0.0, 'fill_robot/nest'),
    ('vial_02', ContainerKind.VIAL, 10.0, 'empty', 0.0, 'fill_robot/nest'),
    ('product', ContainerKind.BAG, 200.0, 'medium', 60.0, 'fluid_handler'),
)


WALL = """
<model name="wall">
  <static>true</static>
  <pose>0.50 -1.40 1.20 0 0 0</pose>
  <link name="wall">
    <collision name="pane"><geometry><box><size>0.30 0.02 0.50</size></box></geometry></collision>
  </link>
</model>
"""


class Cell:
    """The world, the fill robot with an arm behind topics, Gazebo's node, and a test's."""

    def __init__(
        self, world: Path | None = None, *, late_s: float = 2.0, rest_pace: float = 0.0
    ) -> None:
        config = load_cell(ROOT / 'config' / 'cell.yaml')
        # A busy machine may bring a joint state late; what is judged here is the physics.
        arm = config.fill_robot.arm.model_copy(
            update={'joint_state_late_s': late_s, 'joint_state_lost_s': 4.0}
        )
        robot = config.fill_robot.model_copy(update={'arm': arm})
        config = config.model_copy(update={'fill_robot': robot})
        self.world = WorldNode(
            config=config, parameter_overrides=overrides(seed=1, speed=0.0, rest_pace=rest_pace)
        )
        self.robot = DeviceNode(
            Role.FILL_ROBOT,
            config=config,
            port=lambda: self.world.world,
            parameter_overrides=overrides(arm='topic', arm_pace=PACE, machinery='topic'),
        )
        file = overrides(world=None if world is None else str(world))
        self.gazebo = GazeboNode(config=config, parameter_overrides=file)
        self.nodes = [self.world, self.robot, self.gazebo]
        self.host = NodeHost(self.nodes)
        self.lost: list[Exception] = []
        self.gazebo.on_failure = self.lost.append
        self.probe = Probe(config.cell)
        self.joints = self.probe.heard(JointState, 'fill_robot/joint_states', qos.telemetry())
        self.contacts = self.probe.heard(BodyContacts, 'gazebo/contacts')
        self.motion = self.probe.heard(String, 'gazebo/motion')
        self.poses = self.probe.heard(UInt8MultiArray, 'gazebo/poses')
        self.clock = self.probe.heard(Clock, 'gazebo/clock', qos.clock())
        activate_all(self.nodes)
        self.world.world.load(BATCH, KIT, BATCH)
        self.told = self.probe.node.create_publisher(
            Containers, 'orchestrator/containers', qos.latched()
        )
        self.tell('nest_01', 'nest_02')
        until(lambda: self.gazebo._batch == BATCH, 'the vials of the batch')

    def tell(self, *stations: str) -> None:
        """Say where the vials are, as the orchestrator does."""
        vials = [
            ContainerState(
                container=f'{BATCH}.{name}',
                name=name,
                kind='vial',
                location=f'fill_robot/{station}',
            )
            for name, station in zip(('vial_01', 'vial_02'), stations, strict=True)
        ]
        self.told.publish(Containers(batch_id=BATCH, containers=vials))

    def move(self, vial: str, station: str) -> None:
        """Have the robot move a vial."""
        goal = self.probe.send(
            MoveContainer, 'fill_robot/move_container', container=vial, station=station
        )
        self.probe.wait_for(goal.operation_id)
        result = goal.result(TIMEOUT_S).result
        assert (result.error_code, result.error_msg) == (ErrorCode.OK, '')

    def figures(self) -> PhysicsFigures:
        """Return what the physics has shown, by the newest message."""
        physics = loads(Motion, self.motion[-1].data).physics
        assert physics is not None
        return physics

    def log(self, folder: Path) -> PoseLog:
        """Return the poses that were measured, by the newest message."""
        file = folder / 'poses.npz'
        file.write_bytes(bytes(self.poses[-1].data))
        return PoseLog.read(file)

    def failed_move(self, fault: str, code: ErrorCode) -> str:
        """Return the text with which a move fails that a fault strikes."""
        self.world.world.inject(fault, 'test')
        goal = self.probe.send(
            MoveContainer, 'fill_robot/move_container', container=VIAL, station='fill'
        )
        self.probe.wait_for(goal.operation_id)
        result = goal.result(TIMEOUT_S).result
        self.probe.wait_for()
        assert result.error_code == code, result.error_msg
        return str(result.error_msg)

    def way_m(self, folder: Path) -> float:
        """Return how far the first vial is from its place in the nest; NaN before it is told."""
        log = self.log(folder)
        if 'vial_01' not in log.vials or not len(log.poses):
            return math.nan
        here_m = log.poses[-1, log.vials.index('vial_01'), :3]
        place_m = Stations(RobotCell.shipped()).place_m('nest_01')
        return float(np.linalg.norm(here_m - place_m))

    def touched(self) -> set[frozenset[str]]:
        """Return which links have touched."""
        return {
            frozenset(body.split('::')[1] for body in item.bodies)
            for item in self.contacts[-1].contacts
        }

    def close(self) -> None:
        self.probe.close()
        deactivate_all(self.nodes)
        self.host.close()


@pytest.fixture
def gazebo_11() -> None:
    if gazebo11.found() is None:
        lacking(GAZEBO, NOT_PREPARED)


@pytest.fixture
def cell(gazebo_11: None) -> Iterator[Cell]:
    made = Cell()
    yield made
    made.close()


@pytest.fixture
def walled(gazebo_11: None, tmp_path: Path) -> Iterator[Cell]:
    """A cell in a user's own world, with a wall across the way from the nest to the needle."""
    file = tmp_path / 'own.world'
    text = nest_world(2, Release.GAZEBO_11)
    assert text.count('</world>') == 1
    file.write_text(text.replace('</world>', f'{WALL}</world>'), encoding='utf-8')
    made = Cell(file)
    yield made
    made.close()


def gazebo_pid(cell: Cell) -> int:
    physics: Any = cell.gazebo._physics
    return int(physics._gazebo.pid)


def test_vial_is_filled_under_physics_behind_the_topics_of_an_arm(
    cell: Cell, tmp_path: Path
) -> None:
    goal = cell.probe.send(
        ProcessVial,
        'fill_robot/process_vial',
        source=f'{BATCH}.product',
        vial=VIAL,
        volume_ml=2.0,
        label_text=label_text(BATCH, VIAL),
        station='handover',
    )
    cell.probe.wait_for(goal.operation_id)
    result = goal.result(TIMEOUT_S).result
    assert (result.error_code, result.error_msg) == (ErrorCode.OK, '')
    assert (result.moves, result.measured_breaches, result.station) == (5, 0, 'handover')
    assert cell.world.world.truth(VIAL).volume_ml == pytest.approx(2.0, rel=0.02)
    stamps = [time_from_message(item.header.stamp) for item in cell.joints]
    assert stamps == sorted(stamps)
    assert all(math.isfinite(value) for item in cell.joints for value in item.position)
    assert {'fill_robot_finger_left', 'vial'} in cell.touched()
    assert {'fill_robot_handover', 'vial'} in cell.touched()
    until(lambda: cell.figures().placed >= 4, 'the vial to be measured where it was put down')
    figures = cell.figures()
    assert figures.failures() == ()
    assert (figures.contacts['stoppering'], figures.contacts['crimping']) == (1, 1)
    assert figures.air_samples > 1000
    assert 0.0 < figures.air_gap_m < 0.1
    last_s = stamps[-1] - 0.5
    until(lambda: cell.log(tmp_path).times_s[-1] >= last_s, 'the poses at the end', BODY_S)
    log = cell.log(tmp_path)
    for joint, down_m in DOWN_M.items():
        at_m = log.positions[:, log.joints.index(joint)]
        assert at_m.max() == pytest.approx(down_m, abs=1e-3), joint
        assert at_m[-1] == pytest.approx(0.0, abs=1e-3), joint
    assert set(log.vials) == {'vial_01', 'vial_02'}
    ran_s = time_from_message(cell.clock[-1].clock)
    assert 1.0 < ran_s <= stamps[-1] - stamps[0] + 1.0


def test_wrong_trajectory_is_told_and_the_arm_stays(cell: Cell) -> None:
    wrong = JointTrajectory(joint_names=['joint_1'])
    wrong.points = [JointTrajectoryPoint(positions=[0.5])]
    cell.gazebo._follow(wrong)
    cell.move(VIAL, 'fill')


def test_second_vial_is_handed_over_where_the_first_was(cell: Cell) -> None:
    cell.move(VIAL, 'handover')
    cell.tell('handover', 'nest_02')
    until(lambda: 'vial_01' not in cell.gazebo._standing, 'the first vial to be handed over')
    cell.move(OTHER_VIAL, 'handover')
    cell.tell('handover', 'handover')
    until(lambda: not cell.gazebo._standing, 'the second vial to be handed over')
    assert {'fill_robot_handover', 'vial'} in cell.touched()
    assert {'vial'} not in cell.touched(), 'the vials touched'


def test_vials_of_a_file_stand_on_their_pedestals_without_a_collision(
    gazebo_11: None, tmp_path: Path
) -> None:
    file = tmp_path / 'own.world'
    file.write_text(nest_world(2, Release.GAZEBO_11), encoding='utf-8')
    now_s = 0.0
    make = arm_maker(load_cell(ROOT / 'config' / 'cell.yaml'), file)
    gazebo, arm, _ = make({}, lambda: now_s)
    with gazebo:
        now_s = 0.5
        assert arm.collision() == ''
        stood = {body.split('::')[0] for item in arm.contacts for body in item.bodies}
    assert stood >= {'vial_01', 'vial_02'}


@pytest.mark.parametrize(
    ('fault', 'code', 'named'),
    [
        ('joint_stalled', ErrorCode.JOINT_STALLED, 'joint_2 stands at'),
        ('joint_state_late', ErrorCode.JOINT_STATE_LATE, 's old'),
        ('joint_state_lost', ErrorCode.JOINT_STATE_LOST, 'no joint state has come'),
    ],
)
def test_fault_of_the_robot_strikes_behind_the_topics_of_an_arm(
    gazebo_11: None, fault: str, code: ErrorCode, named: str
) -> None:
    with closing(Cell(late_s=LATE_S if code is ErrorCode.JOINT_STATE_LATE else 2.0)) as cell:
        assert named in cell.failed_move(fault, code)


def test_vial_that_was_left_over_stands_in_the_physics(gazebo_11: None, tmp_path: Path) -> None:
    with closing(Cell(rest_pace=1.0)) as cell:
        assert 'fill holds' in cell.failed_move('station_blocked', ErrorCode.STATION_OCCUPIED)
        until(lambda: SPARE in cell.log(tmp_path).vials, 'its body', BODY_S)
        assert cell.figures().failures() == ()


def test_vial_beside_its_place_stands_there_and_is_put_back(
    gazebo_11: None, tmp_path: Path
) -> None:
    fault = 'vial_out_of_reach'
    with closing(Cell(rest_pace=1.0)) as cell:
        assert 'beside_nest_01' in cell.failed_move(fault, ErrorCode.OUT_OF_REACH)
        there = pytest.approx(ASIDE_M, abs=1e-3)
        until(lambda: cell.way_m(tmp_path) == there, 'its body', BODY_S)
        cell.world.world.remedy(fault)
        cell.move(VIAL, 'fill')
        assert cell.figures().failures() == ()


def test_wall_in_the_way_ends_the_move_with_both_bodies(walled: Cell) -> None:
    goal = walled.probe.send(
        MoveContainer, 'fill_robot/move_container', container=VIAL, station='fill'
    )
    walled.probe.wait_for(goal.operation_id)
    result = goal.result(TIMEOUT_S).result
    assert result.error_code == ErrorCode.COLLISION, result.error_msg
    assert 'wall::wall::pane' in result.error_msg
    assert 'fill_robot::' in result.error_msg
    until(lambda: walled.figures().unintended, 'the collision in the figures')
    assert 'wall::wall::pane' in walled.figures().failures()[0]


def test_killed_gazebo_ends_the_move_and_the_node(cell: Cell) -> None:
    goal = cell.probe.send(
        MoveContainer, 'fill_robot/move_container', container=VIAL, station='fill'
    )
    cell.probe.wait_for(goal.operation_id)
    until(lambda: any(item.step.startswith('carrying') for item in goal.feedback), 'carrying', 120)
    os.kill(gazebo_pid(cell), signal.SIGKILL)
    result = goal.result(TIMEOUT_S).result
    assert result.error_code == ErrorCode.JOINT_STATE_LOST, result.error_msg
    until(lambda: cell.lost, 'the node to give up')
    assert 'gzserver has ended with -9' in str(cell.lost[0])
    until(lambda: 'gzserver has ended with -9' in cell.figures().lost, 'its end in the figures')
