"""An arm behind topics, played by a small controller; stops and pace as a client sees them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from medicell_interfaces.action import MoveContainer, ProcessVial
from medicell_interfaces.msg import BodyContact, BodyContacts, FillRobotTelemetry
from medicell_interfaces.srv import ProtectiveStop, ResumeMotion
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from medicell_core.containers import ContainerKind, label_text
from medicell_core.errors import ErrorCode
from medicell_core.operations import Role
from medicell_devices.arm.port import GRIPPER, GRIPPER_OPEN_M
from medicell_devices.arm.settings import ArmSettings
from medicell_devices.cell_config import load_cell
from medicell_devices.testing.bench import kit_of
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell
from medicell_nodes.compose import activate_all, deactivate_all, overrides
from medicell_nodes.device_node import DeviceNode
from medicell_nodes.world_node import WorldNode
from medicell_ros import qos
from medicell_ros.conversion import time_from_message, time_to_message
from medicell_ros.host import NodeHost

from .conftest import BATCH, ROOT, Probe, until

SPEED = 2.0
"""Cell time over wall time."""
LEAPS = 0.0
PACE = 4.0
"""Cell time over wall time that the controller of these tests follows."""
PERIOD_S = 0.02
TIMEOUT_S = 60.0
KIT = kit_of(
    ('vial_01', ContainerKind.VIAL, 10.0, 'empty', 0.0, 'fill_robot/nest'),
    ('product', ContainerKind.BAG, 200.0, 'medium', 60.0, 'fluid_handler'),
)


class Controller:
    """Follows trajectories as ros2_control's controller does, and tells the joints."""

    def __init__(self, namespace: str, now_s: Callable[[], float]) -> None:
        self.node = Node('controller', namespace=namespace)
        self.silent = self.jammed = self.unstamped = False
        self.heard: list[JointTrajectory] = []
        self.grips: list[float] = []
        self._now_s = now_s
        self._finger = GRIPPER_OPEN_M
        self._rest = RobotCell.shipped().home()
        self._states = self.node.create_publisher(
            JointState, 'fill_robot/joint_states', qos.telemetry()
        )
        self._collisions = self.node.create_publisher(
            BodyContacts, 'fill_robot/collisions', qos.events()
        )
        self.node.create_subscription(
            JointTrajectory, 'fill_robot/joint_trajectory', self.heard.append, qos.events()
        )
        self.node.create_subscription(
            JointTrajectory, 'fill_robot/gripper_trajectory', self._grip, qos.events()
        )
        wall = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(PERIOD_S, self._tell, clock=wall)

    def touches(self, one: str, other: str, *, force_n: float) -> None:
        """Tell that two bodies touch which must not."""
        contact = BodyContact(bodies=[one, other], first=time_to_message(12.5), force_n=force_n)
        self._collisions.publish(BodyContacts(contacts=[contact]))

    def _grip(self, message: JointTrajectory) -> None:
        self.grips.append(message.points[-1].positions[0])
        if not self.jammed:
            self._finger = self.grips[-1]

    def _tell(self) -> None:
        now_s = self._now_s()
        if self.silent:
            return
        state = JointState(name=[GRIPPER, *reversed(JOINT_NAMES)])
        if not self.unstamped:
            state.header.stamp = time_to_message(now_s)
        state.position = [self._finger, *reversed(self._joints(now_s).tolist())]
        force_n = 15.0 if self._finger == 0.0 else 0.0
        state.effort = [force_n, *[0.0] * len(JOINT_NAMES)]
        self._states.publish(state)

    def _joints(self, now_s: float) -> np.ndarray:
        if not self.heard:
            return self._rest
        told = self.heard[-1]
        since_s = now_s - time_from_message(told.header.stamp)
        times = [
            item.time_from_start.sec + item.time_from_start.nanosec * 1e-9 for item in told.points
        ]
        rows = np.array([list(item.positions) for item in told.points])
        return np.array([np.interp(since_s, times, column) for column in rows.T])


