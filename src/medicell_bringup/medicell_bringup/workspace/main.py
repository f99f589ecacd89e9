"""What `./medicell` does: set up when needed, then test or hand over to the command line."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from medicell_bringup.catalogue import COMMANDS
from medicell_bringup.interrupts import interrupt_by_signals
from medicell_bringup.workspace import build, checks, environment, host, packages
from medicell_bringup.workspace.layout import Layout, only_one
from medicell_bringup.workspace.progress import Progress

HELP = """Medicell, the control software of a robotic cell-manufacturing workcell

usage: ./medicell COMMAND [OPTIONS]

{commands}

`./medicell COMMAND --help` tells the options of a command. Whatever needs the workspace
sets it up first.
"""
SETUP = 'make the workspace ready; done by the others when needed'
OWN_COMMANDS = {
    'test': 'lint, types, import rules and tests; `test gazebo` what needs Gazebo; options go on',
    'exec': "run any program in the workspace's environment: `./medicell exec python FILE`",
}
"""Besides `setup`, the commands that this module does itself; they take no options of its own."""
NEEDS_DOCS = ('docs',)
"""Commands that need docs/requirements.txt besides."""
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Do what the command line says and return the exit code."""
    layout = Layout(root=Path(__file__).resolve().parents[4])
    interrupt_by_signals()
    name = arguments[0] if arguments else '--help'
    own: dict[str, Callable[[Layout, list[str]], int]] = {
        'setup': _setup,
        'test': _test,
        'exec': _exec,
    }
    try:
        if name in ('-h', '--help', 'help'):
            sys.stdout.write(help_text())
            return 0
        if name in own:
            return own[name](layout, arguments[1:])
        if name in COMMANDS:
            if name in NEEDS_DOCS and not set(arguments) & {'-h', '--help'}:
                ensure_docs(layout)
            return _hand_over(layout, arguments)
    except host.SetupError as error:
        sys.stderr.write(f'medicell: {error}\n')
        return EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write('\nmedicell: interrupted; the same command goes on where it can\n')
        return EXIT_INTERRUPTED
    sys.stderr.write(f'medicell: no command {name!r}; `./medicell --help` lists them\n')
    return EXIT_USAGE


def help_text() -> str:
    """Return what `./medicell --help` prints."""
    commands = {'setup': SETUP, **COMMANDS, **OWN_COMMANDS}
    lines = '\n'.join(f'  {name:8} {text}' for name, text in commands.items())
    return HELP.format(commands=lines)


def setup_parser() -> argparse.ArgumentParser:
    """Return what reads the options of `setup`."""
    parser = argparse.ArgumentParser(
        prog='medicell setup', description='Make the workspace ready.', allow_abbrev=False
    )
    parser.add_argument(
        '--clean', action='store_true', help='remove .venv, build and install before'
    )
    parser.add_argument(
        '--docs', action='store_true', help='add what the documentation site needs'
    )
    parser.add_argument(
        '--image',
        action='store_true',
        help='make .venv alone, without what tests need: for a container, where colcon builds',
    )
    return parser


def _setup(layout: Layout, arguments: list[str]) -> int:
    options = setup_parser().parse_args(arguments)
    if options.clean:
        with only_one(layout, _say_waiting):
            for folder in (layout.venv, layout.build, layout.install):
                shutil.rmtree(folder, ignore_errors=True)
    if options.image:
        _make_for_image(layout)
        return 0
    done = ensure_ready(layout)
    if options.docs:
        done = ensure_docs(layout) or done
    if not done:
        sys.stderr.write('medicell: everything is in place\n')
    return 0


