"""A checked path that is followed at any pace, so that a stop never leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from medicell_devices.arm.braking import Derivatives, braked
from medicell_devices.arm.port import ArmTrajectory, Array, hermite
from medicell_devices.arm.sloshing import Sloshing

_SHORTEST_RAMP_S = 0.05
_LONGER = 1.1
_RAMPS = 60
"""Lengths that are tried for a change of pace, each longer by a tenth: up to 15 s."""
_RAMPS_IN_LIMITS = 3
_MUCH_LONGER = 2.0
"""Each of the ramps that a liquid is asked about is so much longer than the one before."""
_CALMER = (1.0, 0.8, 0.64, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Parts of a wanted pace that are tried where the liquid would not stay in."""
_SAMPLES = 61
_STRAIGHT_SAMPLES = 61
_EDGE_SHARE = 0.2
"""Part of a ramp in which the braking builds up, and in which it fades."""
_BRAKES = (1.0, 0.95, 0.9, 0.8, 0.7)
"""Parts of the limits with which a stop is tried: it is made in steps, which miss by a little."""
_STEADY = 1e-6
_SLACK = 1.02
"""Derivatives of samples miss the exact peak by up to this factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointLimits:
    """What each joint may do: rad/s, rad/s2 and rad/s3, (joints,)."""

    velocity: Array
    acceleration: Array
    jerk: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a path is gone along from `start_s`: path time and its rate at each of `times_s`.

    `path_s` (n,) is the time on the plan, `rates` (n,) how fast it passes: 1 as planned, 0
    standing.
    """

    start_s: float
    times_s: Array
    path_s: Array
    rates: Array

    @property
    def end_s(self) -> float:
        """Time of the cell's clock at the end."""
        return self.start_s + float(self.times_s[-1])

    def at(self, now_s: float) -> tuple[float, float, float]:
        """Return path time, its rate and the change of its rate at a time of the cell's clock."""
        since = now_s - self.start_s
        columns = self.path_s[:, None], self.rates[:, None]
        place = float(hermite(self.times_s, *columns, _row(since))[0, 0])
        rate = float(np.interp(since, self.times_s, self.rates))
        if not 0.0 <= since < self.times_s[-1]:
            return place, rate, 0.0
        index = int(np.searchsorted(self.times_s, since, side='right'))
        width = self.times_s[index] - self.times_s[index - 1]
        return place, rate, float((self.rates[index] - self.rates[index - 1]) / width)


