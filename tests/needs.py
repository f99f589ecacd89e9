"""What tests need of the machine: one that lacks it skips them, unless it was promised."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

PROMISED = 'MEDICELL_TESTS_NEED'
"""The environment's variable with the words of `lacking` that must not skip here."""
GAZEBO = 'gazebo'
NETWORK_NAMESPACES = 'network_namespaces'
POSTGRESQL = 'postgresql'
ROS2_LAUNCH = 'ros2_launch'
SMALL_DISK = 'small_disk'
SPHINX = 'sphinx'


def lacking(need: str, reason: str) -> NoReturn:
    """Skip the test for a reason; fail it where the environment promises what it needs."""
    if need in os.environ.get(PROMISED, '').split():
        pytest.fail(f'{PROMISED} names {need}: {reason}')
    pytest.skip(reason)
