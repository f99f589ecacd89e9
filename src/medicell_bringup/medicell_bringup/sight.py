"""What the ROS graph shows of a cell: whether it has a simulated world."""

from __future__ import annotations

from rclpy.node import Node

from medicell_core.operations import Role
from medicell_nodes.world_client import NAME_SUFFIX
from medicell_ros.node_parameters import WORLD
from medicell_ros.peers import Peers

SETTLE_S = 3.0
"""Wall seconds after which a node that DDS has not shown is not there: its announcements' period.

Who is launched with other drivers than the cell's file names has a world, or none, against it.
"""
_SIGNS = (WORLD, *(f'{role}{NAME_SUFFIX}' for role in Role))


def shows_world(node: Node) -> bool:
    """Return whether a node sees the world of its namespace, or a device's client of one."""
    return bool(Peers(node).present(_SIGNS))
