"""Start the whole cell with the fill robot in Gazebo's physics; RViz and a batch on request."""

from __future__ import annotations

from launch import LaunchDescription

from medicell_bringup.launching.ros_launch import describe


def generate_launch_description() -> LaunchDescription:
    """Return the description `simulation` of the launch plan."""
    return describe('simulation')
