"""Nodes of a cell of many processes that die, hang, or are cut off from the network."""

from __future__ import annotations

import os
import signal
import threading
from abc import abstractmethod
from collections.abc import Callable
from contextlib import ExitStack, suppress

from medicell_bringup.campaign.two_hosts import CONTROL, DEVICES, TwoHosts, why_not
from medicell_core.closing import Closing

HUNG_S = 5.0
"""Wall seconds for which a node hangs: its silence is noticed within 2."""
CUT_S = 25.0
"""Wall seconds for which the cable is cut: DDS forgets a silent peer after 20."""
OTHER_HOST = ('orchestrator',)
"""Nodes that are on another host than the devices and their world."""


class NodeFault(Closing):
    """What befalls a device's node while it works, in a cell that is made and ended within it."""

    def __init__(self) -> None:
        self._exits = ExitStack()

    @staticmethod
    def lacking() -> str:
        """Return why it cannot be tried on this machine; empty when it can."""
        return ''

    def prefix(self, node: str) -> tuple[str, ...]:
        """Return the words before the command of a node's process."""
        return ()

    @abstractmethod
    def strike(self, pid: int) -> None:
        """Let it befall the node that this process is."""

    def close(self) -> None:
        """Let what still lasts be over."""
        self._exits.close()

    def _later(self, wall_s: float, end: Callable[[], None]) -> None:
        """Let it be over after a while, or at the end of all."""
        timer = threading.Timer(wall_s, end)
        self._exits.callback(end)
        self._exits.callback(timer.cancel)
        timer.start()


class NodeKilled(NodeFault):
    """A node is killed; its launch starts it again."""

    def strike(self, pid: int) -> None:
        """Kill it."""
        os.kill(pid, signal.SIGKILL)


class NodeHung(NodeFault):
    """A node is stopped, lives, and goes on after a while."""

    def strike(self, pid: int) -> None:
        """Stop it."""
        os.kill(pid, signal.SIGSTOP)
        self._later(HUNG_S, lambda: _go_on(pid))


class NetworkCut(NodeFault):
    """Devices and world are on another host than the orchestrator, and the cable is cut."""

    def __init__(self) -> None:
        super().__init__()
        self._hosts = self._exits.enter_context(TwoHosts())
        try:
            self._hosts.enter(CONTROL)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def lacking() -> str:
        """Return why it cannot be tried on this machine; empty when it can."""
        return why_not()

    def prefix(self, node: str) -> tuple[str, ...]:
        """Return the words by which a device's process is on its own host."""
        return () if node in OTHER_HOST else tuple(self._hosts.on(DEVICES, ()))

    def strike(self, pid: int) -> None:
        """Pull the cable between the hosts."""
        self._hosts.cut()
        self._later(CUT_S, self._hosts.heal)


def _go_on(pid: int) -> None:
    """Let a stopped process go on, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
