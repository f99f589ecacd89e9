"""Containers and materials: what a kit is made of before a patient's cells meet it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field

from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode, MedicellError

_SEPARATOR = '|'
_IDENTIFIER = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,127}')
_DOMAIN = 'medicell label 1'
_CHECK_BYTES = 5
"""40 bits: a text that came about by chance passes once in 10^12."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a label says: whose cells, and which container."""

    batch_id: str
    container: str

    @property
    def text(self) -> str:
        """As it is printed."""
        return label_text(self.batch_id, self.container)


def label_text(batch_id: str, container: str) -> str:
    """Return what is printed on a container's label: chain of identity, container, check."""
    check = _check(batch_id, container)
    return _SEPARATOR.join((batch_id, container, check))


def parse_label(text: str) -> Label:
    """Return what the text of a label says.

    Raises LABEL_UNREADABLE for any other form, and for a check that is not that of the rest.
    """
    parts = text.split(_SEPARATOR)
    if len(parts) != 3 or not all(_IDENTIFIER.fullmatch(part) for part in parts):
        raise MedicellError(
            ErrorCode.LABEL_UNREADABLE, f'{text!r} has not the form of a label of this cell'
        )
    batch_id, container, check = parts
    right = _check(batch_id, container)
    if check != right:
        raise MedicellError(
            ErrorCode.LABEL_UNREADABLE, f'{text!r} is misread: its check would be {right}'
        )
    return Label(batch_id=batch_id, container=container)


def _check(batch_id: str, container: str) -> str:
    """Return eight letters and digits that depend on every character of a label."""
    told = _SEPARATOR.join((_DOMAIN, batch_id, container)).encode()
    return base64.b32encode(hashlib.sha256(told).digest()[:_CHECK_BYTES]).decode()


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
