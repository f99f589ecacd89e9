"""Packages that bring drivers, written for one test and found as installed ones are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PUMP = """
from medicell_core.operations import Role
from medicell_devices.driver_type import Simulated
from medicell_devices.settings import FluidHandlerSettings, Positive
from medicell_devices.simulated.fluid_handler import SimulatedFluidHandler

class PumpSettings(FluidHandlerSettings):
    syringe_ml: Positive = 60.0
    tube_mm: Positive

DRIVER = {Role.FLUID_HANDLER: Simulated(settings=PumpSettings, make=SimulatedFluidHandler)}
"""
"""A module with a simulated pump whose settings ask for `tube_mm`."""

COUNTER = """
from medicell_core.operations import Role
from medicell_devices.driver_type import Hardware
from medicell_devices.settings import ParticleCounterSettings

class Counter:
    role = Role.PARTICLE_COUNTER

    def __init__(self, settings):
        self.given = settings

    def stop(self):
        pass

DRIVER = {Role.PARTICLE_COUNTER: Hardware(settings=ParticleCounterSettings, make=Counter)}
"""
"""A module with a counter of hardware, which keeps its settings as `given`."""


class PlugIns:
    """A folder of packages on the path; what was imported from it is forgotten at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._modules: list[str] = []

    def add(self, driver: str, module: str, code: str, *, package: str = '') -> None:
        """Install a module that brings a driver as its `DRIVER`."""
        (self._folder / f'{module}.py').write_text(code, encoding='utf-8')
        info = self._folder / f'{package or module}-1.0.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Name: {package or module}\nVersion: 1.0\n', 'utf-8')
        (info / 'entry_points.txt').write_text(
            f'[medicell.drivers]\n{driver} = {module}:DRIVER\n', 'utf-8'
        )
        self._modules.append(module)

    def was_imported(self, module: str) -> bool:
        """Return whether a module of these has been imported."""
        return module in sys.modules

    def forget(self) -> None:
        """Take the modules out of the interpreter."""
        for module in self._modules:
            sys.modules.pop(module, None)


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlugIns]:
    folder = tmp_path / 'plug_ins'
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    made = PlugIns(folder)
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    yield made
    made.forget()
