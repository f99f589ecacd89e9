"""Where a batch's vials stand in the fill robot."""

from __future__ import annotations

from collections.abc import Iterable

from medicell_core.containers import ContainerKind, Material, Places, container_id
from medicell_core.operations import Role

Placed = tuple[str, str, str]
"""A container's kind, location and name."""


def vials_at(containers: Iterable[Placed]) -> dict[str, str]:
    """Return the names of those that are vials in the fill robot, by the robot's stations."""
    found = {}
    for kind, location, name in containers:
        place, _, station = location.partition('/')
        if place == Role.FILL_ROBOT and kind == ContainerKind.VIAL:
            found[station] = name
    return found


def vials_of(batch_id: str, kit: Iterable[Material]) -> dict[str, str]:
    """Return the ids of a kit's vials, by the robot's stations where they are put first."""
    places = Places()
    return vials_at(
        (item.kind, places.take(item.location), container_id(batch_id, item.name)) for item in kit
    )
