"""Which drivers there are, by name, and how one is made for a role."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import Role
from medicell_devices.contract import Driver
from medicell_devices.settings import Settings
from medicell_sim.port import WorldPort

DriverFactory = Callable[[Role, Settings, WorldPort | None], Driver]
"""Makes the driver of a role; a hardware driver leaves the world's port alone."""

ENTRY_POINTS = 'medicell.drivers'
SIMULATED = 'simulated'

_SIMULATED_CLASSES = {
    Role.FLUID_HANDLER: 'SimulatedFluidHandler',
    Role.INCUBATOR: 'SimulatedIncubator',
    Role.IMAGING: 'SimulatedImaging',
    Role.FILL_ROBOT: 'SimulatedFillRobot',
    Role.PARTICLE_COUNTER: 'SimulatedParticleCounter',
    Role.LABORATORY: 'SimulatedLaboratory',
}


def driver_factories() -> dict[str, DriverFactory]:
    """Return every known driver by name: `simulated`, and the installed entry points."""
    found: dict[str, DriverFactory] = {SIMULATED: simulated}
    for point in entry_points(group=ENTRY_POINTS):
        found.setdefault(point.name, point.load())
    return found


def driver_factory(name: str) -> DriverFactory:
    """Return a driver's factory; raises InputError listing the known ones."""
    known = driver_factories()
    if name not in known:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'driver {name!r} is unknown; known are {", ".join(sorted(known))}',
            field='driver',
        )
    return known[name]


def simulated(role: Role, settings: Settings, port: WorldPort | None) -> Driver:
    """Return the simulated driver of a role; needs a world.

    Only that role's module is loaded: the libraries of images and kinematics are large, and a
    process that serves one device should not hold them all.
    """
    if port is None:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'{role}: the simulated driver needs a world', field='driver'
        )
    module = import_module(f'medicell_devices.simulated.{role.value}')
    made: Driver = getattr(module, _SIMULATED_CLASSES[role])(port, settings)
    return made
