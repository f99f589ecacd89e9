"""Trees of Debian packages: unpacked, not installed, so that nobody needs to be root for them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError, OperationFailed
from medicell_core.leash import leash
from medicell_gazebo.unpacker import MAKING, lacking, unpacker

CACHE_VARIABLE = 'MEDICELL_GAZEBO_CACHE'
"""The folder for trees and plug-ins, in place of the one below the user's cache."""
MIRROR_VARIABLE = 'MEDICELL_DEBIAN_MIRROR'
MIRROR = 'http://deb.debian.org/debian'
KEYRING = Path('/usr/share/keyrings/debian-archive-keyring.gpg')
CONTENTS = 'contents.sha256'
"""In a whole tree: the digest of what it holds."""

_TOLD_LINES = 12
_END_S = 5.0
_PROGRESS = ('I: downloading', 'I: extracting')
_FETCH = (
    'mkdir "$1/loose" && cd "$1/loose" && '
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -q download {packages} && '
    'for file in *.deb; do dpkg-deb -x "$file" "$1" || exit 1; done && rm -r "$1/loose"'
)
# The leash tells one process; this one ends its whole group, which mmdebstrap's children are in.
_GROUP = ('sh', '-c', 'trap "kill -KILL 0" TERM; "$@" & wait $!', 'sh')

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A tree's contents: packages of a suite, with all they depend on; `loose` come without."""

    name: str
    suite: str
    packages: tuple[str, ...]
    loose: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name with a checksum of the whole recipe: another recipe is another tree."""
        text = '\n'.join((self.suite, architecture(), *self.packages, '-', *self.loose))
        return f'{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}'


def architecture() -> str:
    """Return this machine's architecture as Debian names it."""
    return {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine)


def cache_folder() -> Path:
    """Return where trees and plug-ins are kept; it need not be there."""
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own)
    home = os.environ.get('XDG_CACHE_HOME')
    return (Path(home) if home else Path.home() / '.cache') / 'medicell' / 'gazebo'


def kept(recipe: Recipe) -> Path | None:
    """Return the tree of a recipe if it is there and whole."""
    place = cache_folder() / recipe.key
    try:
        whole = (place / CONTENTS).read_text('ascii') == digest(place)
    except OSError:
        return None
    return place if whole else None


def made(recipe: Recipe, tell: Tell) -> Path:
    """Return the tree of a recipe, made anew where it is missing or damaged.

    Trees of older recipes of the same name are removed. Raises InputError that names what this
    machine lacks or where nothing can be kept, and OperationFailed with mmdebstrap's last words.
    """
    with locked(tell):
        found = kept(recipe)
        if found is not None:
            return found
        folder = cache_folder()
        with unpacked(recipe, tell) as tree:
            (tree / CONTENTS).write_text(digest(tree), 'ascii')
            for old in folder.glob(f'{recipe.name}-*'):
                shutil.rmtree(old, ignore_errors=True)
            tree.rename(folder / recipe.key)
        return folder / recipe.key


@contextmanager
def unpacked(recipe: Recipe, tell: Tell) -> Iterator[Path]:
    """Unpack a recipe's tree in a folder that is gone afterwards, with what was left in it.

    Only for who holds the lock.
    """
    if not KEYRING.is_file():
        raise lacking(str(KEYRING), 'apt install debian-archive-keyring')
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    program = unpacker(folder)
    for old in folder.glob(f'{MAKING}*'):
        # Of a process that was killed: whoever makes trees holds the lock.
        shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=MAKING, dir=folder) as making:
        tree = Path(making) / 'tree'
        begun_s = time.monotonic()
        tell(f'unpacking {", ".join(recipe.packages)} of Debian {recipe.suite} ...')
        _unpack(program, recipe, tree, tell)
        tell(f'{recipe.name}: unpacked in {time.monotonic() - begun_s:.0f} s')
        yield tree


def digest(tree: Path) -> str:
    """Return the digest of every file's path, kind and size, or where a link leads.

    It finds what is missing, cut short or added; it does not read the files.
    """
    found = hashlib.sha256()
    for folder, folders, files in os.walk(tree):
        folders.sort()
        for name in sorted((*files, *(item for item in folders))):
            path = os.path.join(folder, name)
            inside = os.path.relpath(path, tree)
            if inside == CONTENTS:
                continue
            status = os.lstat(path)
            says = os.readlink(path) if os.path.islink(path) else str(status.st_size)
            if os.path.isdir(path) and not os.path.islink(path):
                says = 'folder'
            found.update(f'{inside}\0{says}\n'.encode())
    return found.hexdigest()


@contextmanager
def locked(tell: Tell) -> Iterator[None]:
    """Keep other processes of this user from making the same thing at the same time.

    Tells of another one that is waited for. Raises InputError that names the file which cannot be
    made there, and why.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / 'lock').open('w') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell(f'waiting for another process that makes Gazebo in {folder} ...')
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'nothing can be made in {folder}: {reason(error)}; {CACHE_VARIABLE} names another',
            field='gazebo',
        ) from error


def reason(error: OSError) -> str:
    """Return why files failed, with the file where it is known."""
    file = '' if error.filename is None else f' ({error.filename})'
    return f'{error.strerror or error}{file}'


def _unpack(program: str, recipe: Recipe, tree: Path, tell: Tell) -> None:
    command = [
        program,
        # Packages are unpacked and none of their scripts runs: that needs no rights at all.
        '--variant=extract',
        '--mode=chrootless',
        # The archives of older releases are not signed anew.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        f'--architectures={architecture()}',
        f'--include={",".join(recipe.packages)}',
    ]
    if recipe.loose:
        command.append(f'--extract-hook={_FETCH.format(packages=" ".join(recipe.loose))}')
    mirror = os.environ.get(MIRROR_VARIABLE, MIRROR)
    lines: list[str] = []
    # A Medicell that is killed, and can end nothing, leaves no mmdebstrap behind.
    with subprocess.Popen(
        [*leash(), *_GROUP, *command, recipe.suite, str(tree), mirror],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines = [*lines, line.rstrip()][-_TOLD_LINES:]
                if line.startswith(_PROGRESS):
                    tell(line.removeprefix('I: ').rstrip())
        except BaseException:
            _end(process)
            raise
    if process.returncode != 0:
        raise OperationFailed(
            ErrorCode.HARDWARE_FAULT,
            f'mmdebstrap ended with {process.returncode} for {recipe.suite} from {mirror}: '
            + ' | '.join(lines),
        )


def _end(process: subprocess.Popen[str]) -> None:
    """End a program with all that it has started: nothing may write into what is removed next."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
