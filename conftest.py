"""What every test gets: a ROS domain, default signals, a cache, a turn, word on requirements."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from requirements_trace import OPTION, TraceReporter

from medicell_ros.domain import VARIABLE, own_domain

HELD = pytest.StashKey[ExitStack]()
CACHE = 'XDG_CACHE_HOME'
STATE = 'XDG_STATE_HOME'
GAZEBO_CACHE = 'MEDICELL_GAZEBO_CACHE'
SYSTEM = Path(__file__).parent / 'tests' / 'system'
DEFAULTS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGQUIT: signal.SIG_DFL,
}
"""What the signals do that nohup and shells that start jobs in the background have ignored."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that tells of every requirement."""
    text = 'tell of every requirement whether this run has shown it'
    parser.addoption(OPTION, action='store_true', help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Claim a domain before any test module can start a node, and what else a run has its own."""
    _undo_ignored_signals()
    held = ExitStack()
    config.stash[HELD] = held
    os.environ[VARIABLE] = str(held.enter_context(own_domain()))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'
    if not hasattr(config, 'workerinput'):
        # Gazebo is prepared once, not for each run: tests take the user's.
        user = Path(os.environ.get(CACHE) or Path.home() / '.cache')
        os.environ.setdefault(GAZEBO_CACHE, str(user / 'medicell' / 'gazebo'))
        # Workers, and all processes of tests, inherit the one cache of the run.
        os.environ[CACHE] = held.enter_context(
            tempfile.TemporaryDirectory(prefix='medicell_cache_', ignore_cleanup_errors=True)
        )
        # Records of tests are signed by a key of their own, and leave no trace with the user's.
        os.environ[STATE] = held.enter_context(
            tempfile.TemporaryDirectory(prefix='medicell_state_', ignore_cleanup_errors=True)
        )
        config.pluginmanager.register(TraceReporter())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have workers begin with whole batches: at the end none of them waits for another's."""
    if hasattr(config, 'workerinput'):
        items.sort(key=lambda item: SYSTEM not in item.path.parents)


def _undo_ignored_signals() -> None:
    """Give signals back their default: tests send them to processes, which inherit it."""
    for number, default in DEFAULTS.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let domain and cache go."""
    config.stash[HELD].close()
