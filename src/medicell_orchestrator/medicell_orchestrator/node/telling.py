"""What the orchestrator tells of itself: its PackML state, its health, and the stop of all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from medicell_interfaces.msg import DeviceState, StopRequest
from rclpy.node import Node

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_orchestrator.node.diagnosis import StandingClock, diagnostics_message
from medicell_orchestrator.node.publishing import BatchPublisher
from medicell_ros.conversion import node_time_s, time_to_message
from medicell_ros.node_parameters import ORCHESTRATOR
from medicell_ros.qos import events, living, telemetry

if TYPE_CHECKING:
    from medicell_orchestrator.engine.snapshot import BatchSnapshot


class SelfTelling:
    """Publishes `~/state`, `/diagnostics` and `stop`; from any thread.

    `fault` returns what keeps it from its work, if anything; `record` has published the entries.
    """

    def __init__(
        self, node: Node, record: BatchPublisher, *, fault: Callable[[], MedicellError | None]
    ) -> None:
        self.batch: BatchSnapshot | None = None
        """What was seen of the batch last. Not the engine's own: a tick may hold that while it
        waits for the node's executor.
        """
        self._node = node
        self._fault = fault
        self._record = record
        self._telling = threading.Lock()
        self._told = PackMLState.STOPPED
        self._clock = StandingClock()
        self._state = node.create_publisher(DeviceState, '~/state', living())
        self._stop = node.create_publisher(StopRequest, 'stop', events())
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', telemetry())

    def say(self, state: PackMLState | None = None) -> None:
        """Publish the PackML state, or again the one told last.

        Its sequence counts the record's entries published.
        """
        # Told and published under one lock: an older state must not be the one that stays.
        with self._telling:
            fault = self._fault()
            self._told = self._told if state is None else state
            message = DeviceState(
                stamp=time_to_message(node_time_s(self._node)),
                role=ORCHESTRATOR,
                state=int(self._told),
                operation='' if self.batch is None else self.batch.phase,
                fault_code=int(ErrorCode.OK if fault is None else fault.code),
                fault_text='' if fault is None else fault.message,
                sequence=self._record.entries,
            )
            self._state.publish(message)

    def diagnose(self) -> None:
        """Publish what an operator's page shows of the orchestrator's health."""
        name = f'{self._node.get_namespace().strip("/")}/{ORCHESTRATOR}'
        fault = self._fault()
        alarm = '' if fault is None else fault.message
        now_s = node_time_s(self._node)
        stands = self._clock.look(now_s, awaited=self._told is PackMLState.EXECUTE)
        warning = stands or self._record.unvouched
        self._diagnostics.publish(
            diagnostics_message(name, self._told, self.batch, now_s, alarm=alarm, warning=warning)
        )

    def stop(self, reason: str) -> None:
        """Have every device stop."""
        self._stop.publish(StopRequest(source=ORCHESTRATOR, reason=reason))

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._state, self._stop, self._diagnostics):
            self._node.destroy_publisher(publisher)
