"""Signals that end a command as Ctrl-C does, each sent to a program of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medicell_core.leash import leash

WAIT_S = 20.0

PROGRAM = """
import signal, sys
from medicell_bringup.interrupts import interrupt_by_signals
if sys.argv[2:]:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
interrupt_by_signals()
try:
    signal.raise_signal(int(sys.argv[1]))
except KeyboardInterrupt:
    print('interrupted')
else:
    print('goes on')
"""


@pytest.mark.parametrize(
    ('number', 'words', 'said'),
    [
        (signal.SIGTERM, [], 'interrupted'),
        (signal.SIGHUP, [], 'interrupted'),
        (signal.SIGHUP, ['nohup'], 'goes on'),
    ],
)
def test_signal_interrupts_unless_it_is_ignored(
    number: signal.Signals, words: list[str], said: str
) -> None:
    command = [sys.executable, '-c', PROGRAM, str(int(number)), *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.split('\n')[0] == said


LAUNCHED = """
import signal, sys
from medicell_bringup.interrupts import LeftAlone, interrupt_by_signals
from medicell_core.leash import parent_goes
interrupt_by_signals(parent_goes=parent_goes)
try:
    print('ready', flush=True)
    sys.stdin.read()
    signal.pause()
except LeftAlone:
    print('left alone', file=sys.stderr)
except KeyboardInterrupt:
    print('interrupted', file=sys.stderr)
"""
LAUNCH = """
import subprocess, sys, time
child = subprocess.Popen([*sys.argv[1:]])
child.wait()
"""


@contextmanager
def launch_of_a_command(program: str) -> Iterator[subprocess.Popen[str]]:
    """Start a launch, and wait for the command that it has on its leash."""
    if not leash():
        pytest.skip('setpriv of util-linux is not installed here')
    words = [*leash(), sys.executable, '-c', LAUNCHED]
    with subprocess.Popen(
        [sys.executable, '-c', program, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as launch:
        assert launch.stdout is not None
        assert launch.stdout.readline() == 'ready\n'
        yield launch


@pytest.mark.parametrize(('by', 'said'), [('person', 'interrupted'), ('kernel', 'left alone')])
def test_sigterm_of_a_launch_that_is_gone_is_nobodys_wish(by: str, said: str) -> None:
    with launch_of_a_command(LAUNCH) as launch:
        if by == 'person':
            (child,) = Path(f'/proc/{launch.pid}/task/{launch.pid}/children').read_text().split()
            os.kill(int(child), signal.SIGTERM)
        else:
            launch.kill()
        _, err = launch.communicate(timeout=WAIT_S)
    assert err.strip() == said


DYING_LAUNCH = """
import os, subprocess, sys, threading, time


def start():
    subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    sys.stdin.readline()


thread = threading.Thread(target=start)
thread.start()
thread.join()
time.sleep(0.5)
os._exit(0)
"""


def test_launch_whose_threads_end_one_after_the_other_is_gone_all_the_same() -> None:
    with launch_of_a_command(DYING_LAUNCH) as launch:
        _, err = launch.communicate('go\n', timeout=WAIT_S)
    assert err.strip() == 'left alone'
