"""What every test of the repository gets: a ROS domain of its own process."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from medicell_ros.domain import VARIABLE, own_domain

HELD = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """Claim a domain before any test module can start a node."""
    held = ExitStack()
    config.stash[HELD] = held
    os.environ[VARIABLE] = str(held.enter_context(own_domain()))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the domain go."""
    config.stash[HELD].close()
