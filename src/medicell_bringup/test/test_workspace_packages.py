"""The virtual environment is whole or made anew, and its CMake exports fit this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from medicell_bringup.workspace import packages
from medicell_bringup.workspace.host import Host, SetupError
from medicell_bringup.workspace.layout import Layout

EXPORT = 'set_property(INTERFACE_INCLUDE_DIRECTORIES "{python};{numpy}")\n'


class FakeProgress:
    """Stands in for running venv and pip: leaves the files that they would."""

    def __init__(self, layout: Layout, *, pip_fails: bool = False) -> None:
        self.layout = layout
        self.pip_fails = pip_fails
        self.commands: list[list[str]] = []
        self.environments: list[Mapping[str, str]] = []

    def run(self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self.commands.append(list(command))
        self.environments.append(env)
        if 'venv' in command:
            self.layout.venv_python.parent.mkdir(parents=True)
            self.layout.venv_python.symlink_to(sys.executable)
        elif self.pip_fails:
            raise SetupError('pip was interrupted')


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / 'requirements.txt').write_text(
        'ros-jazzy-rclpy==7.1.6  # nodes\nnumpy==2.4.6  # arrays\nnosuchthing==1.2  # absent\n'
    )
    (tmp_path / 'constraints.txt').write_text('numpy==2.4.6\nnosuchthing==1.2\n')
    (tmp_path / 'tests').mkdir()
    (tmp_path / 'tests' / 'requirements.txt').write_text('nosuchtest==3.4  # runs them\n')
    return Layout(root=tmp_path)


@pytest.fixture
def bare() -> Host:
    return Host(python=sys.executable, python_version='3.11.7', has_ros=False)


def test_interrupted_install_is_not_ready_and_is_made_anew(layout: Layout, bare: Host) -> None:
    with pytest.raises(SetupError, match='interrupted'):
        packages.make(layout, bare, FakeProgress(layout, pip_fails=True))  # type: ignore[arg-type]
    leftover = layout.venv / 'lib' / 'half-installed'
    leftover.mkdir(parents=True)
    assert not packages.is_ready(layout, has_ros=False)

    packages.make(layout, bare, FakeProgress(layout))  # type: ignore[arg-type]
    assert not leftover.exists()
    assert not packages.is_ready(layout, has_ros=False)
    packages.finish(layout, bare)
    assert packages.is_ready(layout, has_ros=False)


@pytest.mark.parametrize('name', ['requirements.txt', 'constraints.txt', 'tests/requirements.txt'])
def test_changed_pins_make_the_environment_stale(layout: Layout, bare: Host, name: str) -> None:
    packages.make(layout, bare, FakeProgress(layout))  # type: ignore[arg-type]
    packages.finish(layout, bare)
    (layout.root / name).write_text('numpy==2.4.7  # arrays\n')
    assert not packages.is_ready(layout, has_ros=False)


def test_moved_checkout_makes_the_environment_stale(layout: Layout, bare: Host) -> None:
    packages.make(layout, bare, FakeProgress(layout))  # type: ignore[arg-type]
    packages.finish(layout, bare)
    moved = Layout(root=layout.root.with_name('moved'))
    os.rename(layout.root, moved.root)
    assert not packages.is_ready(moved, has_ros=False)


def test_environment_whose_python_went_away_is_stale(layout: Layout, bare: Host) -> None:
    packages.make(layout, bare, FakeProgress(layout))  # type: ignore[arg-type]
    packages.finish(layout, bare)
    layout.venv_python.unlink()
    layout.venv_python.symlink_to('/nonexistent/python3')
    assert not packages.is_ready(layout, has_ros=False)


def test_environment_of_wheels_is_not_used_beside_a_sourced_ros(
    layout: Layout, bare: Host
) -> None:
    packages.make(layout, bare, FakeProgress(layout))  # type: ignore[arg-type]
    packages.finish(layout, bare)
    assert not packages.is_ready(layout, has_ros=True)


def test_ros_host_gets_only_what_it_lacks_and_keeps_its_numpy(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages.importlib.metadata, 'version', versions_of_ubuntu)
    ros = Host(python=sys.executable, python_version='3.12.3', has_ros=True)
    progress = FakeProgress(layout)
    packages.make(layout, ros, progress)  # type: ignore[arg-type]
    assert '--system-site-packages' in progress.commands[0]
    assert (layout.venv / 'requirements.txt').read_text() == 'nosuchthing==1.2\nnosuchtest==3.4\n'
    pins = (layout.venv / 'constraints.txt').read_text().split()
    assert pins == ['nosuchthing==1.2', 'numpy==1.26.4']


def test_ros_host_serves_what_lies_in_its_prefix_and_no_older_library_of_its_own(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = tmp_path_factory.mktemp('host')
    prefix = host / 'opt' / 'ros'
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(prefix))
    layout.requirements[0].write_text('in-ros==2.6.0  # trees\nin-ubuntu==2.14  # schemas\n')
    for name, place in (('in_ros', prefix / 'lib'), ('in_ubuntu', host / 'usr')):
        information = place / f'{name}-1.0.dist-info'
        information.mkdir(parents=True)
        (information / 'METADATA').write_text(f'Name: {name}\nVersion: 1.0\n')
        monkeypatch.syspath_prepend(str(place))
    ros = Host(python=sys.executable, python_version='3.12.3', has_ros=True)
    packages.make(layout, ros, FakeProgress(layout))  # type: ignore[arg-type]
    assert (layout.venv / 'requirements.txt').read_text().split() == [
        'in-ubuntu==2.14',
        'nosuchtest==3.4',
    ]


def test_ros_host_builds_with_its_colcon_under_the_environments_python(layout: Layout) -> None:
    ros = Host(python=sys.executable, python_version='3.12.3', has_ros=True)
    packages.make(layout, ros, FakeProgress(layout))  # type: ignore[arg-type]
    script = layout.venv / 'bin' / 'colcon'
    assert script.read_text().startswith(f'#!{layout.venv_python}\n')
    assert os.access(script, os.X_OK)


def test_image_gets_nothing_that_only_tests_need(layout: Layout, bare: Host) -> None:
    progress = FakeProgress(layout)
    packages.make(layout, bare, progress, with_tests=False)  # type: ignore[arg-type]
    assert str(layout.requirements[0]) in progress.commands[-1]
    assert str(layout.tests_requirements) not in progress.commands[-1]


def versions_of_ubuntu(name: str) -> str:
    if name == 'numpy':
        return '1.26.4'
    raise packages.importlib.metadata.PackageNotFoundError(name)


def test_pip_of_a_bare_host_does_not_see_the_users_python_path(
    layout: Layout, bare: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PYTHONPATH', '/somewhere/else')
    progress = FakeProgress(layout)
    packages.make(layout, bare, progress)  # type: ignore[arg-type]
    assert 'PYTHONPATH' not in progress.environments[-1]


def test_exports_are_pointed_at_this_machine_once(layout: Layout) -> None:
    (layout.venv_python.parent).mkdir(parents=True)
    layout.venv_python.symlink_to(sys.executable)
    series = f'python{sys.version_info[0]}.{sys.version_info[1]}'
    site_packages = layout.venv / 'lib' / series / 'site-packages'
    site_packages.mkdir(parents=True)
    export = layout.venv / 'share' / 'std_msgs' / 'cmake' / 'export.cmake'
    export.parent.mkdir(parents=True)
    built = '/opt/python/cp311-cp311'
    export.write_text(
        EXPORT.format(
            python=f'{built}/include/python3.11',
            numpy=f'{built}/lib/python3.11/site-packages/numpy/_core/include',
        )
    )
    assert packages.mend_exports(layout) == 1
    python, numpy = export.read_text().split('"')[1].split(';')
    assert (Path(python) / 'Python.h').is_file()
    assert Path(numpy) == site_packages / 'numpy/_core/include'
    assert packages.mend_exports(layout) == 0
