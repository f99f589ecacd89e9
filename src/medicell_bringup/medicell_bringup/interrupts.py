"""Signals that end a command as Ctrl-C does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


class LeftAlone(KeyboardInterrupt):
    """Who started the command is gone without a word: nobody has asked for its end."""


def interrupt_by_signals(*, parent_goes: Callable[[int], bool] | None = None) -> None:
    """Have SIGTERM and SIGHUP raise KeyboardInterrupt, for a command that ends by unwinding.

    SIGHUP, which comes when the terminal is closed, stays ignored where it is, as `nohup` has it.
    In a command that may be launched, `parent_goes` tells whether the process of this id does;
    SIGTERM raises LeftAlone then. Set-up has this module too, before any other package is there.
    """
    parent = os.getppid()

    def as_interrupt(number: int, _frame: object) -> None:
        asked = number != signal.SIGTERM or parent_goes is None or not parent_goes(parent)
        raise KeyboardInterrupt if asked else LeftAlone

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, as_interrupt)
