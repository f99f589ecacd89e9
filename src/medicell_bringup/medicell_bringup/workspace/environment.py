"""The variables under which Medicell's programs run: what `install/setup.sh` would export."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from medicell_bringup.workspace.host import DISTRIBUTION, SetupError
from medicell_bringup.workspace.layout import Layout

PATH_VARIABLES = (
    'AMENT_PREFIX_PATH',
    'CMAKE_PREFIX_PATH',
    'COLCON_PREFIX_PATH',
    'LD_LIBRARY_PATH',
    'PATH',
    'PKG_CONFIG_PATH',
    'PYTHONPATH',
)
"""Variables that colcon's set-up prepends to; others it sets are not needed to run."""
USER_DEFAULTS = {
    'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp',
    'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4',
}
"""Set unless the user has; shared memory is off since a killed process leaves its locks."""
WHEELS_GUARD = '_ROS_WHEELS_BOOTSTRAP_COMPLETE'
"""Tells the wheels that the library path is set, so that Python need not start twice."""


def underlay(layout: Layout, base: Mapping[str, str], *, has_ros: bool) -> dict[str, str]:
    """Return the environment in which the workspace is built: ROS, and no workspace yet."""
    env = dict(base)
    for name in ('PYTHONHOME', 'COLCON_CURRENT_PREFIX', 'VIRTUAL_ENV'):
        env.pop(name, None)
    env['VIRTUAL_ENV'] = str(layout.venv)
    _prepend(env, 'PATH', [str(layout.venv / 'bin')])
    if has_ros:
        site_packages = layout.site_packages()
        if site_packages is not None:
            _append(env, 'PYTHONPATH', [str(site_packages)])
    else:
        prefix = [str(layout.venv)]
        _prepend(env, 'AMENT_PREFIX_PATH', prefix)
        _prepend(env, 'CMAKE_PREFIX_PATH', prefix)
        _prepend(env, 'LD_LIBRARY_PATH', _wheel_libraries(layout))
        env.update(
            {
                WHEELS_GUARD: '1',
                'ROS_DISTRO': DISTRIBUTION,
                'ROS_VERSION': '2',
                'ROS_PYTHON_VERSION': '3',
            }
        )
    return env


def capture_overlay(layout: Layout, *, has_ros: bool) -> dict[str, list[str]]:
    """Source `install/setup.sh` once and return what it prepends, by variable."""
    clean = {} if not has_ros else dict(os.environ)
    clean.setdefault('PATH', os.defpath)
    before = underlay(layout, clean, has_ros=has_ros)
    before['COLCON_CURRENT_PREFIX'] = str(layout.install)
    result = subprocess.run(
        ['/bin/sh', '-c', '. "$COLCON_CURRENT_PREFIX/setup.sh" >/dev/null && env -0'],
        env=before,
        cwd=layout.root,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SetupError(f'{layout.install}/setup.sh cannot be sourced: {result.stderr.strip()}')
    after = dict(line.partition('=')[::2] for line in result.stdout.split('\0') if line)
    added = {name: _added(before, after, name) for name in PATH_VARIABLES}
    if not added['AMENT_PREFIX_PATH']:
        raise SetupError(f'{layout.install}/setup.sh names no package: {result.stderr.strip()}')
    return added


def overlay(
    layout: Layout,
    base: Mapping[str, str],
    added: Mapping[str, list[str]],
    *,
    has_ros: bool,
) -> dict[str, str]:
    """Return the environment in which Medicell's programs run."""
    env = underlay(layout, base, has_ros=has_ros)
    for name, entries in added.items():
        _prepend(env, name, entries)
    for name, value in USER_DEFAULTS.items():
        env.setdefault(name, value)
    # Compiled modules go into .venv, even where the tree shall stay free of them: without any
    # every start would compile all that it imports anew, which takes longer than the start.
    env.pop('PYTHONDONTWRITEBYTECODE', None)
    env['PYTHONPYCACHEPREFIX'] = str(layout.venv / 'pycache')
    return env


def _wheel_libraries(layout: Layout) -> list[str]:
    site_packages = layout.site_packages()
    vendored = sorted(site_packages.glob('ros_*.libs')) if site_packages else []
    return [str(layout.venv / 'lib'), *(str(path) for path in vendored)]


def _entries(env: Mapping[str, str], name: str) -> list[str]:
    return [item for item in env.get(name, '').split(os.pathsep) if item]


def _added(before: Mapping[str, str], after: Mapping[str, str], name: str) -> list[str]:
    known = set(_entries(before, name))
    return [item for item in _entries(after, name) if item not in known]


def _prepend(env: dict[str, str], name: str, entries: list[str]) -> None:
    rest = [item for item in _entries(env, name) if item not in entries]
    if entries or rest:
        env[name] = os.pathsep.join([*entries, *rest])


def _append(env: dict[str, str], name: str, entries: list[str]) -> None:
    first = [item for item in _entries(env, name) if item not in entries]
    env[name] = os.pathsep.join([*first, *entries])
