"""The simulated drivers do what every driver must, and the contract refuses one that does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from plug_ins import PlugIns

from medicell_core.errors import ErrorCode
from medicell_core.operations import Role, Transfer, TransferResult
from medicell_devices import registry
from medicell_devices.contract import OperationContext
from medicell_devices.simulated.fluid_handler import SimulatedFluidHandler
from medicell_devices.testing import Bench, FluidHandlerContract, SimulatedDriverContract
from medicell_devices.testing.refusals import REFUSALS


class TestFluidHandler(FluidHandlerContract):
    driver = registry.SIMULATED


class TestIncubator(SimulatedDriverContract):
    role = Role.INCUBATOR
    driver = registry.SIMULATED


class TestImaging(SimulatedDriverContract):
    role = Role.IMAGING
    driver = registry.SIMULATED


class TestFillRobot(SimulatedDriverContract):
    role = Role.FILL_ROBOT
    driver = registry.SIMULATED


class TestParticleCounter(SimulatedDriverContract):
    role = Role.PARTICLE_COUNTER
    driver = registry.SIMULATED


class TestLaboratory(SimulatedDriverContract):
    role = Role.LABORATORY
    driver = registry.SIMULATED


class Careless(SimulatedFluidHandler):
    """A pump that looks at nothing before it moves, and moves all at once."""

    def transfer(self, goal: Transfer, context: OperationContext) -> TransferResult:
        reading = self._port.pump(
            operation_id=context.owner,
            source=goal.source,
            target=goal.target,
            volume_ml=max(0.0, goal.volume_ml),
            rate_ml_min=goal.rate_ml_min,
        )
        return TransferResult(volume_ml=reading.moved_ml, peak_pressure_kpa=0.0)


CARELESS = """
from medicell_core.operations import Role
from medicell_devices.driver_type import Simulated
from medicell_devices.settings import FluidHandlerSettings
from test_devices_contract import Careless

DRIVER = {Role.FLUID_HANDLER: Simulated(settings=FluidHandlerSettings, make=Careless)}
"""


class Subject(FluidHandlerContract):
    driver = 'careless'


@pytest.mark.parametrize(
    'check',
    [
        lambda bench: Subject().test_wrong_number_is_refused_by_field(bench, 'Transfer'),
        lambda bench: Subject().test_stopped_driver_moves_nothing_until_reset(bench, 'Transfer'),
        lambda bench: Subject().test_driver_that_is_not_connected_refuses(bench, 'Transfer'),
        lambda bench: Subject().test_limit_is_refused_and_nothing_moves(
            bench, next(row for row in REFUSALS if row.name == 'transfer overflows')
        ),
        lambda bench: Subject().test_operation_takes_time_and_reports_a_step(bench, 'Transfer'),
        lambda bench: Subject().test_operation_ends_at_the_next_step(
            bench, 'Transfer', ErrorCode.CANCELLED
        ),
        lambda bench: Subject().test_no_stroke_follows_a_stop(bench),
    ],
)
def test_careless_driver_fails_the_contract(
    plug_ins: PlugIns, check: Callable[[Bench], None]
) -> None:
    plug_ins.add('careless', 'careless_module', CARELESS)
    with (
        Bench(Role.FLUID_HANDLER, 'careless') as bench,
        pytest.raises((AssertionError, pytest.fail.Exception)),
    ):
        check(bench)