def ensure_ready(layout: Layout) -> bool:
    """Set up whatever is not there; returns whether anything had to be done."""
    has_ros = bool(os.environ.get('ROS_DISTRO')) and bool(host.ros_prefixes(layout.root))
    if packages.is_ready(layout, has_ros=has_ros):
        packages.refuse_other_python(layout, os.environ.get('MEDICELL_PYTHON', ''))
        if build.is_ready(layout, has_ros=has_ros):
            return False
    begun = time.monotonic()
    found = _able_host(layout)
    with only_one(layout, _say_waiting) as lock:
        _do_steps(layout, found, lock)
    sys.stderr.write(f'medicell: ready after {time.monotonic() - begun:.0f} s\n')
    return True


def _able_host(layout: Layout) -> host.Host:
    found = host.detect(layout.root)
    lacking = host.missing(found, layout.root)
    if lacking:
        raise host.SetupError(host.explain(lacking))
    return found


def _make_for_image(layout: Layout) -> None:
    """Make the virtual environment that a container runs from; it is stamped by no one."""
    found = _able_host(layout)
    with only_one(layout, _say_waiting) as lock:
        progress = Progress(layout.log, steps=1, held=lock)
        try:
            with progress.step(f'Python {found.python_version} packages for an image into .venv'):
                packages.make(layout, found, progress, with_tests=False)
        finally:
            progress.close()


def ensure_docs(layout: Layout) -> bool:
    """Add what the documentation site needs; returns whether anything had to be done."""
    ensure_ready(layout)
    if packages.has_docs(layout):
        return False
    with only_one(layout, _say_waiting) as lock:
        progress = Progress(layout.log, steps=1, held=lock)
        try:
            with progress.step('what the documentation site needs, into .venv'):
                packages.add_docs(layout, progress)
        finally:
            progress.close()
    return True


def _do_steps(layout: Layout, found: host.Host, lock: int) -> None:
    fresh = packages.is_ready(layout, has_ros=found.has_ros)
    progress = Progress(layout.log, steps=1 if fresh else 3, held=lock)
    try:
        if not fresh:
            origin = 'beside the sourced ROS 2' if found.has_ros else 'with ROS 2 from PyPI'
            with progress.step(f'Python {found.python_version} packages into .venv, {origin}'):
                packages.make(layout, found, progress)
            with progress.step("the wheels' CMake exports"):
                packages.mend_exports(layout)
            packages.finish(layout, found)
        names = [item.name for item in build.stale(layout, has_ros=found.has_ros)]
        what = ', '.join(names) if len(names) <= 3 else f'{len(names)} packages'
        with progress.step(f'colcon build of {what or "nothing new"}'):
            build.build(layout, found, progress)
    finally:
        progress.close()


def _say_waiting() -> None:
    sys.stderr.write('medicell: another set-up is running here; waiting for it to end\n')


def _environment(layout: Layout) -> dict[str, str]:
    has_ros = bool(os.environ.get('ROS_DISTRO')) and bool(host.ros_prefixes(layout.root))
    added = build.load_overlay(layout)
    return environment.overlay(layout, os.environ, added, has_ros=has_ros)


def _hand_over(layout: Layout, arguments: list[str]) -> int:
    ensure_ready(layout)
    python = str(layout.venv_python)
    command = [python, '-m', 'medicell_bringup.cli', *arguments]
    os.execve(python, command, _environment(layout))


def _test(layout: Layout, arguments: list[str]) -> int:
    ensure_ready(layout)
    if arguments[:1] == [checks.GAZEBO]:
        return checks.run_gazebo(layout, arguments[1:], _environment(layout))
    return checks.run_all(layout, arguments, _environment(layout))


def _exec(layout: Layout, arguments: list[str]) -> int:
    if not arguments or arguments[0] in ('-h', '--help'):
        sys.stderr.write('usage: ./medicell exec PROGRAM [ARGUMENTS]\n')
        return EXIT_USAGE
    ensure_ready(layout)
    env = _environment(layout)
    program = shutil.which(arguments[0], path=env['PATH'])
    if program is not None:
        os.execve(program, arguments, env)
    sys.stderr.write(f'medicell exec: there is no program {arguments[0]!r}\n')
    return EXIT_USAGE
