"""Gazebo 11 out of Debian 11's archive, with the plug-in that keeps it in lock-step."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_gazebo.trees import Recipe, Tell, cache_folder, kept, locked, made, unpacked

SERVER = Recipe(name='gazebo11', suite='bullseye', packages=('gazebo',))
COMPILER = Recipe(
    name='compiler',
    suite='bullseye',
    packages=('g++-10',),
    # Gazebo's headers and those that they include; what else they depend on is gigabytes.
    loose=(
        'libgazebo-dev',
        'libsdformat-dev',
        'libignition-math-dev',
        'libignition-common-dev',
        'libignition-transport-dev',
        'libignition-msgs-dev',
        'libignition-fuel-tools-dev',
        'libboost1.74-dev',
        'libprotobuf-dev',
        'libtbb-dev',
        'libtinyxml-dev',
        'libtinyxml2-dev',
        'libzmq3-dev',
        'uuid-dev',
    ),
)
FLAGS = ('-std=c++17', '-O2', '-Wall', '-Wextra', '-fPIC', '-shared', '-nodefaultlibs')
"""Whatever the plug-in calls is in gzserver's process already: it is linked with no library."""
HEADERS = ('gazebo-11', 'sdformat-*', 'ignition/*')
"""Below usr/include: folders whose headers are included by their path in them."""
LIBRARIES = ('lib/*-linux-gnu', 'usr/lib', 'usr/lib/*-linux-gnu', 'usr/lib/*-linux-gnu/*')
SOURCE = 'lock_step.cc'

_TOLD_CHARACTERS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gazebo11:
    """The tree with gzserver, and the plug-in's file."""

    tree: Path
    plugin: Path

    @property
    def version(self) -> str:
        """Its release, by the name of its library; empty where that is not there."""
        names = sorted(path.name for path in self.tree.glob('usr/lib/*/libgazebo.so.*.*'))
        return names[-1].partition('.so.')[2] if names else ''

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return how a program of the tree is started: by the tree's own loader and libraries.

        So it runs on any distribution, without a chroot and the rights for one.
        """
        loader = sorted(self.tree.glob('lib/*-linux-gnu/ld-2.*.so'))[-1]
        folders = [path for part in LIBRARIES for path in sorted(self.tree.glob(part))]
        libraries = ':'.join(str(path) for path in folders if path.is_dir())
        file = self.tree / 'usr' / 'bin' / program
        return [str(loader), '--inhibit-cache', '--library-path', libraries, str(file), *arguments]

    def environment(self) -> dict[str, str]:
        """Return the variables by which Gazebo finds its files; its model database is off."""
        share = self.tree / 'usr' / 'share'
        plugins = sorted(self.tree.glob('usr/lib/*-linux-gnu/gazebo-11/plugins'))
        return {
            'GAZEBO_RESOURCE_PATH': str(share / 'gazebo-11'),
            'GAZEBO_PLUGIN_PATH': ':'.join(str(path) for path in plugins),
            'GAZEBO_MODEL_PATH': '',
            'GAZEBO_MODEL_DATABASE_URI': '',
            'GAZEBO_IP': '127.0.0.1',
        }


def found() -> Gazebo11 | None:
    """Return Gazebo 11 if its tree and the plug-in are there and whole."""
    tree, plugin = kept(SERVER), _plugin_place()
    return Gazebo11(tree=tree, plugin=plugin) if tree and plugin.is_file() else None


def prepared(tell: Tell) -> Gazebo11:
    """Return Gazebo 11, made where it is missing, damaged or of an older recipe.

    What is there needs nothing to be written. Raises InputError that names what this machine
    lacks for it or where nothing can be kept, OperationFailed with the last words of mmdebstrap
    or the compiler.
    """
    whole = found()
    if whole is not None:
        return whole
    tree = made(SERVER, tell)
    return Gazebo11(tree=tree, plugin=_plugin(tell))


def source() -> str:
    """Return the plug-in's C++ text."""
    return resources.files(__package__).joinpath('plugin', SOURCE).read_text('utf-8')


def _plugin_place() -> Path:
    """Return where the plug-in of this source, compiler and Gazebo is kept."""
    text = '\0'.join((SERVER.key, COMPILER.key, *FLAGS, source()))
    return cache_folder() / f'lock_step-{hashlib.sha256(text.encode()).hexdigest()[:16]}.so'


def _plugin(tell: Tell) -> Path:
    """Return the plug-in, compiled where it is missing; the compiler does not stay."""
    with locked(tell):
        place = _plugin_place()
        if place.is_file():
            return place
        with unpacked(COMPILER, tell) as tree:
            tell(f'compiling {SOURCE} ...')
            (tree / SOURCE).write_text(source(), 'utf-8')
            _compile(tree, tree / SOURCE, tree / place.name)
            for old in place.parent.glob('lock_step-*.so'):
                old.unlink()
            (tree / place.name).rename(place)
        return place


def _compile(tree: Path, text: Path, result: Path) -> None:
    """Compile with the tree's compiler and headers; raises OperationFailed with what it says."""
    include = tree / 'usr' / 'include'
    folders = [str(path) for part in HEADERS for path in sorted(include.glob(part))]
    headers = [word for folder in folders for word in ('-isystem', folder)]
    libraries = ':'.join(str(path) for path in sorted(tree.glob('usr/lib/*-linux-gnu')))
    programs = str(tree / 'usr' / 'bin')
    done = subprocess.run(
        [
            f'{programs}/g++-10',
            f'--sysroot={tree}',
            *FLAGS,
            *headers,
            str(text),
            '-o',
            str(result),
        ],
        env={
            **os.environ,
            'PATH': f'{programs}:{os.environ["PATH"]}',
            'LD_LIBRARY_PATH': libraries,
        },
        capture_output=True,
        text=True,
        errors='replace',
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr + done.stdout)[:_TOLD_CHARACTERS]
        raise OperationFailed(ErrorCode.HARDWARE_FAULT, f'{SOURCE} was not compiled: {said}')
