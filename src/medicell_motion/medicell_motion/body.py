"""The moving parts of the robot and what stands around it, as capsules along a path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medicell_motion.arm import Array
from medicell_motion.geometry import CellGeometry
from medicell_motion.shapes import Capsule, gap_between, gap_to_box
from medicell_motion.stations import Station

CARRIED = 'carried container'
_BASE, _UPPER, _FOREARM, _WRIST, _TOOL = 'base', 'upper_arm', 'forearm', 'wrist', 'tool'


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Two bodies that come closer than the clearance, and when."""

    link: str
    body: str
    time_s: float


def moving_parts(geometry: CellGeometry, positions_rad: Array, *, carrying: bool) -> list[Capsule]:
    """Return the capsules of upper arm, forearm, wrist, tool and what it carries, per sample."""
    shoulder, elbow, wrist, flange, tip = np.moveaxis(geometry.arm.skeleton(positions_rad), -2, 0)
    tool = geometry.arm.rotation(positions_rad)
    radii, container = geometry.links, geometry.container
    side = tip - (container.radius_m + radii.tool_m) * tool[..., :, 2]
    parts = [
        Capsule(name=_UPPER, start_m=shoulder, end_m=elbow, radius_m=radii.upper_arm_m),
        Capsule(name=_FOREARM, start_m=elbow, end_m=wrist, radius_m=radii.forearm_m),
        Capsule(name=_WRIST, start_m=wrist, end_m=flange, radius_m=radii.wrist_m),
        Capsule(name=_TOOL, start_m=flange, end_m=side, radius_m=radii.tool_m),
    ]
    if carrying:
        down = tool[..., :, 0] * (container.grip_to_mouth_m - container.radius_m)
        parts.append(
            Capsule(
                name=CARRIED, start_m=tip - down, end_m=tip + down, radius_m=container.radius_m
            )
        )
    return parts


def standing(geometry: CellGeometry, station: Station) -> Capsule:
    """Return the capsule of a container that stands at a station."""
    container = geometry.container
    up = np.array([0.0, 0.0, container.grip_to_mouth_m - container.radius_m])
    centre = station.position_m
    return Capsule(
        name=f'container at {station.name}',
        start_m=(centre - up)[None],
        end_m=(centre + up)[None],
        radius_m=container.radius_m,
    )


def first_contact(
    geometry: CellGeometry, times_s: Array, parts: list[Capsule], *, empty: frozenset[str]
) -> Contact | None:
    """Return the earliest contact of the robot with itself, a box, or a standing container.

    A container is taken to stand at every station but those named in `empty`.
    """
    found: list[tuple[int, str, str]] = []
    for part, body, gap in _gaps(geometry, parts, empty):
        close = np.flatnonzero(gap < geometry.travel.clearance_m)
        if close.size:
            found.append((int(close[0]), part, body))
    if not found:
        return None
    index, link, body = min(found, key=lambda item: item[0])
    return Contact(link=link, body=body, time_s=float(times_s[index]))


def _gaps(
    geometry: CellGeometry, parts: list[Capsule], empty: frozenset[str]
) -> list[tuple[str, str, Array]]:
    """Return every pair of bodies that may meet, with the gap per sample."""
    base = Capsule(
        name=_BASE,
        start_m=np.zeros((1, 3)),
        end_m=np.array([[0.0, 0.0, geometry.arm.shoulder_height_m - geometry.links.base_m]]),
        radius_m=geometry.links.base_m,
    )
    by_name = {part.name: part for part in parts}
    outer = [part for part in parts if part.name not in (_UPPER, _FOREARM)]
    gaps = [(p.name, box.name, gap_to_box(p, box)) for p in parts for box in geometry.obstacles]
    gaps += [(p.name, _BASE, gap_between(p, base)) for p in [by_name[_FOREARM], *outer]]
    gaps += [(p.name, _UPPER, gap_between(p, by_name[_UPPER])) for p in outer]
    gaps += [
        (p.name, _FOREARM, gap_between(p, by_name[_FOREARM])) for p in outer if p.name != _WRIST
    ]
    occupied = [
        standing(geometry, station)
        for name, station in geometry.stations.items()
        if name not in empty
    ]
    return gaps + [(p.name, c.name, gap_between(p, c)) for p in outer for c in occupied]
