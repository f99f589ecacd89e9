"""What the author of a driver tests it with: a bench, goals, and the contract as tests.

In a test file, three lines prove a driver:

    class TestMyPump(FluidHandlerContract):
        driver = 'my_pump'

`SimulatedDriverContract` takes a `role` too; `DriverContract` holds what a driver of hardware
must do as well.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    'medicell_devices.testing.bench', 'medicell_devices.testing.contract'
)

from medicell_devices.testing.bench import Bench  # noqa: E402
from medicell_devices.testing.contract import (  # noqa: E402
    DriverContract,
    FluidHandlerContract,
    SimulatedDriverContract,
)

__all__ = ['Bench', 'DriverContract', 'FluidHandlerContract', 'SimulatedDriverContract']
