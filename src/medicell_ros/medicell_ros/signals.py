"""The signals by which a program is told to end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a program in order; SIGHUP comes when its terminal is closed."""


def end_by_signals(ended: threading.Event) -> list[int]:
    """Have the signals that end a program set an event; to be called in the main thread.

    Returns the list to which the first of them is added before the event is set. SIGHUP stays
    ignored where it is, as `nohup` has it. A second signal changes nothing.
    """
    came: list[int] = []
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in ENDING:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _noted)
    # Python runs a handler in the main thread, and only when that comes to its next step: a
    # signal that the kernel gives to a thread of DDS does not wake a main thread that waits.
    # The pipe is written by whichever thread gets it.
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def follow() -> None:
        while not came:
            came.extend(number for number in os.read(reading, 1) if number in ENDING)
        ended.set()

    threading.Thread(target=follow, name='signals', daemon=True).start()
    return came


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Have SIGALRM end the process if the context lasts that long; SIGTERM ends it in it, too.

    The kernel does it, whatever the program's threads do or hold, so nothing may be left to lose.
    """
    before = {
        number: signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGALRM, signal.SIGTERM)
    }
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _noted(_number: int, _frame: object) -> None:
    """Be a handler: without one Python's own would raise, or the process would die."""
