"""Whether the liquid of a carried open container stays in it, its waves among it.

Linear theory of sloshing in an upright cylinder of radius r (H. N. Abramson, NASA SP-106, 1966;
R. A. Ibrahim, Liquid Sloshing Dynamics, 2005). Pushed sideways by a and upwards by b, the surface
would come to rest at the slope s = a / (g + b). The rise at the wall is r times a sum of modes
that follow s. Mode n has the share 2 / (k_n**2 - 1) of it, which add up to 1, and swings at the
angular frequency w_n = sqrt(g k_n tanh(k_n h / r) / r) in a depth h; k_n = 1.841, 5.331, 8.536 and
so on are the zeros of the derivative of the Bessel function J_1.

Without damping a mode that begins at rest is at x = s - Re(z exp(i w t)), where z is the integral
of s' exp(-i w t). So |x| never exceeds |s| + |z|, whatever the phase, and |z| is the amplitude of
the wave that a motion leaves. The greatest |z| of all frequencies from the first mode's upwards
stands for every mode. Waves of earlier motions are added in full: as if nothing had damped them
and crest met crest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_motion.arm import Array
from medicell_motion.body import CARRIED
from medicell_motion.geometry import CellGeometry, Liquid

GRAVITY_M_S2 = 9.80665
FIRST_MODE = 1.8412
"""First zero of the derivative of J_1."""

STEP_S = 0.02
"""Time between joints that are judged: two samples and more for each of the modes looked at."""

_LEAST_UPRIGHT = 0.05
_FALLING = -0.95 * GRAVITY_M_S2
"""Faster than so nothing is taken to fall: the liquid would leave its vial anyway."""
_DAMPING = 0.79
_VISCOSITY_M2_S = 1.0e-6
_OCTAVES = 2.0
_FREQUENCIES = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """What a motion from rest to rest makes of a liquid at rest.

    Both are shares of what the freeboard leaves for it: `peak` is never exceeded during the
    motion, `left` is the amplitude of the wave after it.
    """

    peak: float
    left: float


def wave(geometry: CellGeometry, tips_m: Array, step_s: float) -> Wave:
    """Return the wave in a container whose centre is moved, evenly sampled, (n, 3).

    Raises PATH_BLOCKED when the tilt alone that it may have takes the freeboard.
    """
    slope = _slope(tips_m, step_s)
    pace, amplitude = _swung(geometry.liquid, slope, step_s)
    # Of all faster ones no more than this, whatever their frequency: the integral of |s'|, or,
    # by parts once more, what s' changes in all over the frequency.
    changes = np.linalg.norm(np.diff(pace, axis=0, prepend=0.0, append=0.0), axis=1)
    paced = np.cumsum(np.linalg.norm(pace, axis=1)) * step_s
    fastest = first_mode_rad_s(geometry.liquid) * 2.0**_OCTAVES
    faster = np.minimum(paced, np.cumsum(changes)[1:] / fastest)
    return _wave(slope, np.maximum(amplitude, faster), _room(geometry.liquid))


def carried_wave(geometry: CellGeometry, positions_rad: Array) -> Wave:
    """Return the wave in an open container by joints, each :data:`STEP_S` after the last.

    The tilt counts as it is, so that both are shares of the whole freeboard. Waves that are too
    fast for the samples are left out: errors of the joints would add up in their bound.
    """
    tips = geometry.arm.skeleton(positions_rad)[:, 4]
    axis = -geometry.arm.rotation(positions_rad)[..., 0]
    # Where it leans to, the rim comes down to the liquid.
    slope = _slope(tips, STEP_S) - axis[:, :2] / np.maximum(axis[:, 2:], _LEAST_UPRIGHT)
    _, amplitude = _swung(geometry.liquid, slope, STEP_S)
    return _wave(slope, amplitude, geometry.liquid.freeboard_m / geometry.liquid.inner_radius_m)


def damping_per_s(liquid: Liquid) -> float:
    """Return the rate at which waves die down at least: of the first mode, by the walls alone.

    G. N. Mikishev, N. Y. Dorozhkin, 1961, as given by F. T. Dodge, The New "Dynamic Behavior of
    Liquids in Moving Containers", SwRI 2000: the ratio of damping is 0.79 sqrt(nu / sqrt(g r**3))
    in deep liquid, more in shallow. That of water; medium is no thinner.
    """
    reach = np.sqrt(GRAVITY_M_S2 * liquid.inner_radius_m**3)
    return float(_DAMPING * np.sqrt(_VISCOSITY_M2_S / reach) * first_mode_rad_s(liquid))


def _slope(tips_m: Array, step_s: float) -> Array:
    """Return the slope at which the surface would come to rest, by samples of the way."""
    pushed = np.zeros_like(tips_m)
    pushed[1:-1] = (tips_m[2:] - 2.0 * tips_m[1:-1] + tips_m[:-2]) / step_s**2
    return np.asarray(pushed[:, :2] / (GRAVITY_M_S2 + np.clip(pushed[:, 2:], _FALLING, 0.0)))


def _swung(liquid: Liquid, slope: Array, step_s: float) -> tuple[Array, Array]:
    """Return the slope's derivative, and the greatest amplitude of a mode, between samples."""
    pace = np.diff(slope, axis=0) / step_s
    lowest = first_mode_rad_s(liquid)
    rates = np.linspace(lowest, lowest * 2.0**_OCTAVES, _FREQUENCIES)
    turns = np.exp(-1j * np.outer(np.arange(len(slope)) * step_s, rates))
    pulses = np.diff(turns, axis=0) * (1j / rates)
    swing = np.cumsum(pace[:, None, :] * pulses[:, :, None], axis=0)
    return pace, np.sqrt((swing.real**2 + swing.imag**2).sum(axis=2).max(axis=1))


def _wave(slope: Array, amplitude: Array, room: float) -> Wave:
    level = np.linalg.norm(slope, axis=1)
    peak = float((np.maximum(level[1:], level[:-1]) + amplitude).max())
    return Wave(peak=peak / room, left=float(amplitude[-1]) / room)


def first_mode_rad_s(liquid: Liquid) -> float:
    """Return the lowest angular frequency of the first mode, at the least depth."""
    wide = FIRST_MODE / liquid.inner_radius_m
    return float(np.sqrt(GRAVITY_M_S2 * wide * np.tanh(wide * liquid.least_depth_m)))


def _room(liquid: Liquid) -> float:
    """Return the slope that the freeboard allows beside the tilt."""
    room = liquid.freeboard_m / liquid.inner_radius_m - np.tan(np.deg2rad(liquid.max_tilt_deg))
    if room <= 0.0:
        raise OperationRefused(
            ErrorCode.PATH_BLOCKED,
            f'{CARRIED} is open, and a tilt of {liquid.max_tilt_deg:g} degrees takes its '
            f'freeboard of {liquid.freeboard_m:.4f} m',
        )
    return float(room)


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