class Robot:
    """The world, the fill robot's node, and a test's node beside them."""

    def __init__(self, arm: str, *, speed: float = SPEED, **parameters: Any) -> None:
        config = load_cell(ROOT / 'config' / 'cell.yaml')
        settings = ArmSettings(joint_state_late_s=1.0, joint_state_lost_s=2.0, stall_window_s=1.0)
        robot = config.fill_robot.model_copy(update={'arm': settings})
        config = config.model_copy(update={'fill_robot': robot})
        self.world = WorldNode(
            config=config, parameter_overrides=overrides(seed=1, speed=speed, rest_pace=0.0)
        )
        self.node = DeviceNode(
            Role.FILL_ROBOT,
            config=config,
            port=lambda: self.world.world,
            parameter_overrides=overrides(arm=arm, **parameters),
        )
        self.host = NodeHost([self.world, self.node])
        activate_all([self.world, self.node])
        self.probe = Probe(config.cell)
        self.controller: Controller | None = None
        if arm == 'topic':
            self.controller = Controller(config.cell, self.world.world.now_s)
            self.host.add(self.controller.node)
        self.world.world.load(BATCH, KIT, BATCH)

    def move(self, station: str = 'fill') -> Any:
        """Send a move of the vial and let time go on for it."""
        goal = self.probe.send(
            MoveContainer,
            'fill_robot/move_container',
            container=f'{BATCH}.vial_01',
            station=station,
        )
        self.probe.wait_for(goal.operation_id)
        return goal

    def under_way(self, goal: Any) -> None:
        """Wait until the vial is being carried."""
        until(
            lambda: any(item.step.startswith('carrying') for item in goal.feedback),
            'the vial under way',
            TIMEOUT_S,
        )

    def close(self) -> None:
        self.probe.close()
        deactivate_all([self.world, self.node])
        self.host.close()


@pytest.fixture
def behind_topics() -> Iterator[Robot]:
    robot = _heard(Robot('topic', arm_pace=PACE))
    yield robot
    robot.close()


@pytest.fixture
def in_leaps() -> Iterator[Robot]:
    """A cell that leaps in time, with an arm that moves by the wall."""
    robot = _heard(Robot('topic', speed=LEAPS, arm_pace=PACE))
    yield robot
    robot.close()


def _heard(robot: Robot) -> Robot:
    """Return a robot whose controller is heard."""
    arm: Any = robot.node._extras
    until(lambda: len(arm._topic_arm.samples(0.0).times_s), 'joint states')
    return robot


@pytest.fixture
def built_in() -> Iterator[Robot]:
    robot = Robot('builtin', telemetry_period_s=0.5, speed_override_pct=80.0)
    yield robot
    robot.close()


def test_arm_behind_topics_carries_a_vial_by_trajectories_and_joint_states(
    behind_topics: Robot,
) -> None:
    controller = behind_topics.controller
    assert controller is not None
    answer = behind_topics.move().result()
    assert (answer.result.error_code, answer.result.error_msg) == (ErrorCode.OK, '')
    assert answer.result.measured_samples > 20
    assert answer.result.measured_breaches == 0
    until(lambda: controller.grips == [0.0, GRIPPER_OPEN_M], 'the fingers to be let open')
    for told in controller.heard:
        assert tuple(told.joint_names) == JOINT_NAMES
        assert list(told.points[-1].velocities) == pytest.approx([0.0] * 6)
    assert behind_topics.probe.node.count_publishers('fill_robot/joint_states') == 1


def test_arm_behind_topics_that_tells_of_a_collision_ends_the_move_with_both_bodies(
    behind_topics: Robot,
) -> None:
    controller = behind_topics.controller
    assert controller is not None
    goal = behind_topics.move()
    behind_topics.under_way(goal)
    controller.touches('cell::wall::pane', 'fill_robot::link_4::body', force_n=math.nan)
    result = goal.result().result
    assert result.error_code == ErrorCode.COLLISION
    assert 'cell::wall::pane touched fill_robot::link_4::body at 12.500 s' in result.error_msg
    assert behind_topics.move().result().result.error_code == ErrorCode.OK, 'it was told twice'


def test_arm_behind_topics_fills_a_vial_in_a_cell_that_leaps_in_time(in_leaps: Robot) -> None:
    controller, world = in_leaps.controller, in_leaps.world.world
    assert controller is not None
    begun_s, begun_wall_s = world.now_s(), time.monotonic()
    vial = f'{BATCH}.vial_01'
    goal = in_leaps.probe.send(
        ProcessVial,
        'fill_robot/process_vial',
        source=f'{BATCH}.product',
        vial=vial,
        volume_ml=2.0,
        label_text=label_text(BATCH, vial),
        station='handover',
    )
    in_leaps.probe.wait_for(goal.operation_id)
    result = goal.result(TIMEOUT_S).result
    assert (result.error_code, result.error_msg) == (ErrorCode.OK, '')
    assert (result.moves, result.measured_breaches, result.station) == (5, 0, 'handover')
    assert world.truth(vial).volume_ml == pytest.approx(2.0, rel=0.02)
    until(lambda: len(controller.grips) == 10, 'the fingers to be let open')
    moved_s = sum(_duration_s(item) for item in controller.heard)
    wall_s = time.monotonic() - begun_wall_s
    assert moved_s / PACE < wall_s < (world.now_s() - begun_s) * 2.0


