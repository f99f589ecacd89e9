"""What every test of the repository gets: a ROS domain, and a word on the requirements shown."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest
from requirements_trace import OPTION, TraceReporter

from medicell_ros.domain import VARIABLE, own_domain

HELD = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that tells of every requirement."""
    text = 'tell of every requirement whether this run has shown it'
    parser.addoption(OPTION, action='store_true', help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Claim a domain before any test module can start a node."""
    held = ExitStack()
    config.stash[HELD] = held
    os.environ[VARIABLE] = str(held.enter_context(own_domain()))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'
    if not hasattr(config, 'workerinput'):
        config.pluginmanager.register(TraceReporter())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the domain go."""
    config.stash[HELD].close()
