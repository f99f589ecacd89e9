"""A node that hangs is ended: what is dead is noticed, started again, and looked after."""

from __future__ import annotations

import faulthandler
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

HANG_S = 90.0
"""Wall seconds in which a node's executor must come to its next callback (R). The longest wait
30 s for a thread or for the world, and 60 s for an answer of Gazebo.
"""


@contextmanager
def ended_when_hung(node: Node, hang_s: float = HANG_S) -> Iterator[None]:
    """Have a spun node's process end in the context when its executor turns no more.

    It then tells the stack of each thread on standard error and ends with code 1, at once, by a
    thread of the interpreter that needs no lock of Python's. A process that was stopped for
    longer ends so, too, when it goes on.
    """
    left = threading.Event()

    def beat() -> None:
        if not left.is_set():
            faulthandler.dump_traceback_later(hang_s, exit=True)

    beat()
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    timer = node.create_timer(hang_s / 10.0, beat, clock=steady)
    try:
        yield
    finally:
        left.set()
        node.destroy_timer(timer)
        faulthandler.cancel_dump_traceback_later()
