"""Whether the liquid of a carried open container stays in it.

The surface of a liquid that is accelerated sideways by a stands at the slope a / (g + b), with b
the upward acceleration. A container that is set in motion suddenly makes a wave that rises to at
most twice that level; the file's `overshoot` is that factor. The tilt that the container may have
adds its own slope. The liquid stays in when what rises at the wall is less than the freeboard.
"""

from __future__ import annotations

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_motion.arm import Array
from medicell_motion.body import CARRIED
from medicell_motion.geometry import CellGeometry

GRAVITY_M_S2 = 9.80665


def rise_share(geometry: CellGeometry, times_s: Array, positions_rad: Array) -> float:
    """Return the highest rise of the liquid at the wall over the freeboard; above 1 it spills.

    Takes evenly sampled positions of a container that is gripped upright, (n, 6).
    """
    if len(times_s) < 3:
        return 0.0
    step = float(times_s[1] - times_s[0])
    tips = geometry.arm.skeleton(positions_rad)[:, 4]
    pushed = np.zeros_like(tips)
    pushed[1:-1] = (tips[2:] - 2.0 * tips[1:-1] + tips[:-2]) / step**2
    liquid = geometry.liquid
    level = np.linalg.norm(pushed[:, :2], axis=1)
    slope = liquid.overshoot * level / (GRAVITY_M_S2 + np.minimum(pushed[:, 2], 0.0))
    rise = liquid.inner_radius_m * (slope + np.tan(np.deg2rad(liquid.max_tilt_deg)))
    return float(rise.max() / liquid.freeboard_m)


def check_tilt(geometry: CellGeometry, positions_rad: Array) -> None:
    """Raise PATH_BLOCKED when an open container in the hand would be tilted beyond its limit."""
    tilt = float(np.rad2deg(tilts_rad(geometry, positions_rad).max()))
    limit = geometry.liquid.max_tilt_deg
    if tilt > limit:
        raise OperationRefused(
            ErrorCode.PATH_BLOCKED,
            f'{CARRIED} is open and would be tilted by {tilt:.1f} degrees; {limit:g} are allowed',
        )


def tilts_rad(geometry: CellGeometry, positions_rad: Array) -> Array:
    """Return the angle of a gripped container's axis from the vertical, (n,)."""
    up = -geometry.arm.rotation(positions_rad)[..., 2, 0]
    return np.asarray(np.arccos(np.clip(up, -1.0, 1.0)))
