"""Signals that end a command as Ctrl-C does, each sent to a program of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

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
