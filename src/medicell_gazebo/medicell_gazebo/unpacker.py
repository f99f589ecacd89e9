"""The program that unpacks trees: `mmdebstrap` of this machine, or out of its own package."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError

NAME = 'mmdebstrap'
MAKING = '.making-'
"""How folders begin in which something is made; who holds the lock removes what is left."""
REMEDY = 'apt install mmdebstrap'
_TOOLS = ('apt-get', 'dpkg-deb', 'perl')
"""What it runs by; apt and dpkg bring perl with them on Debian and Ubuntu."""
_KEPT = 'unpacker'


def unpacker(cache: Path) -> str:
    """Return the program; without one on this machine, its package is fetched into `cache`.

    apt keeps its lists there too meanwhile: that needs no root, and changes nothing of the
    machine's. Only for who holds the lock. Raises InputError that names what is missing.
    """
    for tool in _TOOLS:
        if shutil.which(tool) is None:
            raise lacking(tool, REMEDY)
    own = shutil.which(NAME)
    program = cache / _KEPT / 'usr' / 'bin' / NAME
    if own is None and not program.is_file():
        _fetch(cache)
    return own or str(program)


def lacking(what: str, remedy: str) -> InputError:
    """Return the error that says what this machine has not, and what brings it."""
    return InputError(
        ErrorCode.INVALID_GOAL, f'this machine has no {what}; `{remedy}` brings it', field='gazebo'
    )


def _fetch(cache: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=MAKING, dir=cache) as making:
        work = Path(making)
        (work / 'lists' / 'partial').mkdir(parents=True)
        apt = [
            *('apt-get', '-q', '-o', 'APT::Sandbox::User=root'),
            *('-o', f'Dir::State::lists={work}/lists', '-o', f'Dir::Cache={work}'),
        ]
        _run([*apt, 'update'], work)
        _run([*apt, 'download', NAME], work)
        _run(['dpkg-deb', '-x', *map(str, work.glob('*.deb')), 'tree'], work)
        shutil.rmtree(cache / _KEPT, ignore_errors=True)
        (work / 'tree').rename(cache / _KEPT)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, 'LC_ALL': 'C'},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        check=False,
    )
    if done.returncode != 0:
        said = ' | '.join(done.stdout.split('\n')[-4:]).strip(' |')
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'this machine has no {NAME}, and its package cannot be fetched '
            f'({command[0]} ended with {done.returncode}: {said}); `{REMEDY}` brings it',
            field='gazebo',
        )
