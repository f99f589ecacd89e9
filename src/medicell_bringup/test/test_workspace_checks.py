"""`./medicell test` runs every check, whatever the first says, and fails if one fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from medicell_bringup.workspace import checks
from medicell_bringup.workspace.layout import Layout

MARK = f'pytestmark = pytest.mark.{checks.GAZEBO}'


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Have every check but ruff's pass; return the commands that were run."""
    commands: list[Sequence[str]] = []

    def run(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, int('ruff' in command))

    monkeypatch.setattr(subprocess, 'run', run)
    return commands


def test_every_check_is_run_though_the_first_fails(
    ran: list[Sequence[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checks.run_all(Layout(root=tmp_path), ['-k', 'x'], {}) == 1
    assert ran[-1][-4:] == ['-m', 'pytest', '-k', 'x']
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[-3] for line in table if line.startswith('ruff')] == ['FAILED'] * 2
    assert any(line.startswith('pytest') and 'passed' in line for line in table)


def test_types_are_checked_only_where_numpy_has_them(
    ran: list[Sequence[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, 'version_info', (3, 10, 13))
    checks.run_all(Layout(root=tmp_path), [], {})
    assert not any('mypy' in command for command in ran)
    assert 'mypy is left out' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'version_info', (3, 11, 7))
    checks.run_all(Layout(root=tmp_path), [], {})
    assert any('mypy' in command for command in ran)


@pytest.mark.parametrize(('prepared', 'code'), [(0, 0), (1, 1)])
def test_tests_in_gazebo_are_promised_it_and_fail_without(
    prepared: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[Sequence[str], str]] = []

    def run(
        command: Sequence[str], env: dict[str, str], **_: Any
    ) -> subprocess.CompletedProcess[str]:
        commands.append((command, env.get('MEDICELL_TESTS_NEED', '')))
        return subprocess.CompletedProcess(command, prepared)

    monkeypatch.setattr(subprocess, 'run', run)
    for name, text in (('src/one/test/test_a.py', MARK), ('tests/system/test_b.py', 'pass')):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    env = {'MEDICELL_TESTS_NEED': 'sphinx'}
    assert checks.run_gazebo(Layout(root=tmp_path), ['-x'], env) == code
    assert list(commands[0][0][-2:]) == ['medicell_gazebo', 'prepare']
    tests = [(list(command[1:]), need) for command, need in commands[1:]]
    chosen = ['-m', 'gazebo and not long', '-n', '2', '--dist', 'loadfile']
    command = ['-m', 'pytest', *chosen, 'src/one/test/test_a.py', '-x']
    assert tests == [(command, 'sphinx gazebo')] * (1 - prepared)
