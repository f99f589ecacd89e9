"""What set-up says on hosts that lack something, run through the real script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medicell_bringup.workspace import host, packages
from medicell_bringup.workspace.host import Host, SetupError
from medicell_bringup.workspace.layout import Layout

REPOSITORY = Path(__file__).resolve().parents[3]
SHELL_TOOLS = ('sh', 'dirname', 'readlink')


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what set-up needs."""
    root = tmp_path / 'cell'
    root.mkdir()
    for name in ('medicell', 'requirements.txt', 'constraints.txt'):
        shutil.copy2(REPOSITORY / name, root / name)
    shutil.copytree(
        REPOSITORY / 'src/medicell_bringup',
        root / 'src/medicell_bringup',
        ignore=shutil.ignore_patterns('__pycache__', '*.egg-info'),
    )
    return root


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """The only folder on PATH: a shell's tools and this Python, no compiler."""
    folder = tmp_path / 'tools'
    folder.mkdir()
    for name in SHELL_TOOLS:
        (folder / name).symlink_to(str(shutil.which(name)))
    script(folder / 'python3', f'exec "{sys.executable}" "$@"')
    return folder


def script(path: Path, text: str) -> None:
    path.write_text(f'#!/bin/sh\n{text}\n', encoding='utf-8')
    path.chmod(0o755)