class JointPath:
    """Postures over path time, as planned, with the derivatives that bound a change of pace.

    It ends at rest, and begins so unless `from_rest` is false. `liquid` is that of the open
    container that is carried along it, if one is.
    """

    def __init__(
        self,
        times_s: Array,
        positions_rad: Array,
        limits: JointLimits,
        *,
        from_rest: bool = True,
        liquid: Sloshing | None = None,
    ) -> None:
        self.times_s = np.asarray(times_s, dtype=np.float64)
        self.positions_rad = np.asarray(positions_rad, dtype=np.float64)
        self._limits = limits
        self.from_rest = from_rest
        self.liquid = liquid
        self._speed = _slopes(self.times_s, self.positions_rad)
        self._speed[-1] = 0.0
        if from_rest:
            self._speed[0] = 0.0
        self._force = _slopes(self.times_s, self._speed)
        self._jerk = _slopes(self.times_s, self._force)

    @property
    def duration_s(self) -> float:
        """Time that the path takes as planned."""
        return float(self.times_s[-1])

    @property
    def limits(self) -> JointLimits:
        """What each joint may do on it."""
        return self._limits

    def reversed_from(self, path_s: float) -> JointPath:
        """Return the way back from a place on the path to its beginning."""
        before = self.times_s < path_s - _STEADY
        times = np.append(self.times_s[before], path_s)
        positions = np.append(self.positions_rad[before], self.at(path_s)[None], axis=0)
        return JointPath(
            (path_s - times)[::-1],
            positions[::-1],
            self._limits,
            from_rest=False,
            liquid=self.liquid,
        )

    def part(self, first_s: float, last_s: float, *, liquid: Sloshing | None = None) -> JointPath:
        """Return the path between two of its times, on which a liquid is carried."""
        inside = (self.times_s > first_s + _STEADY) & (self.times_s < last_s - _STEADY)
        ends = self.at(first_s)[None], self.at(last_s)[None]
        times = np.concatenate([[first_s], self.times_s[inside], [last_s]]) - first_s
        if last_s - first_s <= _STEADY:
            return JointPath(times[:1], ends[0], self._limits, liquid=liquid)
        positions = np.concatenate([ends[0], self.positions_rad[inside], ends[1]])
        return JointPath(times, positions, self._limits, liquid=liquid)

    def at(self, path_s: float) -> Array:
        """Return the posture at a path time, (joints,)."""
        found = hermite(self.times_s, self.positions_rad, self._speed, _row(path_s))
        return np.asarray(found[0])

    def nearest(self, posture: Array, *, before_s: float) -> tuple[float, float]:
        """Return the path time nearest to a posture, not after another, and how far it is off."""
        places = np.append(self.times_s[self.times_s < before_s], before_s)
        postures = hermite(self.times_s, self.positions_rad, self._speed, places)
        away = np.abs(postures - posture).max(axis=1)
        best = int(np.argmin(away))
        return float(places[best]), float(away[best])

    def paced(
        self,
        *,
        now_s: float,
        path_s: float,
        rate: float,
        change: float,
        wanted: float,
        rise: Callable[[Pace], float] | None = None,
    ) -> tuple[Pace, float]:
        """Return the quickest allowed change to a pace, then the rest of the path, and its rise.

        `change` is how fast the rate changes already, in 1/s. Along the ramp every joint keeps
        its limits of acceleration and jerk, or where the plan itself needs more, what that needs.
        `rise` says how high a liquid will stand: where that is above 1 the ramp is made longer,
        and an arm that is to go faster gets a slower pace than was wanted; the calmest if none
        is calm. What it says of the pace is returned, 0 where it is not asked.
        """
        best, least = None, np.inf
        slower = _CALMER if rise is not None and wanted > rate else _CALMER[:1]
        for share in slower:
            for ramp in self._ramps(path_s, rate, change, share * wanted):
                pace = self._along(now_s, path_s, ramp, share * wanted)
                height = 0.0 if rise is None else rise(pace)
                if height < least:
                    best, least = pace, height
                if height <= 1.0:
                    return pace, height
        assert best is not None
        return best, least

    def _along(
        self, now_s: float, path_s: float, ramp: tuple[Array, Array], wanted: float
    ) -> Pace:
        """Return how the path is gone along by a ramp, and after it at a pace."""
        times, rates = ramp
        places = path_s + _integral(times, rates)
        inside = places < self.duration_s
        if not inside.all():
            last = int(np.argmin(inside))
            share = (self.duration_s - places[last - 1]) / (places[last] - places[last - 1])
            end_s = times[last - 1] + share * (times[last] - times[last - 1])
            times = np.append(times[:last], end_s)
            rates = np.append(rates[:last], np.interp(end_s, *ramp))
            places = np.append(places[:last], self.duration_s)
        elif wanted > 0.0:
            left = self.times_s[self.times_s > places[-1] + _STEADY]
            times = np.append(times, times[-1] + (left - places[-1]) / wanted)
            rates = np.append(rates, np.full(len(left), wanted))
            places = np.append(places, left)
        return Pace(start_s=now_s, times_s=times, path_s=places, rates=rates)

    def trajectory(self, pace: Pace) -> ArmTrajectory:
        """Return what the arm is told for a pace."""
        positions = hermite(self.times_s, self.positions_rad, self._speed, pace.path_s)
        speeds = _at(self.times_s, self._speed, pace.path_s) * pace.rates[:, None]
        return ArmTrajectory(
            start_s=pace.start_s,
            times_s=pace.times_s,
            positions_rad=positions,
            velocities_rad_s=speeds,
        )

    def _ramps(
        self, path_s: float, rate: float, change: float, wanted: float
    ) -> Iterator[tuple[Array, Array]]:
        """Yield times and rates of the shortest change of pace in the limits, then longer ones."""
        if abs(wanted - rate) < _STEADY and abs(change) < _STEADY:
            yield np.zeros(1), np.full(1, wanted)
            return
        if wanted == 0.0 and len(self.times_s) > 2:
            yield self._stop(path_s, rate, change)
            return
        best, least, yielded_s, left = None, np.inf, 0.0, _RAMPS_IN_LIMITS
        for number in range(_RAMPS):
            length_s = _SHORTEST_RAMP_S * _LONGER**number
            times, rates, changes, jolts = _ramp_shape(length_s, rate, change, wanted)
            excess = self._excess(path_s + _integral(times, rates), rates, changes, jolts)
            if excess < least:
                best, least = (times, rates), excess
            if excess <= 1.0 and length_s >= _MUCH_LONGER * yielded_s:
                yielded_s, left = length_s, left - 1
                yield times, rates
                if not left:
                    return
        if not yielded_s:
            assert best is not None
            yield best

    def _stop(self, path_s: float, rate: float, change: float) -> tuple[Array, Array]:
        """Return times and rates of the quickest stop that keeps the limits."""
        path = Derivatives(
            times_s=self.times_s, speed=self._speed, force=self._force, jerk=self._jerk
        )
        best, least = None, np.inf
        for part in _BRAKES:
            times, rates = braked(
                path,
                path_s=path_s,
                rate=rate,
                change=change,
                force=part * self._needed(self._force, self._limits.acceleration),
                jerk=part * self._needed(self._jerk, self._limits.jerk),
            )
            changes = np.gradient(rates, times) if len(times) > 1 else np.zeros(1)
            jolts = np.gradient(changes, times) if len(times) > 1 else np.zeros(1)
            excess = self._excess(path_s + _integral(times, rates), rates, changes, jolts)
            if excess < least:
                best, least = (times, rates), excess
            if excess <= 1.0:
                break
        assert best is not None
        return best

    def _needed(self, values: Array, limit: Array) -> Array:
        """Return a limit per joint, or what the plan itself needs where that is more."""
        return np.asarray(np.maximum(limit, np.abs(values).max(axis=0)))

    def _excess(self, places: Array, rates: Array, changes: Array, jolts: Array) -> float:
        """Return the greatest share of its limit that a joint takes along a ramp."""
        if float(rates.min()) < -_STEADY:
            return np.inf
        speed, force, jerk = (
            _at(self.times_s, values, places) for values in (self._speed, self._force, self._jerk)
        )
        beyond = (places > self.duration_s)[:, None]
        speed, force, jerk = (np.where(beyond, 0.0, item) for item in (speed, force, jerk))
        rate, change, jolt = rates[:, None], changes[:, None], jolts[:, None]
        acceleration = force * rate**2 + speed * change
        jerked = jerk * rate**3 + 3.0 * force * rate * change + speed * jolt
        needs = self._needed(self._force, self._limits.acceleration) * _SLACK
        jerks = self._needed(self._jerk, self._limits.jerk) * _SLACK
        return float(max((np.abs(acceleration) / needs).max(), (np.abs(jerked) / jerks).max()))


