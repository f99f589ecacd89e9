"""Containers and materials: what a kit is made of before a patient's cells meet it."""

from __future__ import annotations

from dataclasses import dataclass, field

from medicell_core.enums import TextEnum


class ContainerKind(TextEnum):
    """What a container is made for."""

    BAG = 'bag'
    VESSEL = 'vessel'
    CARTRIDGE = 'cartridge'
    TUBE = 'tube'
    VIAL = 'vial'
    WASTE = 'waste'


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A container of the kit with what it holds when it is hung or placed.

    `name` is the recipe's name; `content` names an entry of the world's content table
    (`leukapheresis`, `medium`, `activator`, `vector`, `selection_beads`, `buffer`,
    `cryo_medium`, `empty`); `location` is where it is put: `fluid_handler`, `imaging`,
    `fill_robot/nest`, `laboratory`, or a bay such as `incubator/bay_1`.
    """

    name: str
    kind: ContainerKind
    capacity_ml: float
    content: str
    volume_ml: float
    location: str


def container_id(batch_id: str, name: str) -> str:
    """Return the cell-wide identifier of a batch's container."""
    return f'{batch_id}.{name}'


def label_text(batch_id: str, container: str) -> str:
    """Return what is printed on a container's label: chain of identity, then container."""
    return f'{batch_id}|{container}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who the cells come from, as the order says; never the true donor biology.

    `chain_of_identity` is the therapy's one opaque identifier, and the batch's id;
    `apheresis_label` is what the received bag says, which must be the same identifier.
    """

    chain_of_identity: str
    apheresis_label: str
    product: str
    weight_kg: float
    target_dose_cells: float
    apheresis_volume_ml: float


RACKS = {
    'fluid_handler': 'fluid_handler/port_{}',
    'imaging': 'imaging/inlet_{}',
    'laboratory': 'laboratory/rack_{}',
    'fill_robot/nest': 'fill_robot/nest_{:02d}',
}
"""Locations that have places, and how these are named, counted from 1."""


@dataclass(slots=True)
class Places:
    """Which places are taken: a kit is hung and placed in its order, at the first free ones."""

    _taken: set[str] = field(default_factory=set)

    def take(self, location: str) -> str:
        """Take the first free place of a location and return it; other locations as they are."""
        pattern = RACKS.get(location)
        if pattern is None:
            return location
        number = 1
        while pattern.format(number) in self._taken:
            number += 1
        self._taken.add(pattern.format(number))
        return pattern.format(number)
