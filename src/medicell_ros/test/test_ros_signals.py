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


STUCK = """
import ctypes, sys, threading
from medicell_ros.signals import end_by_signals, ended_after
end_by_signals(threading.Event())
with ended_after(float(sys.argv[1])):
    print('up', flush=True)
    ctypes.PyDLL(None).sleep(int(sys.argv[2]))
print('ended', flush=True)
"""
"""A call that holds Python's lock, as rclpy's do: no handler and no thread of Python runs."""


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


@pytest.mark.parametrize(
    ('limit_s', 'ends_by'), [('0.2', signal.SIGALRM), ('600', signal.SIGTERM)]
)
def test_a_program_that_never_comes_back_ends_all_the_same(
    limit_s: str, ends_by: signal.Signals
) -> None:
    command = [sys.executable, '-c', STUCK, limit_s, '600']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'up\n'
        if ends_by is signal.SIGTERM:
            process.terminate()
        assert process.wait(WAIT_S) == -ends_by


def test_a_program_that_comes_back_in_time_goes_on() -> None:
    command = [sys.executable, '-c', STUCK, '30', '0']
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, timeout=WAIT_S)
    assert (done.returncode, done.stdout) == (0, 'up\nended\n')
