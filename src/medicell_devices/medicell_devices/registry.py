"""Which drivers there are, by name: the simulated one, and what installed packages bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version

from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import Role
from medicell_devices.contract import Driver
from medicell_devices.driver_type import DriverOfRole, DriverType, Hardware, Simulated
from medicell_devices.settings import ROLE_SETTINGS, Settings
from medicell_sim.port import WorldPort

ENTRY_POINTS = 'medicell.drivers'
"""The entry-point group under which a package names its drivers."""
SIMULATED = 'simulated'
"""The driver that is always there, in every role."""
OWN_PACKAGE = 'medicell_devices'
"""The package that brings it."""

_SIMULATED_CLASSES = {
    Role.FLUID_HANDLER: 'SimulatedFluidHandler',
    Role.INCUBATOR: 'SimulatedIncubator',
    Role.IMAGING: 'SimulatedImaging',
    Role.FILL_ROBOT: 'SimulatedFillRobot',
    Role.PARTICLE_COUNTER: 'SimulatedParticleCounter',
    Role.LABORATORY: 'SimulatedLaboratory',
}


def driver_names() -> list[str]:
    """Return the names of all drivers, `simulated` first; no driver's package is imported."""
    brought = {point.name for point in entry_points(group=ENTRY_POINTS)}
    return [SIMULATED, *sorted(brought - {SIMULATED})]


def driver_of(role: Role, name: str) -> DriverOfRole:
    """Return how a driver is made in a role.

    Only a driver that is asked for by name is looked up among the installed packages and
    imported. Raises InputError for a name that is unknown or taken twice, a package that cannot
    be imported (with its cause) or names no driver, and for a role that the driver has not.
    """
    if name == SIMULATED:
        return Simulated(settings=ROLE_SETTINGS[role], make=_simulated(role))
    served = _load(_entry_point(name))
    if role not in served:
        roles = ', '.join(sorted(served))
        raise _refused(f'{name!r} does not serve the {role}; it serves {roles}')
    return served[role]


def package_of(name: str) -> tuple[str, str]:
    """Return the installed package that brings a driver, and its version.

    Raises InputError for a name that is unknown or taken twice.
    """
    if name == SIMULATED:
        return OWN_PACKAGE, version(OWN_PACKAGE)
    found = _entry_point(name).dist
    return (found.name, found.version) if found is not None else ('', '')


def make_driver(role: Role, settings: Settings, port: WorldPort | None) -> Driver:
    """Return a new driver; raises InputError as `driver_of` and for a missing world."""
    found = driver_of(role, settings.driver)
    if isinstance(found, Hardware):
        return found.make(settings)
    if port is None:
        raise _refused(f'{settings.driver!r} is simulated and needs a world for the {role}')
    return found.make(port, settings)


def _simulated(role: Role) -> Callable[[WorldPort, Settings], Driver]:
    """Return the maker of a role's simulated driver.

    Only that role's module is loaded, and only then: the libraries of images and kinematics
    are large, and a process that serves one device should not hold them all.
    """

    def make(port: WorldPort, settings: Settings) -> Driver:
        module = import_module(f'medicell_devices.simulated.{role.value}')
        made: Driver = getattr(module, _SIMULATED_CLASSES[role])(port, settings)
        return made

    return make


def _entry_point(name: str) -> EntryPoint:
    found = {point.value: point for point in entry_points(group=ENTRY_POINTS, name=name)}
    if not found:
        raise _refused(
            f'{name!r} is unknown; known are {", ".join(driver_names())}; '
            'is the package that brings it built or installed?'
        )
    if len(found) > 1:
        raise _refused(f'{name!r} is there twice: {", ".join(sorted(found))}')
    return next(iter(found.values()))


def _load(point: EntryPoint) -> DriverType:
    """Return what an entry point names, after checking that it is a driver's type."""
    try:
        loaded = point.load()
    # A plug-in may fail in any way while it is imported; the cause is told and kept.
    except Exception as error:
        raise _refused(
            f'{point.name!r} cannot be imported from {point.value}: '
            f'{type(error).__name__}: {error}'
        ) from error
    if not isinstance(loaded, Mapping) or not loaded:
        raise _refused(f'{point.name!r}: {point.value} is no mapping of roles to drivers')
    for role, found in loaded.items():
        if not isinstance(role, Role) or not isinstance(found, (Simulated, Hardware)):
            raise _refused(
                f'{point.name!r}: {point.value} must map each Role to Simulated or '
                f'Hardware, not {role!r} to {found!r}'
            )
        if not issubclass(found.settings, ROLE_SETTINGS[role]):
            raise _refused(
                f'{point.name!r}: its settings {found.settings.__name__} are no subclass of '
                f'{ROLE_SETTINGS[role].__name__}'
            )
    return loaded


def _refused(message: str) -> InputError:
    return InputError(ErrorCode.INVALID_GOAL, message, field='driver')
