"""The containers of the cell: where each stands, what it holds, and what has come in and gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from medicell_core.containers import RACKS, ContainerKind
from medicell_core.errors import ErrorCode, OperationRefused
from medicell_core.serialise import from_json, to_json
from medicell_sim import contents
from medicell_sim.contents import Amounts
from medicell_sim.port import ContainerView

_SHARED = frozenset({'floor', 'waste', 'freezer', 'fill_robot/reject', 'fill_robot/handover'})


@dataclass(slots=True, kw_only=True)
class SimContainer:
    """A container as it truly is; `mixed_s` is when its cells were last suspended."""

    id: str
    kind: ContainerKind
    capacity_ml: float
    location: str
    label: str
    amounts: Amounts
    area_cm2: float
    mixed_s: float
    synced_s: float
    connected: bool
    clamped: bool = False
    stoppered: bool = False
    capped: bool = False
    label_reads: int = 0
    """How often a camera has looked at its label."""
    labels_printed: int = 0
    """How many labels the cell's printer has made for it."""

    @property
    def volume_ml(self) -> float:
        """What it holds, in mL."""
        return contents.volume_ml(self.amounts)

    @property
    def bay(self) -> str:
        """The bay it stands in; empty elsewhere."""
        station, _, place = self.location.partition('/')
        return place if station == 'incubator' else ''

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**values, 'amounts': self.amounts.tolist(), 'kind': self.kind.value}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> SimContainer:
        """Return the container that `state` told of."""
        given = {**state, 'kind': ContainerKind(state['kind'])}
        return cls(**{**given, 'amounts': np.array(state['amounts'], dtype=np.float64)})

    def view(self) -> ContainerView:
        """Return what can be seen from outside."""
        return ContainerView(
            id=self.id,
            kind=self.kind.value,
            capacity_ml=self.capacity_ml,
            location=self.location,
            connected=self.connected,
            clamped=self.clamped,
            stoppered=self.stoppered,
            capped=self.capped,
        )


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What came in, was born, dissolved or was lost since the world began."""

    volume_in_ml: float = 0.0
    volume_lost_ml: float = 0.0
    cells_in: float = 0.0
    cells_born: float = 0.0
    cells_lysed: float = 0.0
    cells_lost: float = 0.0
    foreign_strokes: int = 0
    """How often liquid was moved from or into another container than was meant."""

    def arrive(self, amounts: Amounts) -> None:
        """Count what comes into the cell."""
        self.volume_in_ml += contents.volume_ml(amounts)
        self.cells_in += contents.nucleated_cells(amounts)

    def lose(self, amounts: Amounts) -> None:
        """Count what is spilt."""
        self.volume_lost_ml += contents.volume_ml(amounts)
        self.cells_lost += contents.nucleated_cells(amounts)


@dataclass(slots=True)
class Kit:
    """All containers by id; at most one at a station that is not shared."""

    ledger: Ledger = field(default_factory=Ledger)
    _containers: dict[str, SimContainer] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[SimContainer]:
        """Iterate over the containers in the order of loading."""
        return iter(self._containers.values())

    def state(self) -> dict[str, Any]:
        """Return all containers and the ledger as JSON values."""
        return {
            'containers': [item.state() for item in self],
            'ledger': to_json(self.ledger),
            'places': dict(self._places),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Hold what `state` told of."""
        made = [SimContainer.restored(item) for item in state['containers']]
        self._containers = {item.id: item for item in made}
        self._places = dict(state['places'])
        self.ledger = from_json(Ledger, state['ledger'])

    def get(self, container: str) -> SimContainer:
        """Return a container; raises UNKNOWN_CONTAINER."""
        try:
            return self._containers[container]
        except KeyError:
            raise OperationRefused(
                ErrorCode.UNKNOWN_CONTAINER, f'container: "{container}" is not in the cell'
            ) from None

    def at(self, location: str) -> str:
        """Return the id of the container at a location, or an empty string."""
        return self._places.get(location, '')

    def add(self, container: SimContainer) -> None:
        """Put a new container where its location says; raises STATION_OCCUPIED."""
        if container.id in self._containers:
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'container: "{container.id}" is in the cell already'
            )
        location = self._resolve(container.location)
        self._require_free(location, container.id)
        container.location = location
        self._containers[container.id] = container
        self._occupy(location, container.id)
        self.ledger.arrive(container.amounts)

    def move(self, container: str, location: str) -> None:
        """Put a container at another location; raises STATION_OCCUPIED."""
        item = self.get(container)
        if location == item.location:
            return
        location = self._resolve(location)
        self._require_free(location, container)
        if self._places.get(item.location) == container:
            del self._places[item.location]
        item.location = location
        self._occupy(location, container)

    def _resolve(self, location: str) -> str:
        pattern = RACKS.get(location)
        if pattern is None:
            return location
        number = 1
        while pattern.format(number) in self._places:
            number += 1
        return pattern.format(number)

    def _require_free(self, location: str, container: str) -> None:
        there = self._places.get(location, container)
        if there != container:
            raise OperationRefused(
                ErrorCode.STATION_OCCUPIED,
                f'location: {location} holds "{there}"; cannot put "{container}" there',
            )

    def _occupy(self, location: str, container: str) -> None:
        if location not in _SHARED:
            self._places[location] = container
