"""A cell that somebody else has launched."""

from __future__ import annotations

import math
import os
import time

from medicell_bringup.hosting.host import Host
from medicell_bringup.inputs import RunInputs
from medicell_bringup.operator import NODES
from medicell_bringup.sight import SETTLE_S
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.motion import Motion
from medicell_ros.domain import VARIABLE
from medicell_ros.node_parameters import ORCHESTRATOR, WORLD

LOST_S = 60.0
"""Wall seconds without an orchestrator after which a cell is given up: a cut cable may heal."""


class RunningCell(Host):
    """A cell that was launched before, in the ROS domain of the environment; it is left running.

    Only the operator's node is this process's.
    """

    def __init__(self, inputs: RunInputs) -> None:
        super().__init__(inputs)
        self._seen_s = 0.0
        self._alone_s = math.inf
        self.hint = (
            f' in {inputs.namespace}, ROS domain {os.environ.get(VARIABLE, "0")}; a cell that was'
            ' launched with cell:=FILE is joined with --config FILE, one with namespace:=NAME'
            ' with --namespace NAME'
        )

    def start(self) -> None:
        """Join the cell and wait until each of its nodes is ready."""
        self.open_context()
        self.connect_operator()
        self.wait_ready()
        self._seen_s = time.monotonic()

    def _is_ready(self, name: str) -> bool:
        if name == WORLD:
            return super()._is_ready(name) or self._is_hardware()
        return (name != ORCHESTRATOR or self._is_unused()) and super()._is_ready(name)

    def _is_hardware(self) -> bool:
        """Return whether all but a world are ready, and none has shown itself since."""
        now_s = time.monotonic()
        others = all(self._is_ready(name) for name in NODES if name != WORLD)
        alone = others and not self.client.sees_world()
        self._alone_s = min(self._alone_s, now_s) if alone else math.inf
        self.has_world = now_s - self._alone_s <= SETTLE_S
        return not self.has_world

    def _is_unused(self) -> bool:
        """Return whether the cell has said that it has had no batch; raises if it has had one."""
        batch = self.client.batch()
        if batch is None:
            return False
        if batch.outcome:
            raise InputError(
                ErrorCode.STATION_OCCUPIED,
                f'the kit of batch {batch.batch_id} ({batch.outcome}) still hangs in'
                f' {self.inputs.namespace}: end that launch and start a new one',
            )
        if batch.batch_id:
            raise MedicellError(
                ErrorCode.BATCH_RUNNING,
                f'batch {batch.batch_id} has not ended in {self.inputs.namespace}',
            )
        return True

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when there has been no orchestrator for a while."""
        super().check_alive()
        if self.client.sees_orchestrator():
            self._seen_s = time.monotonic()
        if self._seen_s and time.monotonic() - self._seen_s > LOST_S:
            raise MedicellError(
                ErrorCode.COMMUNICATION_LOST,
                f'no orchestrator in {self.inputs.namespace} for {LOST_S:g} s',
            )

    def motion(self) -> Motion | None:
        """Return what the cell's physics has told, if it has one: by what it moves is its own."""
        return self.client.motion()

    def poses(self) -> bytes | None:
        """Return the poses that the cell's physics has told, if it has one."""
        return self.client.poses()
