"""Ways from one grip to another: lift, draw back to the ring, go round, reach out, lower.

A leg is a straight line in radius, azimuth and height, (2, 3): the tool stays level and points
away from the base throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from medicell_motion.arm import Array
from medicell_motion.stations import Station

_HIGHER_M = (0.0, 0.08)
_NEARER_M = (0.0, -0.03)


def carry_routes(start: Station, goal: Station, ring_radius_m: float) -> Iterator[list[Array]]:
    """Yield ways for a gripped container: the direct one first, then round by the ring."""
    for higher in _HIGHER_M:
        first, last = start.grip.as_array(), goal.grip.as_array()
        up = np.array([0.0, 0.0, start.approach_m + higher])
        down = np.array([0.0, 0.0, goal.approach_m + higher])
        yield legs(first, first + up, last + down, last)
        for nearer in _NEARER_M:
            ring = ring_radius_m + nearer
            yield legs(
                first,
                first + up,
                at_radius(first + up, ring),
                at_radius(last + down, ring),
                last + down,
                last,
            )


def legs(*corners: Array) -> list[Array]:
    """Return the legs between corners, without those of no length."""
    pairs = pairwise(corners)
    return [np.stack([a, b]) for a, b in pairs if not np.allclose(a, b, atol=1e-9, rtol=0.0)]


def at_radius(grip: Array, radius_m: float) -> Array:
    """Return the same grip at another radius."""
    return np.array([radius_m, grip[1], grip[2]])