def straight(
    first: Array,
    last: Array,
    limits: JointLimits,
    *,
    slower: float = 1.0,
    liquid: Sloshing | None = None,
) -> JointPath:
    """Return the straight way of all joints between two postures, within their limits.

    It takes `slower` times what they need; `liquid` is carried on it.
    """
    share = np.linspace(0.0, 1.0, _STRAIGHT_SAMPLES)
    shape = share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
    way = np.abs(last - first)
    # Peaks of speed, acceleration and jerk of this polynomial over a time of 1.
    by_speed = (1.875 * way / limits.velocity).max()
    by_force = np.sqrt(5.774 * way / limits.acceleration).max()
    by_jerk = np.cbrt(60.0 * way / limits.jerk).max()
    duration = slower * max(float(by_speed), float(by_force), float(by_jerk), 1e-3)
    way = first + shape[:, None] * (last - first)
    return JointPath(share * duration, way, limits, liquid=liquid)


def _ramp_shape(
    length_s: float, rate: float, change: float, wanted: float
) -> tuple[Array, Array, Array, Array]:
    """Return times, rates and their two derivatives of a change of pace of a length."""
    times = np.linspace(0.0, length_s, _SAMPLES)
    share = times / length_s
    if abs(change) > _STEADY:
        rest, slope = 1.0 - share, change * length_s
        rates = rate * rest**2 * (1 + 2 * share) + wanted * share**2 * (3 - 2 * share)
        rates = rates + slope * share * rest**2
        jolts = (wanted - rate) * (6.0 - 12.0 * share) + slope * (6.0 * share - 4.0)
        return times, rates, np.gradient(rates, times), jolts / length_s**2
    peak = (wanted - rate) / (1.0 - _EDGE_SHARE)
    edge = np.minimum(np.minimum(share, 1.0 - share) / _EDGE_SHARE, 1.0)
    rising, falling = share < _EDGE_SHARE, share > 1.0 - _EDGE_SHARE
    jolts = peak / _EDGE_SHARE * (rising.astype(float) - falling.astype(float))
    changes = peak * edge
    rates = rate + _integral(share, changes)
    rates = rate + (rates - rate) * ((wanted - rate) / (rates[-1] - rate))
    return times, rates, changes / length_s, jolts / length_s**2


def _integral(times: Array, values: Array) -> Array:
    """Return the integral from the first time to each, by trapezoids."""
    steps = np.diff(times) * (values[1:] + values[:-1]) / 2.0
    return np.concatenate([[0.0], np.cumsum(steps)])


def _slopes(times: Array, values: Array) -> Array:
    """Return the derivatives of samples; a path of one or two postures has none."""
    if len(times) < 3:
        return np.zeros_like(values)
    return np.asarray(np.gradient(values, times, axis=0))


def _at(times: Array, values: Array, places: Array) -> Array:
    """Return each column of samples at places, linear between them."""
    return np.stack([np.interp(places, times, column) for column in values.T], axis=1)


def _row(value: float) -> Array:
    return np.asarray([value], dtype=np.float64)
