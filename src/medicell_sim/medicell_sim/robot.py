"""What the fill robot does to vials: carrying, stoppering, capping."""

from __future__ import annotations

from medicell_core.containers import ContainerKind
from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.instruments import stream
from medicell_sim.kit import Kit, SimContainer
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import ArmView

_FLOOR = 'floor'
_NEST = 'fill_robot/nest_'
_ARM = 'arm'
_STALLED_JOINT = 2
"""The shoulder, whose brake carries the arm."""
_DELAY_S = 0.6
"""How late joint states arrive when they do: longer than a supervised arm may go unseen."""


class Robot:
    """Gripper, stopper press and capper."""

    def __init__(self, p: WorldParameters, kit: Kit, faults: FaultBoard, *, seed: int) -> None:
        self._p = p.robot
        self._kit = kit
        self._faults = faults
        self._seed = seed

    def look(self, container: SimContainer, operation_id: str, now_s: float) -> None:
        """Let a vial be missing from its place in the nest."""
        if container.location.startswith(_NEST) and self._faults.strike(
            Hook.NEST, operation_id=operation_id, place=container.id, now_s=now_s
        ):
            self._kit.move(container.id, _FLOOR)

    def carry(
        self, operation_id: str, container: SimContainer, station: str, now_s: float
    ) -> bool:
        """Carry a container; False when it fell to the floor, whole but lost for the batch."""
        if container.kind is ContainerKind.VIAL:
            dropped = self._faults.strike(
                Hook.CARRY, operation_id=operation_id, place=container.id, now_s=now_s
            )
            if dropped:
                self._kit.move(container.id, _FLOOR)
                return False
        self._kit.move(container.id, station)
        return True

    def arm(self, operation_id: str, now_s: float) -> ArmView:
        """Return what ails the drives; a delay passes when they are told to move again."""
        self._faults.end('joint_state_late')
        self._faults.strike(Hook.DRIVE, operation_id=operation_id, place=_ARM, now_s=now_s)
        late = self._faults.active('joint_state_late') is not None
        return ArmView(
            stalled_joint=_STALLED_JOINT if self._faults.active('joint_stalled') else 0,
            delay_s=_DELAY_S if late else 0.0,
            silent=self._faults.active('joint_state_lost') is not None,
        )

    def stopper(self, operation_id: str, vial: SimContainer) -> float:
        """Press a stopper in; returns the peak force in newtons."""
        vial.stoppered = True
        z = stream(self._seed, 'stopper', operation_id, vial.id).normal()
        return float(max(0.0, self._p.stopper_force_n + self._p.stopper_force_sd_n * z))

    def cap(self, operation_id: str, vial: SimContainer) -> float:
        """Crimp a cap; returns the torque in newton metres, 0 when no stopper holds it."""
        if not vial.stoppered:
            return 0.0
        vial.capped = True
        z = stream(self._seed, 'cap', operation_id, vial.id).normal()
        return float(max(0.0, self._p.cap_torque_nm + self._p.cap_torque_sd_nm * z))
