"""Start the devices and, where they are simulated, the world's node."""

from __future__ import annotations

from launch import LaunchDescription

from medicell_bringup.launching.ros_launch import describe


def generate_launch_description() -> LaunchDescription:
    """Return the description `devices` of the launch plan."""
    return describe('devices')
