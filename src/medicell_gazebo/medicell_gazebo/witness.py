"""Sees by the physics alone how a batch moves, for who is not told what the cell intends."""

from __future__ import annotations

import math

import numpy as np

from medicell_core.errors import OperationFailed
from medicell_devices.arm.port import Array
from medicell_gazebo.air import AirFound
from medicell_gazebo.arm import GazeboArm
from medicell_gazebo.figures import Stations, physics_figures
from medicell_gazebo.judging import PLACE_M
from medicell_gazebo.lock_step import LockStep, Stretch
from medicell_motion.cell import RobotCell
from medicell_record.motion import Motion, Simulator, VialPlaced

_UNSEEN_AIR = AirFound(samples=0, breaches=0, gap_m=math.nan, first='')


class Witness:
    """Measures vials where the hand has let them go; the station nearest to one is meant.

    First air is not looked at: which vials are open the physics does not show. Of the world's
    lock.
    """

    def __init__(self, gazebo: LockStep, arm: GazeboArm, cell: RobotCell, *, version: str) -> None:
        self._gazebo = gazebo
        self._arm = arm
        self._geometry = cell.geometry
        self._version = version
        self._stations = Stations(cell)
        self._there: dict[str, str] = {}
        self._held: str | None = None
        self._settling: set[str] = set()
        self._placed: list[VialPlaced] = []
        self._ended: dict[str, VialPlaced] = {}
        for vial in arm.running.world.vials:
            pose = self._pose(vial.name)
            station = self._stations.nearest(pose)
            # What stands elsewhere in a user's own world is none that the cell has put there.
            if self._stations.off_m(pose, station) < PLACE_M:
                self._there[vial.name] = station
        arm.running.listen(self._take)

    def settled(self) -> None:
        """Measure what was let go and stands by now."""
        with self._arm.running.lock:
            for vial in sorted(self._settling):
                pose = self._pose(vial)
                station = self._there[vial] = self._stations.nearest(pose)
                self._placed.append(self._stations.placed(vial, pose, station))
            self._settling.clear()

    def taken_out(self, vial: str) -> None:
        """Measure a vial for the last time: it is taken out of the cell next."""
        with self._arm.running.lock:
            self._measure(vial)
            self._there.pop(vial, None)

    def motion(self, *, lost: str = '') -> Motion:
        """Return what the physics has shown until now; `lost` says what has become of it."""
        with self._arm.running.lock:
            lost = lost or self._measure_all()
            return Motion(
                simulator=Simulator.GAZEBO,
                version=self._version,
                physics=physics_figures(
                    self._arm,
                    self._geometry,
                    placed=self._placed,
                    ended=self._ended.values(),
                    air=_UNSEEN_AIR,
                    lost=lost,
                ),
            )

    def _measure_all(self) -> str:
        """Measure what stands; returns what has become of a physics that does not answer."""
        try:
            if self._arm.running.rests:
                self.settled()
            for vial in self._there:
                if vial != self._held and vial not in self._settling:
                    self._measure(vial)
        except OperationFailed as error:
            return error.message
        return ''

    def _measure(self, vial: str) -> None:
        station = self._there.get(vial)
        if station is not None:
            self._ended[vial] = self._stations.placed(vial, self._pose(vial), station)

    def _take(self, stretch: Stretch) -> None:
        """See what is in the hand, and what is not any more."""
        if self._held is not None and stretch.held != self._held:
            self._settling.add(self._held)
        self._held = stretch.held

    def _pose(self, vial: str) -> Array:
        return np.concatenate(self._gazebo.pose(vial))