def set_up(checkout: Path, tools: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    env = {'PATH': str(tools), 'HOME': str(checkout), **extra}
    keep = ('LD_LIBRARY_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE')
    env.update({name: os.environ[name] for name in keep if name in os.environ})
    return subprocess.run(
        [str(checkout / 'medicell'), 'setup'],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_missing_tools_are_named_together_with_their_command(checkout: Path, tools: Path) -> None:
    script(tools / 'apt-get', 'exit 1')
    result = set_up(checkout, tools)
    assert result.returncode == 1
    for thing in ('a C compiler', 'a C++ compiler', 'make or ninja', 'CMake 3.22 or newer'):
        assert thing in result.stderr
    command = next(line for line in result.stderr.splitlines() if 'apt-get install' in line)
    assert command.split('install')[1].split()[:4] == ['gcc', 'g++', 'make', 'cmake']
    assert not (checkout / '.venv').exists()


def test_fedora_is_told_the_names_of_its_own_packages(checkout: Path, tools: Path) -> None:
    script(tools / 'dnf', 'exit 1')
    result = set_up(checkout, tools)
    assert 'dnf install gcc gcc-c++ make cmake' in result.stderr
    assert 'apt-get' not in result.stderr


def test_old_cmake_is_refused_with_its_version(checkout: Path, tools: Path) -> None:
    for name in ('cc', 'c++', 'make'):
        script(tools / name, 'exit 0')
    script(tools / 'cmake', 'echo cmake version 3.16.3')
    result = set_up(checkout, tools)
    assert result.returncode == 1
    assert 'CMake 3.22 or newer (3.16.3 found)' in result.stderr
    assert 'compiler' not in result.stderr


@pytest.mark.parametrize('version', ['3.9.2', '3.15.0'])
def test_python_without_wheels_is_refused_with_its_version(
    checkout: Path, tools: Path, version: str
) -> None:
    (tools / 'python3').unlink()
    info = tuple(int(part) for part in version.split('.'))
    run_as = f'import sys; sys.version_info = {info}; exec(sys.argv[1])'
    script(
        tools / 'python3',
        f'case $1 in --version) echo Python {version};; '
        f'*) exec "{sys.executable}" -c "{run_as}" "$2";; esac',
    )
    result = set_up(checkout, tools)
    assert result.returncode == 1
    assert f'Python 3.10 to 3.14 is needed; python3 is Python {version}.' in result.stderr
    assert 'MEDICELL_PYTHON=' in result.stderr


def test_range_of_python_is_the_one_that_the_project_declares() -> None:
    declared = (REPOSITORY / 'pyproject.toml').read_text(encoding='utf-8')
    assert "requires-python = '>=3.10,<3.15'" in declared
    assert '(3, 10) <= sys.version_info < (3, 15)' in (REPOSITORY / 'medicell').read_text()


def test_newer_python_beside_an_old_one_is_taken(checkout: Path, tools: Path) -> None:
    (tools / 'python3').rename(tools / 'python3.11')
    script(tools / 'python3', 'exit 1')
    assert 'a C compiler' in set_up(checkout, tools).stderr


def test_named_python_that_is_absent_is_refused(checkout: Path, tools: Path) -> None:
    result = set_up(checkout, tools, MEDICELL_PYTHON='python3.99')
    assert result.returncode == 1
    assert 'python3.99 is not there, or does not run.' in result.stderr


@pytest.fixture
def made_with_another(checkout: Path) -> Path:
    """The interpreter of a whole `.venv` that is not this one."""
    (checkout / 'tests').mkdir()
    (checkout / 'tests' / 'requirements.txt').write_text('')
    layout = Layout(root=checkout)
    other = checkout / 'python3.9'
    script(other, f'exec "{sys.executable}" "$@"')
    layout.venv_python.parent.mkdir(parents=True)
    layout.venv_python.symlink_to(other)
    found = Host(python=str(other), python_version='3.9.0', has_ros=False)
    packages.finish(layout, found)
    assert packages.is_ready(layout, has_ros=False)
    return other


def test_named_python_that_the_checkout_was_not_set_up_with_is_told(
    checkout: Path, tools: Path, made_with_another: Path
) -> None:
    result = set_up(checkout, tools, MEDICELL_PYTHON=sys.executable)
    assert result.returncode == 1
    here = Path(sys.executable).resolve()
    assert f'made with {made_with_another}, MEDICELL_PYTHON asks for {here}' in result.stderr
    assert '`./medicell setup --clean` makes it anew' in result.stderr
    assert (checkout / '.venv' / 'medicell.json').exists()


def test_checkout_of_another_python_is_used_when_none_is_named(
    checkout: Path, tools: Path, made_with_another: Path
) -> None:
    assert made_with_another.exists()
    result = set_up(checkout, tools)
    assert 'MEDICELL_PYTHON' not in result.stderr
    assert 'a C compiler' in result.stderr


def test_path_with_a_space_is_refused_before_anything_is_made(checkout: Path, tools: Path) -> None:
    moved = checkout.rename(checkout.with_name('my cell'))
    result = set_up(moved, tools)
    assert result.returncode == 1
    assert 'has a space in its path' in result.stderr
    assert not (moved / '.venv').exists()


def test_another_ros_distribution_is_refused(checkout: Path, tools: Path) -> None:
    result = set_up(checkout, tools, ROS_DISTRO='humble', AMENT_PREFIX_PATH='/opt/ros/humble')
    assert result.returncode == 1
    assert 'ROS_DISTRO is humble, Medicell runs on jazzy' in result.stderr


def test_jazzy_for_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/opt/ros/jazzy')
    monkeypatch.setattr(host.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(SetupError, match='cannot import rclpy'):
        host.detect(REPOSITORY)


def test_own_environment_is_not_taken_for_a_ros_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(REPOSITORY / '.venv'))
    assert not host.detect(REPOSITORY).has_ros


def test_missing_venv_module_and_headers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.importlib.util, 'find_spec', lambda name: None)
    monkeypatch.setattr(host.sysconfig, 'get_path', lambda name: '/nonexistent')
    here = Host(python='/usr/bin/python3', python_version='3.12.3', has_ros=False)
    packages = [item.apt for item in host.missing(here, REPOSITORY)]
    assert packages[-2:] == ['python3.12-dev', 'python3.12-venv']


def test_full_disk_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=int(1e8))
    monkeypatch.setattr(host.shutil, 'disk_usage', lambda path: usage)
    here = Host(python=sys.executable, python_version='3.12.3', has_ros=False)
    with pytest.raises(SetupError, match=r'0\.1 GB free; set-up needs 2 GB'):
        host.missing(here, tmp_path)


def test_unknown_command_is_refused_before_any_set_up(checkout: Path, tools: Path) -> None:
    result = subprocess.run(
        [str(checkout / 'medicell'), 'fly'],
        env={'PATH': str(tools)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == "medicell: no command 'fly'; `./medicell --help` lists them\n"
    assert not (checkout / '.venv').exists()
