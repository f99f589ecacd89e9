"""The part of the world that is liquids which pumps move, and how those stop when nobody rules."""

from __future__ import annotations

import math

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim.dosing import Needle
from medicell_sim.flows import Flows
from medicell_sim.history.kept import KeptWorld, kept
from medicell_sim.kit import Kit
from medicell_sim.liquids import Liquids
from medicell_sim.port import Flow, PumpReading
from medicell_sim.robot import Robot


class LiquidWorld(KeptWorld):
    """Implements the port's verbs on liquids; what they act on is made by the subclass."""

    _kit: Kit
    _liquids: Liquids
    _needle: Needle
    _robot: Robot
    _flows: Flows

    def end(self, owner: str) -> None:
        """Announce that an owner needs no more time; its pumps stand."""
        try:
            if owner in self.pumping():
                self.still(owner)
        finally:
            super().end(owner)

    def lost(self, owner: str) -> None:
        """Take in that an owner's device has died: fail-safes stop what it had begun."""
        try:
            if owner in self.pumping():
                self.fail_safe(owner, math.inf)
        finally:
            super().end(owner)

    def pumping(self) -> set[str]:
        """Return the operations for which pumps run."""
        with self._lock:
            return self._flows.operations()

    def abandoned(self, duration_s: float) -> None:
        """Let a time pass in which nobody commands anything: all devices have died at once.

        Pumps that ran are stopped by their fail-safes. Bays keep to their set-points, for their
        controllers are their own; doors stay as they are, and a gripper, closed by a spring, holds
        what it held. Cells grow. Raises INVALID_GOAL for a time that is none, DEVICE_BUSY while an
        owner has begun and not ended.
        """
        if not 0.0 <= duration_s < math.inf:
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'duration_s: {duration_s} is not a time of 0 s or more'
            )
        self.timeline.require_rest()
        self.fail_safe('', duration_s)
        self.timeline.pass_by(duration_s)

    @kept
    def flow(self, flow: Flow) -> None:
        """Take in that a pump runs from now on, until its verb tells what it has moved."""
        self._flows.begin(flow, self._at_s)

    @kept
    def still(self, operation_id: str) -> None:
        """Take in that an operation's pumps stand."""
        self._flows.still(operation_id)

    @kept
    def fail_safe(self, operation_id: str, within_s: float) -> None:
        """Let the fail-safe stop the pumps of an operation, or all, within a time at most."""
        self._flows.fail_safe(operation_id, within_s=within_s, now_s=self._at_s)

    @kept
    def pump(
        self, *, operation_id: str, source: str, target: str, volume_ml: float, rate_ml_min: float
    ) -> PumpReading:
        """Move up to `volume_ml` in one stroke."""
        self._flows.told(operation_id, source, target)
        return self._liquids.pump(
            operation_id=operation_id,
            source=self._kit.get(source),
            target=self._kit.get(target),
            volume_ml=volume_ml,
            rate_ml_min=rate_ml_min,
            now_s=self._at_s,
        )

    @kept
    def dispense(
        self,
        *,
        operation_id: str,
        source: str,
        vial: str,
        duration_s: float,
        rate_ml_min: float,
        shut: bool,
    ) -> PumpReading:
        """Let the filling needle run for a time that has just passed."""
        self._flows.told(operation_id, source, vial)
        reading = self._needle.dispense(
            operation_id=operation_id,
            source=self._kit.get(source),
            vial=self._kit.get(vial),
            duration_s=0.0 if self._robot.emergency_stopped else duration_s,
            rate_ml_min=rate_ml_min,
            shut=shut,
            now_s=self._at_s,
        )
        self._robot.filling(operation_id, self._at_s)
        return reading

    @kept
    def mix(self, container: str) -> None:
        """Suspend settled cells evenly."""
        self._liquids.mix(self._by, self._kit.get(container), self._at_s)

    @kept
    def select_cells(
        self,
        *,
        operation_id: str,
        source: str,
        target: str,
        waste: str,
        reagent: str,
        reagent_volume_ml: float,
        buffer: str,
        buffer_volume_ml: float,
    ) -> PumpReading:
        """Perform the separation's effect on the contents, at once."""
        self._flows.told(operation_id, source, target)
        return self._liquids.select_cells(
            operation_id=operation_id,
            source=self._kit.get(source),
            target=self._kit.get(target),
            waste=self._kit.get(waste),
            reagent=self._kit.get(reagent),
            reagent_volume_ml=reagent_volume_ml,
            buffer=self._kit.get(buffer),
            buffer_volume_ml=buffer_volume_ml,
            now_s=self._at_s,
        )

    @kept
    def wash(
        self,
        *,
        operation_id: str,
        source: str,
        target: str,
        waste: str,
        buffer: str,
        buffer_volume_ml: float,
        final_volume_ml: float,
    ) -> PumpReading:
        """Perform the wash's effect on the contents, at once."""
        self._flows.told(operation_id, source, target)
        return self._liquids.wash(
            operation_id=operation_id,
            source=self._kit.get(source),
            target=self._kit.get(target),
            waste=self._kit.get(waste),
            buffer=self._kit.get(buffer),
            buffer_volume_ml=buffer_volume_ml,
            final_volume_ml=final_volume_ml,
            now_s=self._at_s,
        )

    @kept
    def withdraw(
        self, *, operation_id: str, source: str, waste: str, volume_ml: float, mode: str
    ) -> PumpReading:
        """Take supernatant out, `settled` or through the `filter`."""
        self._flows.told(operation_id, source, waste)
        return self._liquids.withdraw(
            operation_id=operation_id,
            source=self._kit.get(source),
            waste=self._kit.get(waste),
            volume_ml=volume_ml,
            mode=mode,
            now_s=self._at_s,
        )
