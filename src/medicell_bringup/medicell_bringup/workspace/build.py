"""Build the packages under src/ with colcon: only what changed, and only once."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medicell_bringup.workspace import environment
from medicell_bringup.workspace.host import Host, SetupError
from medicell_bringup.workspace.layout import Layout, read_stamp, write_stamp
from medicell_bringup.workspace.progress import Progress

INSTALLED_FOLDERS = ('launch', 'config', 'urdf')
"""Folders of the repository's root that medicell_bringup installs."""
PYTHON_INPUTS = ('package.xml', 'setup.py', 'setup.cfg')
"""What an ament_python package is built from; its modules are linked, so always live."""
CMAKE_OPTIONS = ('-DBUILD_TESTING=OFF', '-DMEDICELL_PYTHON_ONLY=ON')
"""No C++ messages: nothing here uses them, and they take two thirds of the time."""
COLCON = 'import sys; from colcon_core.command import main; sys.exit(main())'
"""Starts colcon under the virtual environment's Python wherever colcon is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One folder under src/ with what its build depends on."""

    name: str
    folder: Path
    build_type: str
    fingerprint: str


def find_packages(layout: Layout) -> list[Package]:
    """Return the workspace's packages in order of name.

    Raises SetupError for a package.xml without a name or a build type.
    """
    manifests = sorted((layout.root / 'src').glob('*/package.xml'))
    return [_read_package(layout, path) for path in manifests]


def _read_package(layout: Layout, manifest: Path) -> Package:
    text = manifest.read_text(encoding='utf-8')
    name = re.search(r'<name>\s*([\w-]+)\s*</name>', text)
    build_type = re.search(r'<build_type>\s*(\w+)\s*</build_type>', text)
    if not name or not build_type:
        raise SetupError(f'{manifest}: <name> and <build_type> are needed')
    options = '' if build_type[1] == 'ament_python' else ' '.join(CMAKE_OPTIONS)
    digest = hashlib.sha256(options.encode())
    for path, with_content in _inputs(layout, manifest.parent, build_type[1]):
        digest.update(f'\n{path.relative_to(layout.root)}\n'.encode())
        if with_content:
            digest.update(path.read_bytes())
    return Package(
        name=name[1],
        folder=manifest.parent,
        build_type=build_type[1],
        fingerprint=digest.hexdigest(),
    )


def _inputs(layout: Layout, folder: Path, build_type: str) -> Iterator[tuple[Path, bool]]:
    """Yield what a build reads; the flag is false where a link makes the content live."""
    if build_type == 'ament_python':
        for name in PYTHON_INPUTS:
            if (folder / name).is_file():
                yield folder / name, True
        for path in _files(folder / 'resource'):
            yield path, True
        return
    for path in _files(folder):
        if path.relative_to(folder).parts[0] != 'test':
            yield path, path.suffix != '.py'
    if folder.name == 'medicell_bringup':
        for name in INSTALLED_FOLDERS:
            for path in _files(layout.root / name):
                yield path, False


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(item for item in folders if item != '__pycache__' and item[0] != '.')
        for name in sorted(names):
            yield Path(place, name)


def stale(layout: Layout, *, has_ros: bool) -> list[Package]:
    """Return the packages that must be built, in order of name."""
    stamp = _usable_stamp(layout, has_ros=has_ros)
    built = stamp.get('packages', {})
    return [
        item
        for item in find_packages(layout)
        if built.get(item.name) != item.fingerprint
        or not (layout.install / item.name).is_dir()
        or not (layout.build / item.name).is_dir()
    ]


def is_ready(layout: Layout, *, has_ros: bool) -> bool:
    """Return whether every package is built from its present sources."""
    stamp = _usable_stamp(layout, has_ros=has_ros)
    if 'overlay' not in stamp or stale(layout, has_ros=has_ros):
        return False
    return set(stamp['packages']) == {item.name for item in find_packages(layout)}


def load_overlay(layout: Layout) -> dict[str, list[str]]:
    """Return what the built workspace prepends, by variable."""
    return dict(read_stamp(layout.build_stamp).get('overlay', {}))


def _usable_stamp(layout: Layout, *, has_ros: bool) -> dict[str, Any]:
    stamp = read_stamp(layout.build_stamp)
    same = stamp.get('underlay') == _underlay_identity(layout, has_ros=has_ros)
    return stamp if same else {}


def _underlay_identity(layout: Layout, *, has_ros: bool) -> str:
    """Name what the build is bound to: the checkout's place, the virtual environment, ROS."""
    try:
        stamp = layout.venv_stamp.read_text(encoding='utf-8')
    except OSError:
        stamp = ''
    ros = os.environ.get('AMENT_PREFIX_PATH', '') if has_ros else ''
    return hashlib.sha256(f'{layout.root}\n{stamp}\n{bool(ros)}'.encode()).hexdigest()


