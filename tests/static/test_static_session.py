"""A run of tests takes neither signals nor the cache from the one who starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from snippets import REPOSITORY

SENDS_SIGNALS = 'src/medicell_bringup/test/test_interrupts.py'


def test_tests_of_signals_pass_where_signals_are_ignored_from_outside() -> None:
    pytest = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', SENDS_SIGNALS]
    command = ['sh', '-c', 'trap "" INT HUP QUIT; exec "$@"', 'sh', *pytest]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_the_users_cache_is_not_that_of_the_tests() -> None:
    cache = Path(os.environ['XDG_CACHE_HOME'])
    assert cache.is_dir()
    assert cache != Path.home() / '.cache'
