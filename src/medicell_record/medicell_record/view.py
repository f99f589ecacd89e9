"""A batch as its record tells it: phases, culture measures, exchanges, events, the harvest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from medicell_core.entries import (
    BatchClosed,
    BatchStarted,
    Command,
    Completed,
    Entry,
    Measurement,
    Movement,
    PhaseFinished,
    PhaseStarted,
    Signature,
)
from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.record import RecordedEntry

SECONDS_PER_DAY = 86_400.0

_SAME_LOOK_DAYS = 0.125
"""Figures this close in time were measured on the same state of the culture."""

EntryT = TypeVar('EntryT', bound=Entry)


class EventKind(TextEnum):
    """What happened to a culture."""

    ACTIVATION = 'activation'
    TRANSDUCTION = 'transduction'
    FEED = 'feed'
    HARVEST = 'harvest'


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRun:
    """One execution of a phase; the end is None while it runs or when the batch broke off."""

    phase: str
    start_s: float
    end_s: float | None
    error_code: int
    error_msg: str

    @property
    def unit_procedure(self) -> str:
        """The first part of the phase's name."""
        return self.phase.split('/', maxsplit=1)[0]

    @property
    def name(self) -> str:
        """The phase's name within its unit procedure."""
        return self.phase.split('/', maxsplit=1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A measured value on a day of the batch; `standard_error` is None when unknown."""

    day: float
    value: float
    standard_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something done to the culture on a day of the batch."""

    day: float
    kind: EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Medium taken out of and put into the culture vessel by one operation, in mL."""

    day: float
    withdrawn_ml: float
    added_ml: float


class BatchView:
    """Reads a batch's entries once; days count from BatchStarted, day 0."""

    def __init__(self, entries: Iterable[RecordedEntry]) -> None:
        self.entries: Sequence[RecordedEntry] = tuple(entries)
        started = self.of(BatchStarted)
        if not started:
            raise MedicellError(
                ErrorCode.RECORD_UNREADABLE, 'the record has no BatchStarted; it tells no batch'
            )
        self.start_s = started[0][0].at_s
        self.batch: BatchStarted = started[0][1]
        # People sign by the wall clock, when the cell's own time is over.
        made = [item for item in self.entries if not isinstance(item.entry, Signature)]
        self.end_s = made[-1].at_s
        closed = self.of(BatchClosed)
        self.closed: BatchClosed | None = closed[-1][1] if closed else None
        self._kinds = {
            str(item.get('container')): str(item.get('kind')) for item in self.batch.materials
        }
        self._contents = {
            str(item.get('container')): str(item.get('content')) for item in self.batch.materials
        }

    def of(self, kind: type[EntryT]) -> list[tuple[RecordedEntry, EntryT]]:
        """Return the entries of a kind, each with its place in the record."""
        return [(item, item.entry) for item in self.entries if isinstance(item.entry, kind)]

    def day(self, at_s: float) -> float:
        """Return the day of the batch at a time."""
        return (at_s - self.start_s) / SECONDS_PER_DAY

    def is_vessel(self, container: str) -> bool:
        """Whether a container is a culture vessel."""
        return self._kinds.get(container) == 'vessel'

    def phases(self) -> list[PhaseRun]:
        """Return every execution of a phase in the order of their starts."""
        runs: list[PhaseRun] = []
        open_runs: dict[str, list[int]] = {}
        for item in self.entries:
            entry = item.entry
            if isinstance(entry, PhaseStarted):
                open_runs.setdefault(entry.phase, []).append(len(runs))
                runs.append(
                    PhaseRun(
                        phase=entry.phase,
                        start_s=item.at_s,
                        end_s=None,
                        error_code=ErrorCode.OK,
                        error_msg='',
                    )
                )
            elif isinstance(entry, PhaseFinished) and open_runs.get(entry.phase):
                index = open_runs[entry.phase].pop()
                runs[index] = PhaseRun(
                    phase=entry.phase,
                    start_s=runs[index].start_s,
                    end_s=item.at_s,
                    error_code=entry.error_code,
                    error_msg=entry.error_msg,
                )
        return runs

    def culture(self, name: str) -> list[Point]:
        """Return a measurement's values in the culture vessel, in time."""
        return [
            Point(
                day=self.day(item.at_s),
                value=entry.value,
                standard_error=entry.standard_error if entry.standard_error >= 0 else None,
            )
            for item, entry in self.of(Measurement)
            if entry.name == name and self.is_vessel(entry.container)
        ]

    def viable_cells(self) -> list[Point]:
        """Return the viable cells in the vessel, as recorded or else density times volume."""
        recorded = self.culture('viable_cells')
        if recorded:
            return recorded
        volumes = self.culture('volume_ml')
        points: list[Point] = []
        for item in self.culture('viable_per_ml'):
            known = [
                volume.value for volume in volumes if volume.day <= item.day + _SAME_LOOK_DAYS
            ]
            if known:
                points.append(_scaled(item, known[-1]))
        return points

    def car_positive_cells(self) -> list[Point]:
        """Return the viable CAR+ cells in the vessel, where both figures are of one look."""
        points: list[Point] = []
        for share in self.culture('car_positive_pct'):
            near = [
                item
                for item in self.viable_cells()
                if abs(item.day - share.day) <= _SAME_LOOK_DAYS
            ]
            if near:
                points.append(_scaled(near[-1], share.value / 100.0))
        return points

    def exchanges(self) -> list[Exchange]:
        """Return the vessel's feeds and medium exchanges, as the devices measured them.

        Medium that is there before activation, or comes in with activator or vector, is none.
        """
        operations = {
            entry.operation_id
            for _, entry in self.of(Command)
            if entry.operation == 'ExchangeMedium'
        }
        found = [
            Exchange(
                day=self.day(item.at_s),
                withdrawn_ml=_number(entry.result.get('withdrawn_ml')),
                added_ml=_number(entry.result.get('added_ml')),
            )
            for item, entry in self.of(Completed)
            if entry.operation_id in operations and entry.result
        ]
        found += [
            Exchange(day=self.day(item.at_s), withdrawn_ml=0.0, added_ml=entry.volume_ml)
            for item, entry in self.of(Movement)
            if self._event_kind(entry) is EventKind.FEED
        ]
        marked = self._marked_events()
        begin = min((item.day for item in marked), default=0.0)
        return sorted(
            (
                item
                for item in found
                if item.day > begin
                and all(abs(item.day - event.day) > _SAME_LOOK_DAYS for event in marked)
            ),
            key=lambda item: item.day,
        )

    def events(self) -> list[Event]:
        """Return what was done to the culture, in time; activation and the like once each."""
        feeds = [Event(day=item.day, kind=EventKind.FEED) for item in self.exchanges()]
        return sorted([*self._marked_events(), *feeds], key=lambda event: event.day)

    def harvest_sequence(self) -> int | None:
        """Return the entry with which the culture first left its vessel as product, or None."""
        for item, entry in self.of(Movement):
            if self._event_kind(entry) is EventKind.HARVEST:
                return item.sequence
        return None

    def _marked_events(self) -> list[Event]:
        firsts: dict[EventKind, Event] = {}
        for item, entry in self.of(Movement):
            kind = self._event_kind(entry)
            if kind is not None and kind is not EventKind.FEED:
                firsts.setdefault(kind, Event(day=self.day(item.at_s), kind=kind))
        return list(firsts.values())

    def _event_kind(self, entry: Movement) -> EventKind | None:
        if self.is_vessel(entry.target):
            return {
                'activator': EventKind.ACTIVATION,
                'vector': EventKind.TRANSDUCTION,
                'medium': EventKind.FEED,
            }.get(self._contents.get(entry.source, ''))
        leaves = self.is_vessel(entry.source) and self._kinds.get(entry.target) == 'bag'
        return EventKind.HARVEST if leaves else None


def _scaled(point: Point, factor: float) -> Point:
    error = point.standard_error
    return Point(
        day=point.day,
        value=point.value * factor,
        standard_error=None if error is None else error * factor,
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
