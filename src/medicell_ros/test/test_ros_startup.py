"""The start of a node's process: what comes first, and what the user has set stays."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from medicell_core.errors import ErrorCode, InputError
from medicell_ros import startup


def begun(*said: str, env: dict[str, str]) -> str:
    """Return what a fresh process says after `begin`."""
    lines = [
        'import gc, os, sys',
        'from medicell_ros import startup',
        'startup.begin()',
        *said,
    ]
    command = [sys.executable, '-c', '\n'.join(lines)]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_numpy_is_imported_before_what_would_slow_it_down() -> None:
    said = begun(
        'print(*("numpy" in sys.modules, "typing_extensions" in sys.modules, gc.isenabled()))',
        env=dict(os.environ),
    )
    assert said == 'True False False'


@pytest.mark.parametrize('name', startup.ENVIRONMENT)
def test_variable_is_set_unless_the_user_has(name: str) -> None:
    env = {key: value for key, value in os.environ.items() if key not in startup.ENVIRONMENT}
    show = f'print(os.environ[{name!r}])'
    assert begun(show, env=env) == startup.ENVIRONMENT[name]
    assert begun(show, env={**env, name: '3'}) == '3'


def test_garbage_is_collected_again_after_the_imports_of_a_program() -> None:
    def fail() -> None:
        with startup.uncollected():
            assert not gc.isenabled()
            raise InputError(ErrorCode.INVALID_GOAL, 'wrong')

    assert gc.isenabled()
    with pytest.raises(InputError):
        fail()
    assert gc.isenabled()
