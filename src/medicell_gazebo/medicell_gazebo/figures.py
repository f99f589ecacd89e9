"""What the physics has shown of a batch, in figures: how joints followed, where vials stand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.arm.port import Array
from medicell_gazebo.air import AirFound
from medicell_gazebo.arm import GazeboArm
from medicell_gazebo.judging import Touch
from medicell_gazebo.poses import tilts_of
from medicell_gazebo.tracking import Peak
from medicell_gazebo.world import STATION_PREFIX
from medicell_motion.cell import RobotCell
from medicell_motion.description import parse
from medicell_motion.geometry import CellGeometry
from medicell_record.motion import JointPeak, PhysicsFigures, VialPlaced

_NO_TIME_S = 1e-9


class Stations:
    """Where the model has its stations in the room, and how far off them vials stand."""

    def __init__(self, cell: RobotCell) -> None:
        poses = parse(cell.model()).poses({})
        self._places = {
            name: poses[f'{STATION_PREFIX}{name}'][:3, 3] for name in cell.geometry.stations
        }

    def place_m(self, station: str) -> Array:
        """Return the middle of a vial at a station, (3,), in metres; raises InputError."""
        place = self._places.get(station)
        if place is None:
            text = f'is none of {", ".join(sorted(self._places))}'
            raise InputError(ErrorCode.UNKNOWN_STATION, text, field=f'station {station}')
        return place

    def off_m(self, pose: Array, station: str) -> float:
        """Return how far a pose (7,) is from a station, in metres."""
        return float(np.linalg.norm(pose[:3] - self._places[station]))

    def nearest(self, pose: Array) -> str:
        """Return the station that is nearest to a pose (7,)."""
        return min(self._places, key=lambda station: self.off_m(pose, station))

    def placed(self, vial: str, pose: Array, station: str) -> VialPlaced:
        """Return where a vial has come to stand, by its pose (7,)."""
        return VialPlaced(
            vial=vial,
            station=station,
            off_m=self.off_m(pose, station),
            tilt_deg=math.degrees(float(tilts_of(pose))),
        )


def physics_figures(
    arm: GazeboArm,
    geometry: CellGeometry,
    *,
    placed: Sequence[VialPlaced],
    ended: Iterable[VialPlaced],
    air: AirFound,
    lost: str,
) -> PhysicsFigures:
    """Return the figures of all that an arm in Gazebo has done until now.

    `placed` are vials as often as they were put down, `ended` each where it was left.
    """
    running, judge = arm.running, arm.judge
    return PhysicsFigures(
        joints=tuple(_told(peak, geometry) for peak in arm.tracking.peaks),
        placed=len(placed),
        worst=_worst(ended),
        worst_on_the_way=_worst(placed),
        contacts={touch.value: judge.pairs[touch] for touch in Touch},
        unintended=tuple(item.text for item in judge.unintended),
        air_samples=air.samples,
        air_breaches=air.breaches,
        air_gap_m=air.gap_m,
        air_first=air.first,
        physics_s=running.physics_s,
        real_time_factor=running.physics_s / max(running.wall_s, _NO_TIME_S),
        lost=lost,
    )


def _told(peak: Peak, geometry: CellGeometry) -> JointPeak:
    tip = geometry.arm.skeleton(peak.posture_rad)[4]
    near = min(
        geometry.stations.values(),
        key=lambda station: float(np.linalg.norm(station.position_m - tip)),
    )
    return JointPeak(joint=peak.joint, error_rad=peak.error_rad, at_s=peak.at_s, near=near.name)


def _worst(placed: Iterable[VialPlaced]) -> VialPlaced | None:
    """Return the vial that is furthest off, a degree of tilt being as much as a millimetre."""
    return max(placed, key=lambda item: max(1e3 * item.off_m, item.tilt_deg), default=None)
