"""The scene's node over real DDS: markers of what was said, joints of the whole cell, rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medicell_interfaces.msg import (
    BatchState,
    BayTelemetry,
    Containers,
    ContainerState,
    DeviceState,
    IncubatorTelemetry,
)
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from medicell_core.containers import Places
from medicell_core.operations import Role
from medicell_core.states import PackMLState
from medicell_devices.arm.path import JointLimits, straight
from medicell_devices.arm.port import ArmTrajectory
from medicell_devices.cell_config import load_cell
from medicell_devices.simulated.machinery import DOOR_OPEN_RAD
from medicell_motion.cell import RobotCell
from medicell_motion.description import parse
from medicell_motion.expansion import expand
from medicell_nodes import scene_markers
from medicell_nodes.scene import SceneNode
from medicell_nodes.topic_arm import trajectory_message
from medicell_ros import qos
from medicell_ros.host import NodeHost

from .conftest import Probe, until

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'config' / 'cell.yaml'
BATCH = 'MC-TEST-0001'


@pytest.fixture(scope='module')
def model() -> Any:
    geometry = ROOT / 'src' / 'medicell_motion' / 'medicell_motion' / 'cell_geometry.yaml'
    return parse(expand(ROOT / 'urdf', geometry=geometry, cell_config=CONFIG))


@pytest.fixture
def scene() -> Iterator[SceneNode]:
    node = SceneNode(config=load_cell(CONFIG, drivers_of=()))
    with NodeHost([node]):
        node.bring_up()
        yield node
        node.bring_down()


@pytest.fixture
def viewer(scene: SceneNode) -> Iterator[Probe]:
    probe = Probe(scene.get_namespace())
    yield probe
    probe.close()


def say(viewer: Probe, kind: Any, topic: str, message: Any, profile: Any) -> None:
    publisher = viewer.node.create_publisher(kind, topic, profile)
    until(lambda: publisher.get_subscription_count() > 0, f'a listener of {topic}')
    publisher.publish(message)


def container(name: str, kind: str, location: str, **more: Any) -> ContainerState:
    given = {'capacity_ml': 500.0, 'volume_ml': 120.0, 'contents': ['medium'], **more}
    return ContainerState(
        container=f'{BATCH}.{name}', name=name, kind=kind, location=location, **given
    )


def texts(array: MarkerArray, namespace: str) -> list[str]:
    return [item.text for item in array.markers if item.ns == namespace and item.text]


def test_markers_say_whose_a_container_is_what_it_holds_and_where(
    scene: SceneNode, viewer: Probe, model: Any
) -> None:
    heard = viewer.heard(MarkerArray, 'scene/markers')
    kit = Containers(
        batch_id=BATCH,
        containers=[
            container('medium_1', 'bag', 'fluid_handler/port_7'),
            container('culture', 'vessel', 'incubator/bay_1'),
            container('vial_01', 'vial', 'fill_robot/nest_01', condition='capped'),
        ],
    )
    say(viewer, Containers, 'orchestrator/containers', kit, qos.latched())
    until(lambda: heard and texts(heard[-1], 'labels'), 'the labels of the containers')
    assert heard[-1].markers[0].action == Marker.DELETEALL
    label = next(text for text in texts(heard[-1], 'labels') if text.startswith('medium_1'))
    assert label.split('\n') == ['medium_1', BATCH, 'medium', '120.0 mL']
    frames = {item.header.frame_id for item in heard[-1].markers[1:]}
    assert {'fluid_handler_port_7', 'incubator_bay_1', 'fill_robot_nest_01'} <= frames
    assert frames <= set(model.links)


def test_a_question_and_the_state_of_a_device_can_be_read(scene: SceneNode, viewer: Probe) -> None:
    heard = viewer.heard(MarkerArray, 'scene/markers')
    state = DeviceState(
        role='incubator', state=int(PackMLState.HELD), fault_code=203, fault_text='door ajar'
    )
    say(viewer, DeviceState, 'incubator/state', state, qos.latched())
    batch = BatchState(
        batch_id=BATCH,
        recipe='r',
        state=int(PackMLState.HELD),
        phase='expansion/fed/grow',
        question_id='Q1',
        question_text='close the door?',
        question_choices=['retry', 'abort'],
    )
    say(viewer, BatchState, 'orchestrator/batch', batch, qos.latched())
    until(lambda: heard and texts(heard[-1], 'batch'), 'the text of the batch')
    assert 'close the door? (retry / abort)' in texts(heard[-1], 'batch')[0]
    said = until(lambda: texts(heard[-1], 'states'), 'the state of the incubator')
    assert said == ['incubator\nHELD\nfault 203: door ajar']
    lamp = next(item for item in heard[-1].markers if item.type == Marker.SPHERE)
    amber = scene_markers.COLOURS[PackMLState.HELD]
    assert (lamp.color.r, lamp.color.g, lamp.color.b) == pytest.approx(amber, abs=1e-6)


def test_motion_is_drawn_with_its_plan_its_room_and_the_air_it_must_leave_alone(
    scene: SceneNode, viewer: Probe, model: Any
) -> None:
    heard = viewer.heard(MarkerArray, 'scene/markers')
    cell = RobotCell.shipped()
    way = straight(cell.home(), cell.grip_posture('nest_05'), _limits(cell))
    told = ArmTrajectory(
        start_s=1.0,
        times_s=way.times_s,
        positions_rad=way.positions_rad,
        velocities_rad_s=np.zeros_like(way.positions_rad),
    )
    open_vial = container('vial_05', 'vial', 'fill_robot/nest_05', condition='filled')
    closed_vial = container('vial_01', 'vial', 'fill_robot/nest_01', condition='capped')
    kit = Containers(batch_id=BATCH, containers=[open_vial, closed_vial])
    say(viewer, Containers, 'orchestrator/containers', kit, qos.latched())
    busy = DeviceState(
        role='fill_robot', state=int(PackMLState.EXECUTE), operation='MoveContainer'
    )
    say(viewer, DeviceState, 'fill_robot/state', busy, qos.latched())
    path = trajectory_message(told)
    say(viewer, JointTrajectory, 'fill_robot/joint_trajectory', path, qos.events())

    def drawn(namespace: str) -> list[Marker]:
        return [item for item in heard[-1].markers if item.ns == namespace]

    until(lambda: heard and drawn('plan'), 'the plan')
    assert {item.header.frame_id for item in heard[-1].markers[1:]} <= set(model.links)
    tip = drawn('plan')[0].points[-1]
    assert [tip.x, tip.y, tip.z] == pytest.approx(
        cell.geometry.stations['nest_05'].position_m.tolist(), abs=1e-6
    )
    assert len(drawn('swept')) == 4
    assert all(item.color.a < 0.5 for item in (*drawn('swept'), *drawn('air')))
    assert [item.header.frame_id for item in drawn('air')] == ['fill_robot_nest_05']
    rest = DeviceState(role='fill_robot', state=int(PackMLState.IDLE))
    say(viewer, DeviceState, 'fill_robot/state', rest, qos.latched())
    until(lambda: not drawn('plan'), 'the end of the motion')


def _limits(cell: RobotCell) -> JointLimits:
    arm = cell.geometry.arm
    return JointLimits(
        velocity=np.asarray(arm.max_velocity_rad_s),
        acceleration=np.asarray(arm.max_acceleration_rad_s2),
        jerk=np.asarray(arm.max_jerk_rad_s3),
    )


def test_joint_states_have_every_moving_joint_of_the_model(
    scene: SceneNode, viewer: Probe, model: Any
) -> None:
    heard = viewer.heard(JointState, 'joint_states', qos.telemetry())
    until(lambda: heard, 'joint states of a cell at rest')
    assert sorted(heard[-1].name) == list(model.moving_joints)
    climate = IncubatorTelemetry(bays=[BayTelemetry(bay='bay_2', door_open=True)])
    say(viewer, IncubatorTelemetry, 'incubator/telemetry', climate, qos.telemetry())
    arm = JointState(name=['joint_2'], position=[0.7])
    say(viewer, JointState, 'fill_robot/joint_states', arm, qos.telemetry())

    def angles() -> dict[str, float]:
        return dict(zip(heard[-1].name, heard[-1].position, strict=True))

    until(lambda: angles()['bay_2_door_joint'] == DOOR_OPEN_RAD, 'the open door')
    until(lambda: angles()['joint_2'] == 0.7, 'the arm')
    driven = JointState(name=['stage_x_joint'], position=[0.004])
    say(viewer, JointState, 'imaging/joint_targets', driven, qos.events())
    until(lambda: angles()['stage_x_joint'] == 0.004, 'the stage')
    assert angles()['bay_1_door_joint'] == 0.0


def test_a_cell_at_rest_draws_its_markers_once(scene: SceneNode, viewer: Probe) -> None:
    markers = viewer.heard(MarkerArray, 'scene/markers')
    joints = viewer.heard(JointState, 'joint_states', qos.telemetry())
    until(lambda: len(joints) >= 3, 'three looks at a cell at rest')
    assert len(markers) == 1


def test_every_place_of_the_cell_is_a_frame_of_the_model(model: Any) -> None:
    places = Places()
    for location, count in (
        ('fluid_handler', 20),
        ('imaging', 24),
        ('laboratory', 16),
        ('fill_robot/nest', 24),
    ):
        for _ in range(count):
            assert scene_markers.frame_of(places.take(location)) in model.links
    for bay in load_cell(CONFIG, drivers_of=()).incubator.bays:
        assert scene_markers.frame_of(f'incubator/{bay}') in model.links
    for role in (*(str(item) for item in Role), 'orchestrator'):
        assert f'{role}_lamp' in model.links
