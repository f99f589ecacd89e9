"""What a run needs of the cell that makes it, and what the hosts of cells share."""

from __future__ import annotations

import contextlib
import math
import os
import time
from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import TypeVar

import rclpy
from rclpy.node import Node

from medicell_bringup.inputs import RunInputs
from medicell_bringup.memory import own_peak_mb
from medicell_bringup.operator import NODES, OperatorClient
from medicell_bringup.version import VERSION
from medicell_core.closing import Closing
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_orchestrator.resuming.folder import JOURNALS
from medicell_orchestrator.resuming.note import OpenNote
from medicell_record.motion import Motion, Simulator
from medicell_ros.domain import VARIABLE, claimed, open_ros, own_domain
from medicell_ros.host import NodeHost
from medicell_ros.node_parameters import ORCHESTRATOR, WORLD

REST_PACE = 0.0
"""Nobody answers a question in a run: its time stands, so that the seed alone decides."""

START_S = 90.0
"""Wall seconds that the nodes of other processes may take to become ready."""

POLL_S = 0.05

_Self = TypeVar('_Self', bound='Host')


def world_speed(inputs: RunInputs) -> float:
    """Return the world's parameter, in which 0 stands for no limit."""
    return 0.0 if math.isinf(inputs.speed) else inputs.speed


class Host(Closing):
    """A running cell with the operator's client to it, for as long as it is entered."""

    hint = ''
    """What is added to the error of a cell that does not become ready."""

    def __init__(self, inputs: RunInputs) -> None:
        self.inputs = inputs
        self.exits = contextlib.ExitStack()
        self.client: OperatorClient
        self.has_world = True
        """Whether the cell is simulated: hardware has no seed, no balance and no faults to arm."""

    def __enter__(self: _Self) -> _Self:
        """Start the cell; returns when every node is active. One that fails leaves nothing."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End the cell: nothing of it is left."""
        self.exits.close()

    @abstractmethod
    def start(self) -> None:
        """Start the cell, or join it, and wait until every node is ready."""

    def note_open(self) -> None:
        """Have the orchestrator take the batch up, if one is: its note says where that is.

        The note that is there names the folder in which the batch was begun.
        """
        if self.inputs.back_s is not None:
            OpenNote(str(self.inputs.out / JOURNALS)).write(self.inputs.out)

    def start_ros(self) -> None:
        """Open the ROS context; it is shut down last. Signals stay the caller's.

        A rehearsal takes a ROS domain of its own, so that two on one machine do not meet,
        unless ROS_DOMAIN_ID names one.
        """
        if VARIABLE not in os.environ:
            os.environ[VARIABLE] = str(self.exits.enter_context(own_domain()))
            self.exits.callback(os.environ.pop, VARIABLE, None)
        self.open_context()

    def open_context(self) -> None:
        """Open the ROS context in the environment's domain, with the cell's parameters."""
        open_ros(['--ros-args', '--params-file', str(self.inputs.params_file)])
        self.exits.callback(rclpy.try_shutdown)

    def claimed(self) -> AbstractContextManager[None]:
        """Claim the cell's nodes; raises InputError where another cell has their names."""
        return claimed(f'{self.inputs.namespace}/{name}' for name in NODES)

    def connect_operator(self) -> None:
        """Make the operator's node and spin it."""
        node = Node('operator', namespace=self.inputs.namespace)
        self.exits.enter_context(NodeHost([node]))
        self.client = OperatorClient(node)
        self.exits.callback(self.client.close)

    def wait_ready(self) -> None:
        """Wait until each node's state says that it is ready; raises TIMEOUT.

        The devices of a batch that is taken up work, or are held, before anybody looks.
        """
        deadline = time.monotonic() + START_S
        needed = NODES if self.inputs.back_s is None else (WORLD, ORCHESTRATOR)
        while True:
            waiting = [name for name in needed if not self._is_ready(name)]
            if not waiting:
                return
            self.check_alive()
            if time.monotonic() > deadline:
                text = f'not ready after {START_S:g} s: {", ".join(waiting)}'
                raise MedicellError(ErrorCode.TIMEOUT, text + self.hint)
            time.sleep(POLL_S)

    def _is_ready(self, name: str) -> bool:
        if name == ORCHESTRATOR and self.inputs.back_s is not None:
            self.check_alive()
            return self.client.state_of(name) not in {
                None,
                PackMLState.STOPPED,
                PackMLState.RESETTING,
            }
        return self.client.is_ready(name)

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a part of the cell has died.

        Raises what keeps the orchestrator from taking a batch up, too, if it has said so.
        """
        error = self.client.fault_of(ORCHESTRATOR)
        if error is not None and error.code is not ErrorCode.COMMUNICATION_LOST:
            raise error

    def motion(self) -> Motion | None:
        """Return by what the cell moves and what that has shown; None where it is not known."""
        return Motion(simulator=Simulator.BUILTIN, version=VERSION)

    def poses(self) -> bytes | None:
        """Return the file of poses that physics has measured; None where nothing has a body."""
        return None

    def peak_rss_mb(self) -> float:
        """Return the most memory resident so far of this process and those it started, in MB."""
        return own_peak_mb()
