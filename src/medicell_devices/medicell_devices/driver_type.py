"""How a driver is made: on a simulated world, or for an instrument of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from medicell_core.operations import Role
from medicell_devices.contract import Driver
from medicell_devices.settings import Settings
from medicell_sim.port import WorldPort

SettingsT = TypeVar('SettingsT', bound=Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated(Generic[SettingsT]):
    """A driver that acts on the world's port, and whose time is the world's."""

    settings: type[SettingsT]
    """What `cell.yaml` may say of it: the settings class of its role, or a subclass of that."""
    make: Callable[[WorldPort, SettingsT], Driver]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware(Generic[SettingsT]):
    """A driver of a real instrument: it is given no world, its time is the wall's."""

    settings: type[SettingsT]
    """What `cell.yaml` may say of it: the settings class of its role, or a subclass of that."""
    make: Callable[[SettingsT], Driver]


DriverOfRole: TypeAlias = 'Simulated[Any] | Hardware[Any]'
"""A driver in one role."""

DriverType: TypeAlias = Mapping[Role, DriverOfRole]
"""What an entry point of the group `medicell.drivers` names: a driver in each of its roles."""

Fit: TypeAlias = Callable[[Driver, 'WorldPort | None'], None]
"""Gives a new driver, before it is connected, what it does not make itself; no world: hardware."""
