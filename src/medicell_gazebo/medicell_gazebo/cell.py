"""A batch's cell with bodies: arm, vials and machines in Gazebo, for the simulated drivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from medicell_core.errors import OperationFailed
from medicell_core.operations import Role
from medicell_devices.contract import Driver
from medicell_devices.contracts.fill_robot import MovesArm
from medicell_devices.simulated.base import SimulatedDriver
from medicell_gazebo.bodies import Bodies
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.judging import PLACE_M
from medicell_gazebo.lock_step import LockStep
from medicell_gazebo.pose_log import PoseLog
from medicell_gazebo.world import GazeboWorld, gazebo_world, with_spare
from medicell_motion.cell import RobotCell
from medicell_record.motion import Motion
from medicell_sim.port import WorldPort

Alter = Callable[[GazeboWorld], GazeboWorld]
"""Changes a world before it is made: so faults are rehearsed."""


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
        world = with_spare(
            gazebo_world(urdf or cell.model(), cell.geometry, home=cell.home(), vials=dict(vials)),
            cell.geometry,
        )
        self.world = world if alter is None else alter(world)
        self._there = {vial: station for station, vial in vials.items()}
        self._settling: dict[str, str] = {}
        self._bodies: Bodies | None = None
        self._port: WorldPort | None = None
        self.gazebo = LockStep(gazebo, self.world)

    def fit(self, driver: Driver, port: WorldPort | None) -> None:
        """Give a simulated driver its bodies; others stay as they are."""
        if port is None or not isinstance(driver, SimulatedDriver):
            return
        if self._bodies is None:
            self._port = port
            self._bodies = self._begun(port)
        driver.use_machinery(self)
        if isinstance(driver, MovesArm):
            driver.use_arm(self._bodies.arm)

    def drive(self, joint: str, position: float) -> None:
        """Move a joint of the model to a position in m or rad, as fast as its drive may."""
        bodies = self._made()
        with bodies.arm.running.lock:
            bodies.machines.drive(joint, position)

    def stands(self, container: str, station: str) -> bool:
        """Say whether a container is at a station to be let go there."""
        bodies = self._made()
        if container not in self._there:
            return True
        with bodies.arm.running.lock:
            bodies.arm.running.advance()
            pose = bodies.measured.stands(container)
            if bodies.measured.stations.off_m(pose, station) > PLACE_M:
                self._take_out(container)
                return False
            self._there[container] = self._settling[container] = station
            return True

    def seen(self, container: str, station: str) -> None:
        """Have the bodies be where people have put containers, as they are seen."""
        bodies = self._made()
        with bodies.arm.running.lock:
            bodies.by_hand.seen(container, station)

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
            bodies.measured.closed(container)

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
            return bodies.measured.motion(lost=lost)

    def poses(self) -> PoseLog:
        """Return the poses that were measured until now."""
        bodies = self._made()
        with bodies.arm.running.lock:
            return bodies.measured.poses()

    def close(self) -> None:
        """End Gazebo; safe to call twice."""
        self.gazebo.close()

    def _begun(self, port: WorldPort) -> Bodies:
        bodies = Bodies.begun(
            self.gazebo,
            self.world,
            self._cell,
            port.now_s,
            grip_n=self._grip_n,
            version=self._version,
        )
        bodies.arm.on_closing = self._measure_settled
        return bodies

    def _made(self) -> Bodies:
        assert self._bodies is not None
        return self._bodies

    def _measure_settled(self) -> None:
        """Measure what was let go and stands by now; what was handed on is taken away then."""
        bodies = self._made()
        assert self._port is not None
        for vial, station in self._settling.items():
            bodies.measured.placed(vial, station)
            if self._port.at(f'{Role.FILL_ROBOT}/{station}') != vial:
                bodies.measured.ends(vial, station)
                self._take_out(vial)
        self._settling.clear()

    def _measure_end(self) -> None:
        """Measure what the robot has left standing; what is in the hand stands nowhere."""
        bodies = self._made()
        running = bodies.arm.running
        running.advance()
        self._measure_settled()
        for vial, station in self._there.items():
            if vial != running.newest.held and vial not in bodies.by_hand.aside:
                bodies.measured.ends(vial, station)

    def _take_out(self, vial: str) -> None:
        """Have a vial be nowhere in the cell any more, and need no air."""
        self._there.pop(vial, None)
        self._made().measured.take_out(vial)
