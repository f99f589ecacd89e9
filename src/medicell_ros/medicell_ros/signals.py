"""The signals by which a program is told to end."""

from __future__ import annotations

import signal
import threading
from queue import SimpleQueue

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a program in order; SIGHUP comes when its terminal is closed."""


def end_by_signals(ended: threading.Event) -> None:
    """Have the signals that end a program set an event; to be called in the main thread.

    SIGHUP stays ignored where it is, as `nohup` has it. A second signal changes nothing.
    """
    told: SimpleQueue[int] = SimpleQueue()
    for number in ENDING:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda came, _: told.put(came))

    def follow() -> None:
        told.get()
        ended.set()

    # A handler runs within whatever the main thread does: were that waiting for the event, it
    # may hold the event's lock. Only the queue's put may be called there.
    threading.Thread(target=follow, name='signals', daemon=True).start()
