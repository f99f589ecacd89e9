"""The way back to its path of an arm that stands beside it: never nearer to anything than now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_devices.arm.air import Around
from medicell_devices.arm.path import JointLimits, JointPath, straight
from medicell_devices.arm.port import Array
from medicell_devices.arm.sloshing import Sloshing
from medicell_motion.cell import RobotCell
from medicell_motion.geometry import CellGeometry
from medicell_motion.liquid import tilts_rad

if TYPE_CHECKING:
    from medicell_motion.scene import Scene

SLOWER = 4.0
"""The way back takes so many times what the joints need: accelerations are a sixteenth."""
_NEARER_M = 1e-4
"""Two measures of one distance differ by less."""
_STEP_M = 1e-3
"""Nothing goes further between two samples, and so nearer, unseen, by half of this at most."""


def way_back(
    cell: RobotCell,
    first: Array,
    last: Array,
    *,
    limits: JointLimits,
    occupied: frozenset[str],
    around: Around,
    liquid: Sloshing | None = None,
) -> JointPath:
    """Return the straight, slow way from where an arm stands to a posture of its path.

    An arm that left its path may stand closer to something than plans come. It may go away from
    that, but nowhere nearer; where it stands too close for samples to tell it is refused.
    `occupied` are the stations with a container. Raises PATH_BLOCKED and FIRST_AIR_BREACH, with
    link and body, when the arm touches something, is over open product, or would come nearer;
    PATH_BLOCKED when the liquid of a container that is carried open would not stay in it.
    """
    way = straight(first, last, limits, slower=SLOWER, liquid=liquid)
    if around.carried_open:
        _check_liquid(cell.geometry, way.positions_rad)
    scene = _scene(cell, occupied, around)
    dense = _dense(way.positions_rad, scene)
    gaps = [scene.gap_m(posture) for posture in dense]
    least_m = min(cell.geometry.travel.clearance_m, gaps[0] - _NEARER_M)
    for posture, gap_m in zip(dense, gaps, strict=True):
        if gap_m <= _STEP_M / 2.0 or gap_m < least_m:
            raise _refused(cell, posture, gap_m, gaps[0])
    return way


def _scene(cell: RobotCell, occupied: frozenset[str], around: Around) -> Scene:
    """Return the cell's scene with what stands where."""
    # Whoever imports this before a move is planned pays nothing for Pinocchio.
    from medicell_motion.scene import Surroundings  # noqa: PLC0415

    scene = cell.planner.scene
    scene.look(
        Surroundings(
            occupied=occupied,
            uncovered=around.open_stations,
            carrying=around.carrying,
            carried_open=around.carried_open,
        )
    )
    return scene


def _dense(way: Array, scene: Scene) -> Array:
    """Return a straight way so that nothing goes further than a step between two samples."""
    count = max(2, int(np.ceil(float(scene.travel_m(way).sum()) / _STEP_M)) + 1)
    share = np.linspace(0.0, 1.0, count)[:, None]
    return np.asarray(way[0] + share * (way[-1] - way[0]))


def _refused(cell: RobotCell, posture: Array, gap_m: float, stands_m: float) -> OperationRefused:
    """Return the refusal that names what is in the way."""
    found = cell.planner.refusal(posture, None)
    return OperationRefused(
        found.code,
        f'the arm cannot go back to its path: {found.message}; it stands {stands_m * 1e3:.1f} mm '
        f'from what is nearest and would come to {gap_m * 1e3:.1f} mm. Bring it away by hand',
    )


def _check_liquid(geometry: CellGeometry, way: Array) -> None:
    """Raise PATH_BLOCKED when the liquid reaches the mouth of a container held so tilted."""
    liquid, tilt_rad = geometry.liquid, float(tilts_rad(geometry, way).max())
    rise_m = liquid.inner_radius_m * float(np.tan(min(tilt_rad, np.pi / 2.0 - 1e-3)))
    if rise_m > liquid.freeboard_m:
        raise OperationRefused(
            ErrorCode.PATH_BLOCKED,
            f'the arm cannot go back to its path: the open carried container is tilted by '
            f'{np.rad2deg(tilt_rad):.1f} degrees, its liquid rises by {rise_m * 1e3:.1f} mm; '
            f'{liquid.freeboard_m * 1e3:g} mm are left to its mouth',
        )
