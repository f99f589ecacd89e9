"""Start the orchestrator."""

from __future__ import annotations

from launch import LaunchDescription

from medicell_bringup.launching.ros_launch import describe


def generate_launch_description() -> LaunchDescription:
    """Return the description `orchestrator` of the launch plan."""
    return describe('orchestrator')
