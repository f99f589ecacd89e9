"""Pumps that run, and what becomes of them when the device that commands them dies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_core.serialise import from_json, to_json
from medicell_sim.dosing import Needle
from medicell_sim.kit import Kit
from medicell_sim.liquids import Liquids
from medicell_sim.parameter_models import FlowParameters
from medicell_sim.port import Flow
from medicell_sim.robot import Robot

_S_PER_MIN = 60.0
_VERBS = ('pump', 'dispense', 'withdraw', 'select_cells', 'wash')

_Key = tuple[str, str, str]


class Flows:
    """Each flow from its announcement to the verb that tells its end.

    A pump has a fail-safe of its own: it stops when its device has been silent for
    `flow.fail_safe_s`. Until then it runs, whatever volume was meant.
    """

    def __init__(
        self, p: FlowParameters, kit: Kit, liquids: Liquids, needle: Needle, robot: Robot
    ) -> None:
        self._p = p
        self._kit = kit
        self._liquids = liquids
        self._needle = needle
        self._robot = robot
        self._since_s: dict[_Key, tuple[Flow, float]] = {}

    def state(self) -> list[Any]:
        """Return what runs since when, as JSON values."""
        return [[to_json(flow), since_s] for flow, since_s in self._since_s.values()]

    def restore(self, state: Sequence[Any]) -> None:
        """Have run what `state` told of."""
        self._since_s = {}
        for told, since_s in state:
            flow = from_json(Flow, told)
            self._since_s[flow.operation_id, flow.source, flow.target] = (flow, since_s)

    def begin(self, flow: Flow, now_s: float) -> None:
        """Take in that a pump runs from now on; raises UNKNOWN_CONTAINER, INVALID_GOAL."""
        if flow.verb not in _VERBS:
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'verb: "{flow.verb}" is none of {", ".join(_VERBS)}'
            )
        for container in (flow.source, flow.target):
            self._kit.get(container)
        self._since_s[flow.operation_id, flow.source, flow.target] = (flow, now_s)

    def told(self, operation_id: str, source: str, target: str) -> None:
        """Take in that a flow is over: its device tells what it has moved."""
        self._since_s.pop((operation_id, source, target), None)

    def operations(self) -> set[str]:
        """Return the operations for which anything runs."""
        return {key[0] for key in self._since_s}

    def still(self, operation_id: str) -> None:
        """Take in that an operation's device has stopped its pumps."""
        for key in [key for key in self._since_s if key[0] == operation_id]:
            del self._since_s[key]

    def fail_safe(self, operation_id: str, *, within_s: float, now_s: float) -> None:
        """Let what runs for an operation, or for any when it is empty, run on and be stopped."""
        for key in [key for key in self._since_s if operation_id in ('', key[0])]:
            flow, since_s = self._since_s.pop(key)
            self._ran(flow, now_s - since_s + min(within_s, self._p.fail_safe_s), now_s)

    def _ran(self, flow: Flow, duration_s: float, now_s: float) -> None:
        """Have the effect of a flow that nobody has metered."""
        source, target = self._kit.get(flow.source), self._kit.get(flow.target)
        volume_ml = flow.rate_ml_min / _S_PER_MIN * duration_s
        if flow.verb == 'dispense':
            self._needle.dispense(
                operation_id=flow.operation_id,
                source=source,
                vial=target,
                duration_s=0.0 if self._robot.emergency_stopped else duration_s,
                rate_ml_min=flow.rate_ml_min,
                shut=True,
                now_s=now_s,
            )
        elif flow.verb == 'pump':
            self._liquids.pump(
                operation_id=flow.operation_id,
                source=source,
                target=target,
                volume_ml=volume_ml,
                rate_ml_min=flow.rate_ml_min,
                now_s=now_s,
            )
        elif flow.verb == 'withdraw':
            self._liquids.withdraw(
                operation_id=flow.operation_id,
                source=source,
                waste=target,
                volume_ml=volume_ml,
                mode=flow.mode,
                now_s=now_s,
            )
        else:
            self._separated(flow, volume_ml, now_s)

    def _separated(self, flow: Flow, volume_ml: float, now_s: float) -> None:
        """Have the effect of a separation on the part that has passed; the rest has not moved."""
        source, target = self._kit.get(flow.source), self._kit.get(flow.target)
        passing_ml = source.volume_ml + flow.reagent_volume_ml + flow.buffer_volume_ml
        part = min(1.0, volume_ml / passing_ml) if passing_ml > 0.0 else 0.0
        if flow.verb == 'select_cells':
            self._liquids.select_cells(
                operation_id=flow.operation_id,
                source=source,
                target=target,
                waste=self._kit.get(flow.waste),
                reagent=self._kit.get(flow.reagent),
                reagent_volume_ml=flow.reagent_volume_ml,
                buffer=self._kit.get(flow.buffer),
                buffer_volume_ml=flow.buffer_volume_ml,
                part=part,
                now_s=now_s,
            )
        else:
            self._liquids.wash(
                operation_id=flow.operation_id,
                source=source,
                target=target,
                waste=self._kit.get(flow.waste),
                buffer=self._kit.get(flow.buffer),
                buffer_volume_ml=flow.buffer_volume_ml,
                final_volume_ml=flow.final_volume_ml,
                part=part,
                now_s=now_s,
            )