def build(layout: Layout, host: Host, progress: Progress) -> None:
    """Build what is stale; a package that fails leaves the others built.

    Raises SetupError with the log's end for a failure, and for a package that colcon does not
    take for an ament package.
    """
    stamp = _usable_stamp(layout, has_ros=host.has_ros)
    if not stamp:
        _remove(layout.build, layout.install)
    packages = find_packages(layout)
    _forget_removed(layout, packages)
    _forget_killed(layout)
    wanted = stale(layout, has_ros=host.has_ros)
    env = environment.underlay(layout, os.environ, has_ros=host.has_ros)
    known = dict(stamp.get('packages', {}))
    known = {item.name: known[item.name] for item in packages if item.name in known}
    failure = None
    if wanted:
        _check_types(layout, packages, env)
        failure = _run_colcon(layout, wanted, env, progress)
        for item in wanted:
            known.pop(item.name, None)
            if _was_built(layout, item):
                known[item.name] = item.fingerprint
    write_stamp(
        layout.build_stamp,
        {
            'underlay': _underlay_identity(layout, has_ros=host.has_ros),
            'packages': known,
            'overlay': environment.capture_overlay(layout, has_ros=host.has_ros),
        },
    )
    if failure is not None:
        raise failure


def _run_colcon(
    layout: Layout, wanted: list[Package], env: dict[str, str], progress: Progress
) -> SetupError | None:
    names = [item.name for item in wanted]
    layout.building.parent.mkdir(parents=True, exist_ok=True)
    layout.building.write_text('\n'.join(names), encoding='utf-8')
    for name in names:
        (layout.build / name / 'colcon_build.rc').unlink(missing_ok=True)
        _forget_gone(layout.install / name)
    workers = max(1, len(os.sched_getaffinity(0)))
    env = {**env, 'MAKEFLAGS': f'-j{workers}', 'CMAKE_BUILD_PARALLEL_LEVEL': str(workers)}
    command = [str(layout.venv_python), '-c', COLCON, '--log-base', 'log', 'build']
    command += ['--base-paths', 'src', '--symlink-install', '--continue-on-error']
    command += ['--executor', 'parallel', '--parallel-workers', str(workers)]
    command += ['--event-handlers', 'console_direct+', 'console_cohesion-', 'status-']
    command += ['--packages-select', *names, '--cmake-args']
    command += [f'-DPython3_EXECUTABLE={layout.venv_python}', *CMAKE_OPTIONS]
    command += ['-GNinja'] if shutil.which('ninja') else []
    failure = None
    try:
        progress.run('colcon', command, env=env, cwd=layout.root)
    except SetupError as error:
        failure = error
    layout.building.unlink(missing_ok=True)
    return failure


def _forget_gone(installed: Path) -> None:
    """Remove links to sources that are gone: colcon leaves them, and import-linter stops there."""
    for path in installed.rglob('*'):
        if path.is_symlink() and not path.exists():
            path.unlink()


def _was_built(layout: Layout, package: Package) -> bool:
    """Return whether colcon's own record of its last build says success."""
    record = layout.build / package.name / 'colcon_build.rc'
    return record.is_file() and record.read_text(encoding='utf-8').strip() == '0'


def _check_types(layout: Layout, packages: list[Package], env: dict[str, str]) -> None:
    """Refuse a package whose manifest colcon cannot read: it would be built without ament."""
    listed = _list_types(layout, env)
    for item in packages:
        found = listed.get(item.name, 'nothing')
        if found != f'ros.{item.build_type}':
            raise SetupError(
                f'{item.folder}/package.xml: colcon takes {item.name} for {found}, not for '
                f"ros.{item.build_type}; is the maintainer's e-mail a valid one?"
            )


def _list_types(layout: Layout, env: dict[str, str]) -> dict[str, str]:
    command = [str(layout.venv_python), '-c', COLCON, '--log-base', '/dev/null', 'list']
    result = subprocess.run(
        [*command, '--base-paths', 'src'],
        env=env,
        cwd=layout.root,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SetupError(f'colcon list ended with {result.returncode}: {result.stderr.strip()}')
    rows = (line.split('\t') for line in result.stdout.splitlines())
    return {row[0]: row[2].strip('()') for row in rows if len(row) == 3}


def _forget_removed(layout: Layout, packages: list[Package]) -> None:
    names = {item.name for item in packages}
    for manifest in layout.install.glob('*/share/colcon-core/packages/*'):
        if manifest.name not in names:
            _remove(layout.build / manifest.name, layout.install / manifest.name)


def _forget_killed(layout: Layout) -> None:
    """Remove what a killed build may have left half-written."""
    if layout.building.is_file():
        for name in layout.building.read_text(encoding='utf-8').split():
            _remove(layout.build / name, layout.install / name)
        layout.building.unlink()


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
