"""The containers of a batch, told from its entries: what each holds and where it is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from medicell_core.containers import ContainerKind, Places
from medicell_core.entries import (
    BatchStarted,
    Command,
    Completed,
    Entry,
    JsonValue,
    Movement,
    VialFilled,
)
from medicell_core.operations import (
    OPERATIONS,
    CapVial,
    FillVial,
    LabelVial,
    LoadBay,
    MoveContainer,
    MoveToBay,
    Operation,
    ProcessVial,
    ProcessVialResult,
    Result,
    SelectCells,
    SelectCellsResult,
    StopperVial,
    WashAndConcentrate,
    WashAndConcentrateResult,
    Weigh,
    WeighResult,
)
from medicell_core.serialise import from_json

EMPTY = 'empty'
_CLOSING: dict[type[Operation], str] = {
    FillVial: 'filled',
    StopperVial: 'stoppered',
    CapVial: 'capped',
    LabelVial: 'labelled',
}
CLOSED = frozenset({'stoppered', 'capped', 'labelled', 'accepted', 'rejected'})
"""Conditions of a vial that stands open no more, and needs no air."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredContainer:
    """A container as the record tells of it.

    `contents` names what was put in, the oldest first; after a wash, its cells' origin and the
    liquid around them. `volume_ml` is by what the devices measured. `condition` is a vial's:
    empty text, `filled`, `stoppered`, `capped`, `labelled`, then `accepted` or `rejected`.
    """

    container: str
    name: str
    kind: ContainerKind
    capacity_ml: float
    contents: tuple[str, ...]
    volume_ml: float
    location: str
    condition: str = ''


class Inventory:
    """Follows a record entry by entry, from its first; `changed` counts what it has altered."""

    def __init__(self) -> None:
        self.batch_id = ''
        self.changed = 0
        self._containers: dict[str, StoredContainer] = {}
        self._running: dict[str, Operation] = {}

    def __iter__(self) -> Iterator[StoredContainer]:
        """Iterate over the containers in the order of the kit."""
        return iter(self._containers.values())

    def note(self, entry: Entry) -> None:
        """Take an entry into account; those that say nothing of containers are left out."""
        if isinstance(entry, BatchStarted):
            self._begin(entry)
        elif isinstance(entry, Command):
            goal = from_json(OPERATIONS[entry.operation].goal, entry.goal)
            self._running[entry.operation_id] = goal
        elif isinstance(entry, Completed):
            self._completed(entry)
        elif isinstance(entry, Movement):
            self._move(entry)
        elif isinstance(entry, VialFilled):
            self._set(entry.vial, condition='accepted' if entry.accepted else 'rejected')

    def _begin(self, entry: BatchStarted) -> None:
        places = Places()
        self.batch_id = entry.batch_id
        self._running.clear()
        stored = (_stored(row, places) for row in entry.materials)
        self._containers = {item.container: item for item in stored}
        self.changed += 1

    def _completed(self, entry: Completed) -> None:
        goal = self._running.pop(entry.operation_id, None)
        if isinstance(goal, ProcessVial) and entry.result:
            self._processed(goal, from_json(ProcessVialResult, entry.result))
        if goal is None or entry.error_code != 0:
            return
        if isinstance(goal, LoadBay):
            self._set(goal.container, location=f'incubator/{goal.bay}')
        elif isinstance(goal, MoveToBay):
            moved = self._in_bay(goal.from_bay)
            self._set(moved, location=f'incubator/{goal.to_bay}')
        elif isinstance(goal, MoveContainer):
            self._set(goal.container, location=f'fill_robot/{goal.station}')
        elif isinstance(goal, FillVial | StopperVial | CapVial | LabelVial):
            self._set(goal.vial, condition=_CLOSING[type(goal)])
        elif entry.result:
            self._measured(goal, from_json(OPERATIONS[type(goal).__name__].result, entry.result))

    def _processed(self, goal: ProcessVial, result: ProcessVialResult) -> None:
        """Follow a vial as far as its cycle has come, also one that ended early."""
        if result.station:
            self._set(goal.vial, location=f'fill_robot/{result.station}')
        condition = 'labelled' if result.step == 'placed' else result.step
        if condition in _CLOSING.values():
            self._set(goal.vial, condition=condition)

    def _measured(self, goal: Operation, result: Result) -> None:
        if isinstance(goal, Weigh) and isinstance(result, WeighResult):
            if math.isfinite(result.volume_ml):
                self._set(goal.container, volume_ml=max(0.0, result.volume_ml))
        elif isinstance(goal, SelectCells) and isinstance(result, SelectCellsResult):
            buffer = (goal.buffer, goal.buffer_volume_ml)
            reagent = (goal.reagent, goal.reagent_volume_ml)
            self._separated(goal.source, goal.waste, (buffer, reagent), result.volume_ml)
        elif isinstance(goal, WashAndConcentrate) and isinstance(result, WashAndConcentrateResult):
            buffer = (goal.buffer, goal.buffer_volume_ml)
            self._separated(goal.source, goal.waste, (buffer,), result.volume_ml)

    def _separated(
        self, source: str, waste: str, drawn: tuple[tuple[str, float], ...], kept_ml: float
    ) -> None:
        """Leave the cells in what was kept; the entry of the movement takes them to the target."""
        before = self._containers.get(source)
        if before is None or not math.isfinite(kept_ml):
            return
        gone_ml = before.volume_ml - kept_ml
        for name, volume_ml in drawn:
            gone_ml += volume_ml
            self._add(name, -volume_ml)
        self._add(waste, max(0.0, gone_ml), contents=before.contents)
        liquid = self._containers.get(drawn[0][0])
        around = () if liquid is None else liquid.contents
        self._set(source, volume_ml=kept_ml, contents=_joined(before.contents[:1], around))

    def _move(self, entry: Movement) -> None:
        source = self._containers.get(self._id(entry.source))
        self._add(self._id(entry.source), -entry.volume_ml)
        added = () if source is None else source.contents
        self._add(self._id(entry.target), entry.volume_ml, contents=added)

    def _id(self, name: str) -> str:
        """Return a container's id; an exchange of medium names a batch's bay instead."""
        return name if name in self._containers else self._in_bay(name.rpartition('/')[2])

    def _in_bay(self, bay: str) -> str:
        place = f'incubator/{bay}'
        return next((item.container for item in self if item.location == place), '')

    def _add(self, container: str, volume_ml: float, *, contents: tuple[str, ...] = ()) -> None:
        item = self._containers.get(container)
        if item is not None:
            self._set(
                container,
                volume_ml=max(0.0, item.volume_ml + volume_ml),
                contents=_joined(item.contents, contents),
            )

    def _set(self, container: str, **changes: object) -> None:
        item = self._containers.get(container)
        if item is None:
            return
        altered = replace(item, **changes)  # type: ignore[arg-type]
        if altered != item:
            self._containers[container] = altered
            self.changed += 1


def _stored(row: dict[str, JsonValue], places: Places) -> StoredContainer:
    content = str(row['content'])
    return StoredContainer(
        container=str(row['container']),
        name=str(row['name']),
        kind=ContainerKind(str(row['kind'])),
        capacity_ml=_number(row.get('capacity_ml')),
        contents=() if content == EMPTY else (content,),
        volume_ml=_number(row['volume_ml']),
        location=places.take(str(row.get('location', ''))),
    )


def _number(value: JsonValue) -> float:
    """Return a number of an entry; 0 for a record that was made before there was one."""
    return float(value) if isinstance(value, int | float) else 0.0


def _joined(first: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *more)))
