"""What a node has in the ROS graph is what the reference lists, and a lost topic is found."""

from __future__ import annotations

from typing import Any

from system.graph import documented, seen

from .conftest import Probe, until

NAMESPACE = '/cell_1'
JOINT_STATES = f'{NAMESPACE}/fill_robot/joint_states'


def test_node_that_has_lost_a_topic_is_not_as_the_reference_says(
    cell: dict[str, Any], probe: Probe
) -> None:
    wanted = documented(NAMESPACE)['fill_robot']
    until(lambda: seen(probe.node, 'fill_robot', NAMESPACE) == wanted, 'what the reference lists')
    robot = cell['fill_robot']
    (lost,) = (item for item in robot.publishers if item.topic_name == JOINT_STATES)
    robot.destroy_publisher(lost)
    gone = {('Publishes', JOINT_STATES, 'sensor_msgs/msg/JointState')}
    until(lambda: wanted - seen(probe.node, 'fill_robot', NAMESPACE) == gone, 'its loss')
