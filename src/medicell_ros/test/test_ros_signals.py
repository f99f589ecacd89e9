"""Signals end a program by an event, whatever its main thread does meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WAIT_S = 30.0
PROGRAM = """
import threading
from medicell_ros.signals import end_by_signals
ended = threading.Event()
end_by_signals(ended)
print('up', flush=True)
ended.wait()
print('ended', flush=True)
"""
HELD = """
import signal, threading
from medicell_ros.signals import end_by_signals
ended = threading.Event()
end_by_signals(ended)
with ended._cond:
    signal.raise_signal(signal.SIGTERM)
ended.wait()
print('ended', flush=True)
"""
"""A signal that comes while the event's own lock is held, as it is within `wait`."""
HANG_UP = """
import signal, threading
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from medicell_ros.signals import end_by_signals
ended = threading.Event()
end_by_signals(ended)
signal.raise_signal(signal.SIGHUP)
print('on' if not ended.wait(0.2) else 'ended', flush=True)
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_a_program_that_waits(number: signal.Signals) -> None:
    command = [sys.executable, '-c', PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'up\n'
        process.send_signal(number)
        assert process.communicate(timeout=WAIT_S)[0] == 'ended\n'
    assert process.returncode == 0


@pytest.mark.parametrize(('program', 'said'), [(HELD, 'ended\n'), (HANG_UP, 'on\n')])
def test_signal_within_the_wait_and_hang_up_that_is_ignored(program: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, '-c', program],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        timeout=WAIT_S,
    )
    assert (done.returncode, done.stdout) == (0, said)
