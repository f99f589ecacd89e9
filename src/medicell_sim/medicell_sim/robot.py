"""What the fill robot does to vials: carrying, stoppering, capping."""

from __future__ import annotations

from medicell_core.containers import ContainerKind
from medicell_sim import contents
from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.instruments import stream
from medicell_sim.kit import Kit, SimContainer
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import BESIDE, ArmView

_FLOOR = 'floor'
_WASTE = 'waste'
_NEST = 'fill_robot/nest_'
_BESIDE = f'fill_robot/{BESIDE}nest_'
_WORK_STATIONS = tuple(f'fill_robot/{name}' for name in ('fill', 'stopper', 'cap', 'label'))
_VIAL_ML = 10.0
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
        """Let a vial be missing from its place in the nest, or stand beside it."""
        if not container.location.startswith(_NEST):
            return
        for fault in self._faults.strike(
            Hook.NEST, operation_id=operation_id, place=container.id, now_s=now_s
        ):
            missing = fault.kind.name == 'missing_vial'
            beside = container.location.replace(_NEST, _BESIDE)
            self._kit.move(container.id, _FLOOR if missing else beside)

    def put_in_place(self, vial: SimContainer) -> None:
        """Put a vial that stands beside its place in the nest into it."""
        self._kit.move(vial.id, vial.location.replace(_BESIDE, _NEST))

    def at(self, location: str, operation_id: str, now_s: float) -> str:
        """Return what stands at a location; something may have been left at a work station."""
        holder = self._kit.at(location)
        if holder or location not in _WORK_STATIONS:
            return holder
        for fault in self._faults.strike(
            Hook.STATION, operation_id=operation_id, place=location, now_s=now_s
        ):
            fault.place = self._left_behind(location, now_s)
        return self._kit.at(location)

    def _left_behind(self, location: str, now_s: float) -> str:
        """Let a closed, empty vial stand at a location; returns its id."""
        name = f'earlier_batch.vial_at_{location.partition("/")[2]}_{now_s:.0f}'
        self._kit.add(
            SimContainer(
                id=name,
                kind=ContainerKind.VIAL,
                capacity_ml=_VIAL_ML,
                location=location,
                label=name,
                amounts=contents.empty(),
                area_cm2=0.0,
                mixed_s=now_s,
                synced_s=now_s,
                connected=False,
                stoppered=True,
                capped=True,
            )
        )
        return name

    def take_away(self, vial: SimContainer) -> None:
        """Take a vial out of the isolator."""
        self._kit.move(vial.id, _WASTE)

    @property
    def emergency_stopped(self) -> bool:
        """Whether the emergency stop is pressed."""
        return self._faults.active('emergency_stop') is not None

    def filling(self, operation_id: str, now_s: float) -> None:
        """Let the emergency stop be pressed while liquid flows out of the needle."""
        self._faults.strike(Hook.NEEDLE, operation_id=operation_id, place=_ARM, now_s=now_s)

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
