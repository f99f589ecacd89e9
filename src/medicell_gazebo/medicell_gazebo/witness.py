"""Sees by the physics alone how a batch moves, for who is not told what the cell intends."""

from __future__ import annotations

from medicell_core.errors import OperationFailed
from medicell_gazebo.bodies import Bodies
from medicell_gazebo.judging import PLACE_M
from medicell_gazebo.lock_step import Stretch
from medicell_gazebo.pose_log import PoseLog
from medicell_record.motion import Motion


class Witness:
    """Measures vials where the hand has let them go; the station nearest to one is meant.

    Which of them are open, what moves beside the arm and what people do it must be told. Of the
    world's lock.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._arm, self._measured = bodies.arm, bodies.measured
        self._there: dict[str, str] = {}
        self._held: str | None = None
        self._settling: set[str] = set()
        stations = self._measured.stations
        for vial in self._arm.running.world.vials:
            pose = self._measured.pose(vial.name)
            station = stations.nearest(pose)
            # What stands elsewhere in a user's own world is none that the cell has put there.
            if stations.off_m(pose, station) < PLACE_M:
                self._there[vial.name] = station
        self._arm.running.listen(self._take)

    def drive(self, joint: str, position: float) -> None:
        """Move a joint of the model to a position in m or rad, as fast as its drive may."""
        self._bodies.machines.drive(joint, position)

    def check_drive(self, joint: str, position: float) -> None:
        """Raise InputError for a joint that cannot be driven to a position."""
        self._bodies.machines.check(joint, position)

    def check_seen(self, station: str) -> None:
        """Raise InputError for a station, or a place beside one, that is not in the model."""
        self._bodies.by_hand.check(station)

    def seen(self, vial: str, station: str) -> None:
        """Have the bodies be where people have put vials, as they are seen."""
        with self._arm.running.lock:
            self._bodies.by_hand.seen(vial, station)

    def settled(self) -> None:
        """Measure what was let go and stands by now."""
        with self._arm.running.lock:
            for vial in sorted(self._settling):
                station = self._measured.stations.nearest(self._measured.pose(vial))
                self._there[vial] = station
                self._measured.placed(vial, station)
            self._settling.clear()

    def closed(self, vial: str) -> None:
        """Take in that a vial is closed: it needs no air any more."""
        with self._arm.running.lock:
            if vial in self._there:
                self._measured.closed(vial)

    def take_out(self, vial: str) -> None:
        """Measure a vial for the last time, and have it be nowhere in the cell any more."""
        with self._arm.running.lock:
            self._measure(vial)
            self._there.pop(vial, None)
            self._measured.take_out(vial)

    def lost(self, vial: str) -> None:
        """Take a vial out of the cell that has fallen, if it is there."""
        with self._arm.running.lock:
            if self._there.pop(vial, None) is not None:
                self._held = None if self._held == vial else self._held
                self._settling.discard(vial)
                self._measured.take_out(vial)

    def motion(self, *, lost: str = '') -> Motion:
        """Return what the physics has shown until now; `lost` says what has become of it."""
        with self._arm.running.lock:
            return self._measured.motion(lost=lost or self._measure_all())

    def poses(self) -> PoseLog:
        """Return the poses that were measured until now."""
        with self._arm.running.lock:
            return self._measured.poses()

    def _measure_all(self) -> str:
        """Measure what stands; returns what has become of a physics that does not answer."""
        try:
            if self._arm.running.rests:
                self.settled()
            moving = {self._held, *self._settling, *self._bodies.by_hand.aside}
            for vial in sorted(self._there.keys() - moving):
                self._measure(vial)
        except OperationFailed as error:
            return error.message
        return ''

    def _measure(self, vial: str) -> None:
        station = self._there.get(vial)
        if station is not None:
            self._measured.ends(vial, station)

    def _take(self, stretch: Stretch) -> None:
        """See what is in the hand, and what is not any more."""
        if self._held is not None and stretch.held != self._held:
            self._settling.add(self._held)
        self._held = stretch.held
