"""Signals that end a command as Ctrl-C does."""

from __future__ import annotations

import signal


def interrupt_by_signals() -> None:
    """Have SIGTERM and SIGHUP raise KeyboardInterrupt, for a command that ends by unwinding.

    SIGHUP, which comes when the terminal is closed, stays ignored where it is, as `nohup` has it.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _as_interrupt)


def _as_interrupt(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt
