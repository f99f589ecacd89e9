"""Where the workspace keeps what set-up makes, and the stamps that say it is whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The paths of one checkout; none of them is under version control."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / '.venv'

    @property
    def venv_python(self) -> Path:
        """The virtual environment's interpreter."""
        return self.venv / 'bin' / 'python'

    @property
    def venv_stamp(self) -> Path:
        """Written when the virtual environment is whole."""
        return self.venv / 'medicell.json'

    @property
    def build(self) -> Path:
        """Where colcon builds."""
        return self.root / 'build'

    @property
    def install(self) -> Path:
        """Where colcon installs, one folder per package."""
        return self.root / 'install'

    @property
    def build_stamp(self) -> Path:
        """What was built from which sources, and the environment that it gives."""
        return self.install / '.medicell' / 'build.json'

    @property
    def building(self) -> Path:
        """Exists while colcon runs; left behind only by a set-up that was killed."""
        return self.install / '.medicell' / 'building'

    @property
    def log(self) -> Path:
        """What pip and colcon say."""
        return self.root / 'log' / 'setup.log'

    @property
    def requirements(self) -> tuple[Path, Path]:
        """The direct dependencies, and the pins of all."""
        return self.root / 'requirements.txt', self.root / 'constraints.txt'

    @property
    def tests_requirements(self) -> Path:
        """What the tests need besides; its pins are among those of all."""
        return self.root / 'tests' / 'requirements.txt'

    @property
    def docs_requirements(self) -> tuple[Path, Path]:
        """What the documentation site needs besides, and the pins of all of it."""
        return self.root / 'docs' / 'requirements.txt', self.root / 'docs' / 'constraints.txt'

    @property
    def docs_stamp(self) -> Path:
        """Written when the virtual environment has what the documentation site needs."""
        return self.venv / 'medicell-docs.json'

    def site_packages(self) -> Path | None:
        """Return the virtual environment's library folder, if it has one."""
        return next(iter(sorted(self.venv.glob('lib/python3*/site-packages'))), None)


def read_stamp(path: Path) -> dict[str, Any]:
    """Return a stamp's content; empty when it is missing or unreadable."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_stamp(path: Path, content: dict[str, Any]) -> None:
    """Write a stamp whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix('.draft')
    draft.write_text(json.dumps(content, indent=1, sort_keys=True), encoding='utf-8')
    os.replace(draft, path)


@contextlib.contextmanager
def only_one(layout: Layout, on_wait: Callable[[], None]) -> Iterator[int]:
    """Hold the workspace's lock, waiting for another set-up to end; yields its descriptor.

    Commands that inherit the descriptor keep the lock after a kill until they have ended too.
    """
    layout.log.parent.mkdir(exist_ok=True)
    descriptor = os.open(layout.log.parent / 'setup.lock', os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
