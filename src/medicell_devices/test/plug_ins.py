"""Packages that bring drivers, written for one test and found as installed ones are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


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
