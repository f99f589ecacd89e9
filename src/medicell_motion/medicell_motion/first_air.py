"""First air: nothing may come between the filtered air from the ceiling and an open container.

The air of the isolator flows straight down. Above the mouth of every open container stands a
column of air that must stay empty; whatever enters it, at any height, is a breach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medicell_motion.arm import Array
from medicell_motion.shapes import Capsule


@dataclass(frozen=True, slots=True, kw_only=True)
class AirColumn:
    """The air above one open container; `mouth_m` is its mouth's centre per sample, (n, 3).

    `ignored` names the capsule that is the container itself.
    """

    container: str
    mouth_m: Array
    radius_m: float
    ignored: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """The first moment at which a link is over an open container."""

    link: str
    container: str
    time_s: float


def first_breach(
    times_s: Array,
    capsules: Sequence[Capsule],
    columns: Sequence[AirColumn],
    *,
    clearance_m: float = 0.0,
) -> Breach | None:
    """Return the earliest breach on a path, or None; `clearance_m` widens every column."""
    found: list[tuple[int, str, str]] = []
    for column in columns:
        for capsule in capsules:
            if capsule.name == column.ignored:
                continue
            over = np.flatnonzero(air_gap(capsule, column) < clearance_m)
            if over.size:
                found.append((int(over[0]), capsule.name, column.container))
    if not found:
        return None
    index, link, container = min(found, key=lambda item: item[0])
    return Breach(link=link, container=container, time_s=float(times_s[index]))


def air_gap(capsule: Capsule, column: AirColumn) -> Array:
    """Return the level distance from a link to a column per sample in metres, (n,).

    Only the part of the link that rises above the mouth counts: infinite when there is none.
    """
    start, end = capsule.start_m, capsule.end_m
    floor = column.mouth_m[:, 2] - capsule.radius_m
    rise = end[:, 2] - start[:, 2]
    level = np.abs(rise) < np.finfo(float).eps
    crossing = (floor - start[:, 2]) / np.where(level, 1.0, rise)
    low = np.where(rise > 0.0, np.clip(crossing, 0.0, 1.0), 0.0)
    high = np.where(rise < 0.0, np.clip(crossing, 0.0, 1.0), 1.0)
    low, high = np.where(level, 0.0, low), np.where(level, 1.0, high)
    above = np.maximum(start[:, 2], end[:, 2]) > floor
    from_mouth = start[:, :2] - column.mouth_m[:, :2]
    along = end[:, :2] - start[:, :2]
    length = np.maximum((along**2).sum(axis=1), np.finfo(float).tiny)
    share = np.clip(-(from_mouth * along).sum(axis=1) / length, low, high)
    away = np.linalg.norm(from_mouth + share[:, None] * along, axis=1)
    gap = away - capsule.radius_m - column.radius_m
    return np.asarray(np.where(above, gap, np.inf))
