"""Lets the tests of this folder import their kit, and gives them a bench and plug-ins."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medicell_devices.testing.bench import Bench

sys.path.insert(0, str(Path(__file__).parent))

from plug_ins import plug_ins

__all__ = ['plug_ins']


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Every device of a simulated cell, without ROS."""
    with Bench() as made:
        yield made
