"""The virtual environment: made from the pinned requirements, and known to be whole."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

from medicell_bringup.workspace.host import Host, SetupError, ros_prefixes
from medicell_bringup.workspace.layout import Layout, read_stamp, write_stamp
from medicell_bringup.workspace.progress import Progress

ROS_BRINGS = ('ros-jazzy-', 'colcon-', 'empy', 'setuptools')
"""Requirements that a ROS host serves from its own packages."""
BOUND_TO_ROS = {
    'numpy': 'numpy',
    'contourpy': 'contourpy',
    'matplotlib': 'matplotlib',
    'opencv-python-headless': 'cv2',
    'scipy': 'scipy',
    'coal': 'coal',
    'pin': 'pinocchio',
}
"""numpy, whose binary interface the host's ROS packages share, and what is built against it: the
requirements and their modules."""
EXPORT_FILES = '*/cmake/*.cmake'
COLCON_SCRIPT = """#!{python}
import sys

from colcon_core.command import main

sys.exit(main())
"""


def is_ready(layout: Layout, *, has_ros: bool) -> bool:
    """Return whether the virtual environment is whole, of this place and these requirements."""
    stamp = read_stamp(layout.venv_stamp)
    return (
        bool(stamp)
        and stamp == _stamp_now(layout, has_ros=has_ros)
        and layout.venv_python.is_file()
    )


def refuse_other_python(layout: Layout, wanted: str) -> None:
    """Raise SetupError where a Python is asked for by name and `.venv` is of another one.

    Whoever asks runs this. It is not made anew unasked: programs may be running in it.
    """
    made_with, here = layout.venv_python.resolve(), Path(sys.executable).resolve()
    if wanted and made_with != here:
        raise SetupError(
            f'.venv was made with {made_with}, MEDICELL_PYTHON asks for {here}: '
            '`./medicell setup --clean` makes it anew with that one; without MEDICELL_PYTHON '
            'the one that is there is used'
        )


def make(layout: Layout, host: Host, progress: Progress, *, with_tests: bool = True) -> None:
    """Make the virtual environment anew; pip's cache makes a second time quick.

    A half-made one is never completed: pip takes a package for installed as soon as its
    metadata is there. The stamp is written last.
    """
    layout.venv_stamp.unlink(missing_ok=True)
    if layout.venv.is_symlink() or layout.venv.is_file():
        layout.venv.unlink()
    shutil.rmtree(layout.venv, ignore_errors=True)
    env = {key: value for key, value in os.environ.items() if key != 'PYTHONHOME'}
    options = ['--system-site-packages'] if host.has_ros else []
    progress.run(
        'venv', [host.python, '-m', 'venv', *options, str(layout.venv)], env=env, cwd=layout.root
    )
    if not host.has_ros:
        env.pop('PYTHONPATH', None)
    command = _pip_command(layout, host, with_tests=with_tests)
    progress.run('pip', command, env=env, cwd=layout.root)
    (layout.venv / 'COLCON_IGNORE').touch()
    if host.has_ros:
        _add_colcon(layout)


def _add_colcon(layout: Layout) -> None:
    """Let the host's colcon run under this Python: it builds for the one that runs it."""
    script = layout.venv / 'bin' / 'colcon'
    script.write_text(COLCON_SCRIPT.format(python=layout.venv_python), encoding='utf-8')
    script.chmod(0o755)


def finish(layout: Layout, host: Host) -> None:
    """Stamp the virtual environment as whole."""
    write_stamp(layout.venv_stamp, _stamp_now(layout, has_ros=host.has_ros))


def has_docs(layout: Layout) -> bool:
    """Return whether the virtual environment has what the documentation site needs."""
    stamp = read_stamp(layout.docs_stamp)
    return bool(stamp) and stamp == _docs_stamp_now(layout)


def add_docs(layout: Layout, progress: Progress) -> None:
    """Install what the documentation site needs into the virtual environment."""
    layout.docs_stamp.unlink(missing_ok=True)
    requirements, constraints = layout.docs_requirements
    command = [*_pip(layout), '-r', str(requirements), '-c', str(constraints)]
    env = {key: value for key, value in os.environ.items() if key != 'PYTHONHOME'}
    progress.run('pip', command, env=env, cwd=layout.root)
    write_stamp(layout.docs_stamp, _docs_stamp_now(layout))


