"""`./medicell test`: lint, format, types, import rules and pytest, each run, none hidden."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from medicell_bringup.workspace.layout import Layout

STATIC_CHECKS = {
    'ruff check': ('-m', 'ruff', 'check', '--quiet', '.'),
    'ruff format': ('-m', 'ruff', 'format', '--check', '--quiet', '.'),
    'mypy': ('-m', 'mypy', '--no-error-summary'),
    'import-linter': ('-c', 'from importlinter.cli import lint_imports_command as c; c()'),
}
"""By name: what the virtual environment's Python is given. Configured in pyproject.toml."""

GAZEBO = 'gazebo'
"""The marker of the tests that need it, and the word by which they are promised it."""
STAGE = f'{GAZEBO} and not long'
"""The marks by which they are chosen: what takes minutes alone is run by a full test."""
BESIDE = ('-n', '2', '--dist', 'loadfile')
"""Two files at a time: an arm behind topics goes by the wall; a file makes its batches once."""
PROMISED = 'MEDICELL_TESTS_NEED'
"""The environment's variable with the words of what tests must not be skipped for."""
TYPED_SINCE = (3, 11)
"""The sources are typed for newer numpy than the last one that has wheels for Python 3.10."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one check ended."""

    name: str
    passed: bool
    duration_s: float


def run_all(layout: Layout, arguments: list[str], env: Mapping[str, str]) -> int:
    """Run every check, print a table of the verdicts, return 0 only if all passed."""
    commands = {**STATIC_CHECKS, 'pytest': ('-m', 'pytest', *arguments)}
    if sys.version_info < TYPED_SINCE:
        del commands['mypy']
        sys.stdout.write('--- mypy is left out: it needs numpy for Python 3.11 or newer\n')
    return _told([_run(layout, name, command, env) for name, command in commands.items()])


def run_gazebo(layout: Layout, arguments: list[str], env: Mapping[str, str]) -> int:
    """Make Gazebo ready and run the tests that need it; return 0 only if both came off."""
    verdicts = [_run(layout, 'Gazebo', ('-m', 'medicell_gazebo', 'prepare'), env)]
    if verdicts[0].passed:
        promised = {**env, PROMISED: f'{env.get(PROMISED, "")} {GAZEBO}'.strip()}
        command = ('-m', 'pytest', '-m', STAGE, *BESIDE, *_marked(layout), *arguments)
        verdicts.append(_run(layout, 'pytest', command, promised))
    return _told(verdicts)


def _marked(layout: Layout) -> list[str]:
    """Return the files with tests that need Gazebo: to collect all others takes half a minute."""
    mark = f'pytest.mark.{GAZEBO}'
    folders = (*sorted(layout.root.glob('src/*/test')), layout.root / 'tests')
    files = [file for folder in folders for file in sorted(folder.rglob('test_*.py'))]
    return [
        str(file.relative_to(layout.root)) for file in files if mark in file.read_text('utf-8')
    ]


def _told(verdicts: list[Verdict]) -> int:
    """Print a table of the verdicts and return the exit code."""
    sys.stdout.write('\n')
    for item in verdicts:
        word = 'passed' if item.passed else 'FAILED'
        sys.stdout.write(f'{item.name:15} {word}  {item.duration_s:7.1f} s\n')
    return 0 if all(item.passed for item in verdicts) else 1


def _run(layout: Layout, name: str, command: tuple[str, ...], env: Mapping[str, str]) -> Verdict:
    sys.stdout.write(f'--- {name}\n')
    sys.stdout.flush()
    begun = time.monotonic()
    code = subprocess.run(
        [str(layout.venv_python), *command], cwd=layout.root, env=env, check=False
    ).returncode
    return Verdict(name=name, passed=code == 0, duration_s=time.monotonic() - begun)