def _duration_s(told: JointTrajectory) -> float:
    last = told.points[-1].time_from_start
    return float(last.sec + last.nanosec * 1e-9)


def test_lost_stream_of_joint_states_stops_the_arm_and_the_move_goes_on_after_it(
    behind_topics: Robot,
) -> None:
    controller = behind_topics.controller
    assert controller is not None
    goal = behind_topics.move()
    behind_topics.under_way(goal)
    controller.silent = True
    assert goal.result().result.error_code == ErrorCode.JOINT_STATE_LOST
    assert list(controller.heard[-1].points[-1].velocities) == pytest.approx([0.0] * 6)
    stood = list(controller.heard[-1].points[-1].positions)
    told = len(controller.heard)
    controller.silent = False
    answer = behind_topics.move().result()
    assert (answer.result.error_code, answer.result.error_msg) == (ErrorCode.OK, '')
    assert list(controller.heard[told].points[0].positions) == pytest.approx(stood, abs=0.01)


def test_joint_states_without_a_stamp_are_refused_by_the_name_of_the_field(
    behind_topics: Robot,
) -> None:
    controller = behind_topics.controller
    assert controller is not None
    goal = behind_topics.move()
    behind_topics.under_way(goal)
    controller.unstamped = True
    answer = goal.result().result
    assert answer.error_code == ErrorCode.JOINT_STATE_LOST
    assert 'header.stamp is 0' in answer.error_msg
    controller.unstamped = False
    assert behind_topics.move().result().result.error_code == ErrorCode.OK


def test_hand_whose_fingers_do_not_open_goes_nowhere(behind_topics: Robot) -> None:
    controller = behind_topics.controller
    assert controller is not None
    goal = behind_topics.move()
    behind_topics.under_way(goal)
    controller.jammed = True
    assert goal.result().result.error_code == ErrorCode.OK
    told = len(controller.heard)
    answer = behind_topics.move('nest_01').result().result
    assert answer.error_code == ErrorCode.GOAL_NOT_REACHED, answer.error_msg
    assert answer.error_msg.startswith('the fingers do not open: by 0.0 mm')
    assert len(controller.heard) == told
    controller.jammed, controller._finger = False, GRIPPER_OPEN_M
    assert behind_topics.move('nest_01').result().result.error_code == ErrorCode.OK


def test_protective_stop_answers_with_its_time_and_resume_ends_the_move(
    behind_topics: Robot,
) -> None:
    probe = behind_topics.probe
    goal = behind_topics.move()
    behind_topics.under_way(goal)
    stopped = probe.call(
        ProtectiveStop, 'fill_robot/protective_stop', ProtectiveStop.Request(reason='test')
    )
    assert (stopped.error_code, stopped.error_msg) == (0, '')
    assert 0.0 <= stopped.stopping_time_s < 1.5
    resumed = probe.call(ResumeMotion, 'fill_robot/resume_motion', ResumeMotion.Request())
    assert resumed.error_code == 0
    assert goal.result().result.error_code == ErrorCode.OK


def test_built_in_arm_tells_joints_while_it_moves_and_keeps_the_pace_that_is_set(
    built_in: Robot,
) -> None:
    probe = built_in.probe
    joints = probe.heard(JointState, 'fill_robot/joint_states', qos.telemetry())
    paths = probe.heard(JointTrajectory, 'fill_robot/joint_trajectory', qos.events())
    readings = probe.heard(FillRobotTelemetry, 'fill_robot/telemetry', qos.telemetry())
    until(lambda: probe.node.count_publishers('fill_robot/joint_states'), 'the publisher')
    goal = built_in.move()
    built_in.under_way(goal)
    until(lambda: readings and readings[-1].speed_override_pct == 80.0, 'the pace at the start')
    pace = Parameter('speed_override_pct', value=100.0)
    assert all(item.successful for item in built_in.node.set_parameters([pace]))
    until(lambda: readings[-1].speed_override_pct == 100.0, 'the new pace')
    refused = built_in.node.set_parameters([Parameter('speed_override_pct', value=0.5)])
    assert not any(item.successful for item in refused)
    assert goal.result().result.error_code == ErrorCode.OK
    assert paths
    stamps = [time_from_message(item.header.stamp) for item in joints]
    assert len(stamps) > 40
    assert joints[-1].name == [*JOINT_NAMES, GRIPPER]
    assert {round(item.position[-1], 4) for item in joints} == {0.0, GRIPPER_OPEN_M}
    assert any(item.gripper_holds for item in readings)
