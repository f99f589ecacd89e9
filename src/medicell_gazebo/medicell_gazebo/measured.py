"""What Gazebo has measured of a batch until now: vials where they stand, first air, every pose."""

from __future__ import annotations

import numpy as np

from medicell_devices.arm.port import Array
from medicell_gazebo.air import MeasuredAir
from medicell_gazebo.arm import GazeboArm
from medicell_gazebo.figures import Stations, physics_figures
from medicell_gazebo.lock_step import POSE, LockStep
from medicell_gazebo.pose_log import PoseLog, PoseRecorder
from medicell_gazebo.poses import Skeleton
from medicell_gazebo.world import SPARE
from medicell_motion.cell import RobotCell
from medicell_motion.description import parse
from medicell_record.motion import Motion, Simulator, VialPlaced


class Measured:
    """Keeps what the physics tells; of the world's lock.

    Whoever knows when vials stand says so, and when one is closed or leaves the cell.
    """

    def __init__(self, gazebo: LockStep, arm: GazeboArm, cell: RobotCell, *, version: str) -> None:
        self.stations = Stations(cell)
        self._gazebo = gazebo
        self._arm = arm
        self._geometry = cell.geometry
        self._version = version
        self._placed: list[VialPlaced] = []
        self._ended: dict[str, VialPlaced] = {}
        world = arm.running.world
        standing = {vial.name: self.pose(vial.name) for vial in world.vials}
        skeleton = Skeleton(cell.geometry.arm, parse(cell.model()), world.posture)
        self._air = MeasuredAir(cell.geometry, skeleton, standing)
        if SPARE in standing:
            standing[SPARE] = np.full(POSE, np.nan)
            self._air.closed(SPARE)
        self._recorder = PoseRecorder(gazebo.joints, standing)
        arm.running.listen(self._air.take)
        arm.running.listen(self._recorder.take)

    def pose(self, vial: str) -> Array:
        """Return where a vial is now: position in m and quaternion w, x, y, z, (7,)."""
        return np.concatenate(self._gazebo.pose(vial))

    def stands(self, vial: str) -> Array:
        """Take in that a vial stands where it is from now on; returns its pose (7,)."""
        pose = self.pose(vial)
        self._air.stands(vial, pose)
        self._recorder.stands(vial, pose)
        return pose

    def placed(self, vial: str, station: str) -> None:
        """Measure a vial that was put down at a station and stands by now."""
        self._placed.append(self.stations.placed(vial, self.stands(vial), station))

    def ends(self, vial: str, station: str) -> None:
        """Measure a vial that is left at a station, as far as is known."""
        self._ended[vial] = self.stations.placed(vial, self.pose(vial), station)

    def closed(self, vial: str) -> None:
        """Need no air over a vial any more."""
        self._air.closed(vial)

    def take_out(self, vial: str) -> None:
        """Have a vial be nowhere in the cell any more."""
        self._gazebo.take(vial)
        self.gone(vial)

    def gone(self, vial: str) -> None:
        """Take in that a vial is nowhere in the cell, and needs no air."""
        self._air.closed(vial)
        self._recorder.gone(vial)

    def motion(self, *, lost: str) -> Motion:
        """Return what the physics has shown; `lost` says what has become of it, if it is gone."""
        return Motion(
            simulator=Simulator.GAZEBO,
            version=self._version,
            physics=physics_figures(
                self._arm,
                self._geometry,
                placed=self._placed,
                ended=self._ended.values(),
                air=self._air.found,
                lost=lost,
            ),
        )

    def poses(self) -> PoseLog:
        """Return every pose that was measured."""
        return self._recorder.log()
