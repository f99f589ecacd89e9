"""What the host offers and what it lacks, with the command that brings it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

CMAKE_MINIMUM = (3, 22)
"""What the workspace's CMakeLists.txt ask for; Ubuntu 22.04 has it."""
DISK_NEEDED_GB = 2.0
"""Wheels, their cache and the build, measured at 1.4 GB, with room to spare."""
DISTRIBUTION = 'jazzy'


class SetupError(Exception):
    """Set-up cannot go on; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where the workspace is set up: the interpreter, and whether ROS 2 is sourced."""

    python: str
    python_version: str
    has_ros: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A thing the host lacks, and the package that brings it by packager."""

    what: str
    apt: str
    dnf: str


def ros_prefixes(root: Path) -> list[str]:
    """Return the ament prefixes that are sourced and not this workspace's own."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    return [item for item in prefixes if item and root not in (Path(item), *Path(item).parents)]


def detect(root: Path) -> Host:
    """Look at the interpreter and the environment.

    Raises SetupError for another ROS distribution, and for a path with a space. The script that
    starts Python has looked at its version.
    """
    if any(letter.isspace() for letter in str(root)):
        raise SetupError(
            f'{root} has a space in its path, which the scripts that colcon writes cannot take: '
            'move the checkout'
        )
    has_ros = _ros_is_sourced(root)
    return Host(
        python=sys.executable,
        python_version='.'.join(map(str, sys.version_info[:3])),
        has_ros=has_ros,
    )


def _ros_is_sourced(root: Path) -> bool:
    name = os.environ.get('ROS_DISTRO', '')
    if not name or not ros_prefixes(root):
        return False
    if name != DISTRIBUTION:
        raise SetupError(
            f'ROS_DISTRO is {name}, Medicell runs on {DISTRIBUTION}: source '
            f'/opt/ros/{DISTRIBUTION}/setup.sh, or use a shell in which no ROS is sourced'
        )
    if importlib.util.find_spec('rclpy') is None:
        raise SetupError(
            f'ROS 2 {DISTRIBUTION} is sourced, but {sys.executable} cannot import rclpy. Name the '
            'Python that ROS was built for (MEDICELL_PYTHON=/usr/bin/python3 ./medicell setup), '
            'or use a shell in which no ROS is sourced'
        )
    return True


def missing(host: Host, root: Path) -> list[Missing]:
    """Return everything that set-up would stop at, so that it can be fetched in one go."""
    series = '.'.join(host.python_version.split('.')[:2])
    found = [*_missing_compilers(), *_missing_cmake()]
    if not (Path(sysconfig.get_path('include')) / 'Python.h').is_file():
        found.append(
            Missing(
                what=f'the headers of Python {series}',
                apt=f'python{series}-dev',
                dnf='python3-devel',
            )
        )
    if any(importlib.util.find_spec(name) is None for name in ('venv', 'ensurepip')):
        found.append(
            Missing(
                what=f'the venv module of Python {series}',
                apt=f'python{series}-venv',
                dnf='python3-pip',
            )
        )
    if host.has_ros and shutil.which('colcon') is None:
        found.append(
            Missing(
                what='colcon',
                apt='python3-colcon-common-extensions',
                dnf='python3-colcon-common-extensions',
            )
        )
    free_gb = shutil.disk_usage(root).free / 1e9
    if free_gb < DISK_NEEDED_GB:
        raise SetupError(f'{root} has {free_gb:.1f} GB free; set-up needs {DISK_NEEDED_GB:.0f} GB')
    return found


def _missing_compilers() -> list[Missing]:
    found = []
    for variable, names, what, apt, dnf in (
        ('CC', ('cc', 'gcc', 'clang'), 'a C compiler', 'gcc', 'gcc'),
        ('CXX', ('c++', 'g++', 'clang++'), 'a C++ compiler', 'g++', 'gcc-c++'),
        ('', ('ninja', 'make', 'gmake'), 'make or ninja', 'make', 'make'),
    ):
        wanted = os.environ.get(variable, '').split()[:1] or names
        if not any(shutil.which(name) for name in wanted):
            found.append(Missing(what=what, apt=apt, dnf=dnf))
    return found


def _missing_cmake() -> list[Missing]:
    minimum = '.'.join(map(str, CMAKE_MINIMUM))
    version = tool_version('cmake')
    if version is None:
        return [Missing(what=f'CMake {minimum} or newer', apt='cmake', dnf='cmake')]
    if version < CMAKE_MINIMUM:
        here = '.'.join(map(str, version))
        return [Missing(what=f'CMake {minimum} or newer ({here} found)', apt='cmake', dnf='cmake')]
    return []


def tool_version(name: str) -> tuple[int, ...] | None:
    """Return the version that `name --version` prints, or None when it is not to be run."""
    try:
        text = subprocess.run([name, '--version'], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r'(\d+)\.(\d+)(?:\.(\d+))?', text.stdout)
    return tuple(int(part) for part in found.groups(default='0')) if found else None


def explain(found: list[Missing]) -> str:
    """Return a message that names what is missing and the one command that brings it all."""
    things = '\n'.join(f'  - {item.what}' for item in found)
    sudo = '' if os.geteuid() == 0 else 'sudo '
    commands = {
        'apt-get': f'{sudo}apt-get install ' + ' '.join(item.apt for item in found),
        'dnf': f'{sudo}dnf install ' + ' '.join(item.dnf for item in found),
    }
    usable = [text for name, text in commands.items() if shutil.which(name)]
    lines = '\n'.join(f'  {text}' for text in usable or commands.values())
    return f'this host lacks:\n{things}\nThis brings it:\n{lines}'