def mend_exports(layout: Layout) -> int:
    """Point the wheels' CMake exports at this machine's headers; returns the files changed.

    The wheels carry the paths of the machine that built them. Safe to repeat.
    """
    site_packages = layout.site_packages()
    if site_packages is None:
        return 0
    series = site_packages.parent.name
    python = next((item for item in _include_folders(layout, series) if item.is_dir()), None)
    numpy = site_packages / 'numpy' / '_core' / 'include'
    changed = 0
    for path in sorted((layout.venv / 'share').glob(EXPORT_FILES)):
        text = path.read_text(encoding='utf-8')
        mended = re.sub(r'/opt/python/[^;"]*?/numpy/_core/include', str(numpy), text)
        mended = re.sub(r'/opt/python/[^;"]*?/include/python3\.\d+', str(python), mended)
        if mended != text:
            path.write_text(mended, encoding='utf-8')
            changed += 1
    return changed


def _include_folders(layout: Layout, series: str) -> list[Path]:
    home = layout.venv_python.resolve().parent.parent
    return [home / 'include' / series, Path('/usr/include') / series]


def _pip_command(layout: Layout, host: Host, *, with_tests: bool) -> list[str]:
    requirements, constraints = layout.requirements
    lists = [requirements, layout.tests_requirements] if with_tests else [requirements]
    if host.has_ros:
        chosen = layout.venv / 'requirements.txt'
        lines = [line for path in lists for line in _absent(layout, path)]
        chosen.write_text('\n'.join(lines) + '\n', encoding='utf-8')
        pins = layout.venv / 'constraints.txt'
        pins.write_text('\n'.join(_pins_of_host(constraints)) + '\n', encoding='utf-8')
        lists, constraints = [chosen], pins
    options = [item for path in lists for item in ('-r', str(path))]
    return [*_pip(layout), *options, '-c', str(constraints)]


def _pip(layout: Layout) -> list[str]:
    command = [str(layout.venv_python), '-m', 'pip', 'install', '--no-compile', '--no-input']
    return [*command, '--disable-pip-version-check', '--progress-bar', 'off']


def requirement_lines(path: Path) -> list[str]:
    """Return a requirements file's lines without comments."""
    lines = (
        line.partition('#')[0].strip() for line in path.read_text(encoding='utf-8').splitlines()
    )
    return [line for line in lines if line]


def _absent(layout: Layout, requirements: Path) -> list[str]:
    """Return the lines that the host does not serve; what must fit its numpy loses its pin."""
    chosen = []
    for line in requirement_lines(requirements):
        name = line.partition(';')[0].strip().partition('==')[0]
        if name.startswith(ROS_BRINGS) or _is_served(layout, name):
            continue
        fits_numpy = name in BOUND_TO_ROS and importlib.util.find_spec('numpy') is not None
        chosen.append(name if fits_numpy else line)
    return chosen


def _is_served(layout: Layout, name: str) -> bool:
    """Return whether the host's own must be used.

    That is so for what is bound to ROS, and for what lies in its prefix: the path of a sourced
    ROS comes before the virtual environment's, so that a second one would never be imported.
    """
    if name in BOUND_TO_ROS:
        return importlib.util.find_spec(BOUND_TO_ROS[name]) is not None
    try:
        place = Path(str(importlib.metadata.distribution(name).locate_file(''))).resolve()
    except importlib.metadata.PackageNotFoundError:
        return False
    return any(Path(item).resolve() in place.parents for item in ros_prefixes(layout.root))


def _version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pins_of_host(constraints: Path) -> list[str]:
    """Return the pins, with the host's own version of what ROS is built against."""
    if importlib.util.find_spec('numpy') is None:
        return requirement_lines(constraints)
    bound = {name: _version_of(name) for name in BOUND_TO_ROS}
    pins = requirement_lines(constraints)
    kept = [line for line in pins if line.partition('==')[0] not in bound]
    return kept + [f'{name}=={version}' for name, version in bound.items() if version]


def _stamp_now(layout: Layout, *, has_ros: bool) -> dict[str, str]:
    return {
        'requirements': _digest((*layout.requirements, layout.tests_requirements)),
        'place': str(layout.venv),
        'python': str(layout.venv_python.resolve()),
        'kind': 'ros' if has_ros else 'wheels',
    }


def _docs_stamp_now(layout: Layout) -> dict[str, str]:
    return {'requirements': _digest(layout.docs_requirements)}


def _digest(paths: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
