"""Checks of worlds by the parsers of SDF: Gazebo 11's own, and Debian 12's for Harmonic's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from medicell_gazebo.gazebo11 import LIBRARIES, Gazebo11
from medicell_gazebo.trees import Recipe

PARSER = Recipe(name='sdformat12', suite='bookworm', packages=('libsdformat12-12',))
"""It reads SDF up to 1.9."""

_LIBRARY = 'libsdformat12.so.12'
_VALID = 0
# What `ign sdf --check` calls; that itself is Ruby, and more packages.
_CHECK = (
    'import ctypes, sys; '
    'sys.exit(ctypes.CDLL(sys.argv[1]).cmdCheck(ctypes.c_char_p(sys.argv[2].encode())))'
)


def complaints_of_gazebo11(gazebo: Gazebo11, file: Path) -> str:
    """Return what Gazebo 11 has against a world; nothing for a valid one."""
    environment = {**os.environ, **gazebo.environment()}
    return _complaints(gazebo.command('gz', 'sdf', '--check', str(file)), environment)


def complaints_of_sdformat12(tree: Path, file: Path) -> str:
    """Return what libsdformat 12 has against a file; nothing for a valid one."""
    # The C library is this machine's: of the tree only what depends on it.
    folders = [path for part in LIBRARIES[1:] for path in sorted(tree.glob(part))]
    libraries = ':'.join(str(path) for path in folders if path.is_dir())
    environment = {**os.environ, 'LD_LIBRARY_PATH': libraries}
    return _complaints([sys.executable, '-c', _CHECK, _LIBRARY, str(file)], environment)


def _complaints(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors='replace',
        check=False,
    )
    said = (done.stderr + done.stdout).strip()
    if done.returncode != _VALID:
        return said or f'ended with {done.returncode}'
    return '\n'.join(line for line in said.splitlines() if 'Error' in line or 'Warning' in line)
