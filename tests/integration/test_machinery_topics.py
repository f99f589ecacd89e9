"""What a simulated device tells of what it moves and sees, for a physics in another process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from medicell_interfaces.action import LoadBay
from medicell_interfaces.msg import Containers
from sensor_msgs.msg import JointState

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode
from medicell_core.operations import Role
from medicell_devices.cell_config import CellConfig
from medicell_devices.simulated.machinery import DOOR_OPEN_RAD
from medicell_devices.testing.bench import kit_of
from medicell_nodes.compose import NodeHost, activate_all, deactivate_all, overrides
from medicell_nodes.device_node import DeviceNode
from medicell_nodes.topic_machinery import TopicMachinery
from medicell_nodes.world_node import WorldNode
from medicell_ros import qos
from medicell_ros.conversion import time_from_message

from .conftest import BATCH, Probe, until

KIT = kit_of(('culture', ContainerKind.VESSEL, 300.0, 'medium', 50.0, 'fluid_handler'))

MakeDevice = Callable[[Role, str], DeviceNode]


@pytest.fixture
def device(config: CellConfig) -> Iterator[MakeDevice]:
    """Make the node of a role, active, beside a world with a kit."""
    hosts: list[tuple[NodeHost, list[Any]]] = []

    def make(role: Role, machinery: str) -> DeviceNode:
        world = WorldNode(config=config, parameter_overrides=overrides(seed=1, rest_pace=0.0))
        node = DeviceNode(
            role,
            config=config,
            port=lambda: world.world,
            parameter_overrides=overrides(machinery=machinery),
        )
        hosts.append((NodeHost([world, node]), [world, node]))
        activate_all([world, node])
        world.world.load(BATCH, KIT, BATCH)
        return node

    yield make
    for host, nodes in hosts:
        deactivate_all(nodes)
        host.close()


def test_door_of_a_bay_is_told_when_it_opens_and_when_it_closes(
    device: MakeDevice, probe: Probe
) -> None:
    heard: list[JointState] = probe.heard(JointState, 'incubator/joint_targets', qos.events())
    node = device(Role.INCUBATOR, 'topic')
    until(lambda: node.count_subscribers('incubator/joint_targets') > 0, 'the listener')
    container = f'{BATCH}.culture'
    result = probe.perform(LoadBay, 'incubator/load_bay', container=container, bay='bay_2').result
    assert result.error_code == ErrorCode.OK, result.error_msg
    until(lambda: len(heard) == 2, 'both targets')
    assert [dict(zip(item.name, item.position, strict=True)) for item in heard] == [
        {'bay_2_door_joint': DOOR_OPEN_RAD},
        {'bay_2_door_joint': 0.0},
    ]
    stamps = [time_from_message(item.header.stamp) for item in heard]
    assert 0.0 < stamps[0] < stamps[1]


def test_robot_tells_what_it_sees_of_vials(device: MakeDevice, probe: Probe) -> None:
    heard: list[Containers] = probe.heard(Containers, 'fill_robot/containers', qos.events())
    node = device(Role.FILL_ROBOT, 'topic')
    until(lambda: node.count_subscribers('fill_robot/containers') > 0, 'the listener')
    machinery: Any = node._machinery
    assert isinstance(machinery, TopicMachinery)
    vial = f'{BATCH}.vial_01'
    machinery.seen(vial, 'beside_nest_01')
    machinery.seen('', 'fill')
    machinery.closed(vial)
    machinery.lost(vial)
    assert machinery.stands(vial, 'fill')
    until(lambda: len(heard) == 4, 'what is seen')
    seen = [item.containers[0] for item in heard]
    assert [(item.name, item.location, item.condition) for item in seen] == [
        ('vial_01', 'fill_robot/beside_nest_01', ''),
        ('', 'fill_robot/fill', ''),
        ('vial_01', '', 'stoppered'),
        ('vial_01', 'floor', ''),
    ]
    assert {item.container for item in seen} == {vial, ''}


def test_device_that_nobody_asks_tells_none_of_it(device: MakeDevice) -> None:
    node = device(Role.INCUBATOR, 'none')
    assert node._machinery is None
    assert node.count_publishers('incubator/joint_targets') == 0
