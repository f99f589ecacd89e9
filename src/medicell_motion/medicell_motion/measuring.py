"""First air and collision of a motion that was made, by a second implementation.

Nothing here is shared with what plans: kinematics, shapes and the test of the air are NumPy's
alone, and the joint states are those that were measured. Two ways that agree are unlikely to be
wrong in the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medicell_core.errors import ErrorCode, InputError
from medicell_motion.arm import JOINTS, Array
from medicell_motion.body import CARRIED, moving_parts, standing
from medicell_motion.first_air import AirColumn, Breach, air_gap, first_breach
from medicell_motion.geometry import CellGeometry
from medicell_motion.shapes import Capsule, Solid, gap_between, gap_to_solid
from medicell_motion.stations import Station

_NEAR_WRIST = ('wrist', 'tool')
"""Parts that the forearm meets at no posture within the limits: they turn about its end."""

_OUTER = ('wrist', 'tool', CARRIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredAir:
    """What joint states say of first air.

    `breaches` holds the first of each open container; `gap_m` is the smallest level distance of
    anything to the air of an open container (infinite when nothing rose above a mouth), at
    `link` and `container`.
    """

    samples: int
    breaches: tuple[Breach, ...]
    gap_m: float
    link: str
    container: str


def measure_first_air(
    geometry: CellGeometry,
    times_s: Array,
    positions_rad: Array,
    *,
    open_stations: frozenset[str],
    carried_from_s: float | None = None,
    carried_open: bool = True,
    fetched_from: str = '',
) -> MeasuredAir:
    """Hold measured joint states against the air over all open containers.

    `times_s` (n,) rise, `positions_rad` is (n, 6). `open_stations` are those with an open
    container during the whole motion, but for the carried one; a container is in the hand from
    `carried_from_s` on (None: never), and stood at `fetched_from` until then. Between two
    samples nothing is looked at: take them as the controller gives them. Raises InputError for
    arrays that do not fit each other.
    """
    times, positions = np.asarray(times_s, dtype=float), np.asarray(positions_rad, dtype=float)
    fits = times.ndim == 1 and positions.shape == (len(times), JOINTS)
    if not fits or not np.isfinite(positions).all():
        text = f'{positions.shape} positions do not fit {times.shape} times'
        raise InputError(ErrorCode.INVALID_GOAL, text, field='positions_rad')
    fetched = frozenset({fetched_from} if fetched_from else ())
    begun = np.inf if carried_from_s is None else carried_from_s
    found: list[tuple[float, str, str]] = []
    breaches: dict[str, Breach] = {}
    for carrying in (False, True):
        rows = times >= begun if carrying else times < begun
        if not rows.any():
            continue
        parts = moving_parts(geometry, positions[rows], carrying=carrying)
        names = open_stations if carrying or not carried_open else open_stations | fetched
        columns = [standing_air(geometry, geometry.stations[name]) for name in sorted(names)]
        if carrying and carried_open:
            columns.append(carried_air(geometry, positions[rows]))
        for column in columns:
            breach = first_breach(times[rows], parts, [column])
            if breach is not None:
                breaches.setdefault(column.container, breach)
            found += [
                (float(air_gap(part, column).min()), part.name, column.container)
                for part in parts
                if part.name != column.ignored
            ]
    gap, link, container = min(found, default=(np.inf, '', ''))
    return MeasuredAir(
        samples=len(times),
        breaches=tuple(sorted(breaches.values(), key=lambda breach: breach.time_s)),
        gap_m=gap,
        link=link,
        container=container,
    )


def smallest_gap_m(
    geometry: CellGeometry,
    positions_rad: Array,
    solids: Sequence[Solid],
    *,
    occupied: frozenset[str],
    carrying: bool,
) -> tuple[float, str, str]:
    """Return the smallest gap of the arm to all around it and to itself, and the two bodies.

    `solids` are the fixed bodies of the cell; a container stands at every station of
    `occupied`. Gaps above some centimetres are not exact, but never too small to be one.
    """
    parts = moving_parts(geometry, positions_rad, carrying=carrying)
    by_name = {part.name: part for part in parts}
    found: list[tuple[float, str, str]] = []
    for part in parts:
        for solid in solids:
            if part.name == 'upper_arm' and solid.name == 'base':
                continue
            found.append((float(gap_to_solid(part, solid).min()), part.name, solid.name))
    for name in sorted(occupied):
        body = standing(geometry, geometry.stations[name])
        found += [(_least(part, body), part.name, body.name) for part in parts]
    for name in _OUTER:
        if name not in by_name:
            continue
        found.append((_least(by_name[name], by_name['upper_arm']), name, 'upper_arm'))
        if name not in _NEAR_WRIST:
            found.append((_least(by_name[name], by_name['forearm']), name, 'forearm'))
            found.append((_least(by_name[name], by_name['wrist']), name, 'wrist'))
    return min(found)


def standing_air(geometry: CellGeometry, station: Station) -> AirColumn:
    """Return the air above an open container at a station."""
    mouth = station.position_m.copy()
    mouth[2] += geometry.container.grip_to_mouth_m
    return AirColumn(
        container=f'container at {station.name}',
        mouth_m=mouth[None],
        radius_m=geometry.travel.air_column_radius_m,
    )


def carried_air(geometry: CellGeometry, positions_rad: Array) -> AirColumn:
    """Return the air above an open container in the hand."""
    mouth = geometry.arm.skeleton(positions_rad)[:, 4].copy()
    mouth[:, 2] += geometry.container.grip_to_mouth_m
    return AirColumn(
        container=CARRIED,
        mouth_m=mouth,
        radius_m=geometry.travel.air_column_radius_m,
        ignored=CARRIED,
    )


def _least(one: Capsule, other: Capsule) -> float:
    return float(gap_between(one, other).min())
