"""A batch's cell with bodies: arm, vials and machines in Gazebo, for the simulated drivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from medicell_core.errors import OperationFailed
from medicell_core.operations import Role
from medicell_devices.arm.port import Array
from medicell_devices.contract import Driver
from medicell_devices.contracts.fill_robot import MovesArm
from medicell_devices.simulated.base import SimulatedDriver
from medicell_devices.simulated.machinery import DOWN_M
from medicell_gazebo.air import MeasuredAir
from medicell_gazebo.arm import GazeboArm
from medicell_gazebo.figures import Stations, physics_figures
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.judging import PLACE_M
from medicell_gazebo.lock_step import LockStep
from medicell_gazebo.machines import Machines
from medicell_gazebo.pose_log import PoseLog, PoseRecorder
from medicell_gazebo.poses import Skeleton
from medicell_gazebo.world import GazeboWorld, gazebo_world
from medicell_motion.cell import RobotCell
from medicell_motion.description import parse
from medicell_record.motion import Motion, Simulator, VialPlaced
from medicell_sim.port import WorldPort

Alter = Callable[[GazeboWorld], GazeboWorld]
"""Changes a world before it is made: so faults are rehearsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """What there is once the cell has a clock."""

    port: WorldPort
    arm: GazeboArm
    machines: Machines
    air: MeasuredAir
    recorder: PoseRecorder


class PhysicalCell:
    """The machinery of simulated drivers, and their arm, in one Gazebo; thread-safe.

    Gazebo starts at once, and the physics with the first driver, whose clock it follows.
    """

    def __init__(
        self,
        gazebo: Gazebo11,
        cell: RobotCell,
        vials: Mapping[str, str],
        *,
        grip_n: float,
        urdf: str = '',
        alter: Alter | None = None,
    ) -> None:
        self._cell = cell
        self._grip_n = grip_n
        self._version = gazebo.version
        self._description = parse(cell.model())
        self._stations = Stations(cell)
        world = gazebo_world(
            urdf or cell.model(), cell.geometry, home=cell.home(), vials=dict(vials)
        )
        self.world = world if alter is None else alter(world)
        self._there = {vial: station for station, vial in vials.items()}
        self._settling: dict[str, str] = {}
        self._placed: list[VialPlaced] = []
        self._ended: dict[str, VialPlaced] = {}
        self._bodies: Bodies | None = None
        self.gazebo = LockStep(gazebo, self.world)

    def fit(self, driver: Driver, port: WorldPort | None) -> None:
        """Give a simulated driver its bodies; others stay as they are."""
        if port is None or not isinstance(driver, SimulatedDriver):
            return
        if self._bodies is None:
            self._bodies = self._begun(port)
        driver.use_machinery(self)
        if isinstance(driver, MovesArm):
            driver.use_arm(self._bodies.arm)

    def drive(self, joint: str, position: float) -> None:
        """Move a joint of the model to a position in m or rad, as fast as its drive may."""
        bodies = self._made()
        with bodies.arm.running.lock:
            bodies.machines.drive(joint, position)
            if joint in DOWN_M:
                now_s = bodies.port.now_s()
                bodies.arm.judge.lowered(joint, down=position > 0.0, now_s=now_s)

    def stands(self, container: str, station: str) -> bool:
        """Say whether a container is at a station to be let go there."""
        bodies = self._made()
        if container not in self._there:
            return True
        with bodies.arm.running.lock:
            bodies.arm.running.advance()
            pose = self._pose(container)
            bodies.air.stands(container, pose)
            bodies.recorder.stands(container, pose)
            if self._stations.off_m(pose, station) > PLACE_M:
                self._take_out(container)
                return False
            self._there[container] = self._settling[container] = station
            return True

    def lost(self, container: str) -> None:
        """Take a container out of the cell."""
        bodies = self._made()
        with bodies.arm.running.lock:
            if container in self._there:
                self._take_out(container)

    def closed(self, container: str) -> None:
        """Need no air over a container any more."""
        bodies = self._made()
        with bodies.arm.running.lock:
            bodies.air.closed(container)

    def motion(self) -> Motion:
        """Return what the physics has shown until now."""
        bodies = self._made()
        with bodies.arm.running.lock:
            lost = ''
            try:
                self._measure_end()
            except OperationFailed as error:
                # What was known before is told, and that it is not all.
                lost = error.message
            return Motion(
                simulator=Simulator.GAZEBO,
                version=self._version,
                physics=physics_figures(
                    bodies.arm,
                    self._cell.geometry,
                    placed=self._placed,
                    ended=self._ended.values(),
                    air=bodies.air.found,
                    lost=lost,
                ),
            )

    def poses(self) -> PoseLog:
        """Return the poses that were measured until now."""
        bodies = self._made()
        with bodies.arm.running.lock:
            return bodies.recorder.log()

    def close(self) -> None:
        """End Gazebo; safe to call twice."""
        self.gazebo.close()

    def _begun(self, port: WorldPort) -> Bodies:
        arm = GazeboArm(port.now_s, self.gazebo, self.world, grip_n=self._grip_n)
        arm.on_closing = self._measure_settled
        skeleton = Skeleton(self._cell.geometry.arm, self._description, self.world.posture)
        standing = {vial.name: self._pose(vial.name) for vial in self.world.vials}
        air = MeasuredAir(self._cell.geometry, skeleton, standing)
        recorder = PoseRecorder(self.gazebo.joints, standing)
        arm.running.listen(air.take)
        arm.running.listen(recorder.take)
        return Bodies(
            port=port, arm=arm, machines=Machines(arm.running), air=air, recorder=recorder
        )

    def _made(self) -> Bodies:
        assert self._bodies is not None
        return self._bodies

    def _measure_settled(self) -> None:
        """Measure what was let go and stands by now; what was handed on is taken away then."""
        bodies = self._made()
        for vial, station in self._settling.items():
            found = self._measured(vial, station)
            self._placed.append(found)
            pose = self._pose(vial)
            bodies.air.stands(vial, pose)
            bodies.recorder.stands(vial, pose)
            if bodies.port.at(f'{Role.FILL_ROBOT}/{station}') != vial:
                self._ended[vial] = found
                self._take_out(vial)
        self._settling.clear()

    def _measure_end(self) -> None:
        """Measure what is left standing; what is in the hand is on its way, and stands nowhere."""
        running = self._made().arm.running
        running.advance()
        self._measure_settled()
        for vial, station in self._there.items():
            if vial != running.newest.held:
                self._ended[vial] = self._measured(vial, station)

    def _take_out(self, vial: str) -> None:
        """Have a vial be nowhere in the cell any more, and need no air."""
        self._there.pop(vial, None)
        self.gazebo.take(vial)
        bodies = self._made()
        bodies.air.closed(vial)
        bodies.recorder.gone(vial)

    def _measured(self, vial: str, station: str) -> VialPlaced:
        return self._stations.placed(vial, self._pose(vial), station)

    def _pose(self, vial: str) -> Array:
        return np.concatenate(self.gazebo.pose(vial))
