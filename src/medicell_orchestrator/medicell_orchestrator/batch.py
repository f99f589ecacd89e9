"""One batch as its phases share it: identity, containers, what was measured, the record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Protocol

from medicell_core.cell import Cell
from medicell_core.containers import Material, Patient, container_id, label_text
from medicell_core.entries import (
    BatchStarted,
    Completed,
    Deviation,
    Entry,
    Measurement,
    Movement,
    ReleaseTest,
    VialFilled,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Operation, Role
from medicell_orchestrator.resuming.history import History
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_orchestrator.unwritten import UNWRITTEN, Unwritten
from medicell_record.record import RecordedEntry

if TYPE_CHECKING:
    from medicell_orchestrator.recipe import Recipe

ACTOR = 'orchestrator'
DAY_S = 86400.0
NEST = 'fill_robot/nest'
FULL_ENOUGH_ML = 0.5
"""A reagent container with less than this left counts as empty."""


Judge = Callable[[list[RecordedEntry]], list[ReleaseTest]]
"""Turns what has been recorded into the release table."""


class RecordSink(Protocol):
    """Where entries go: the batch record, or a list in tests."""

    def append(self, entry: Entry, *, at_s: float, actor: str) -> object:
        """Append one entry."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCount:
    """A count of a container's cells."""

    at_s: float
    viable_per_ml: float
    viable_per_ml_se: float
    viability_pct: float
    diameter_um: float
    volume_ml: float

    @property
    def viable_cells(self) -> float:
        """Viable cells in the container."""
        return self.viable_per_ml * self.volume_ml


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeLook:
    """What the probes of a culture said at a time."""

    at_s: float
    glucose_mm: float
    lactate_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """Set-points of a bay."""

    temperature_c: float
    co2_pct: float
    agitation_rpm: float


class Batch:
    """The state that the phases of one batch share. Only the engine's thread changes it.

    With a `history` it goes through what a record already holds: each entry that is made again
    is compared with the recorded one and takes its time. All that phases know of time is thus
    in the record: the time of its newest entry, and when an operation ended.
    """

    def __init__(
        self,
        *,
        recipe: Recipe,
        patient: Patient,
        cell: Cell,
        record: RecordSink,
        judge: Judge,
        history: History | None = None,
        journals: KnownJournals | None = None,
    ) -> None:
        self.recipe = recipe
        self.patient = patient
        self.cell = cell
        self.batch_id = patient.chain_of_identity
        self.kit: dict[str, Material] = {item.name: item for item in recipe.kit(patient)}
        self.groups: dict[str, tuple[str, ...]] = {name: (name,) for name in self.kit}
        self.groups.update((spec.name, spec.names) for spec in recipe.materials)
        self.history = History(()) if history is None else history
        self.on_match: Callable[[], None] = self.history.tell_end
        """Called when an entry that the record has was made again."""
        self._record = record
        self._judge = judge
        self._entries: list[RecordedEntry] = []
        self._used: set[str] = set()
        self._drawn_ml: defaultdict[str, float] = defaultdict(float)
        self._empty: set[str] = set()
        self._bays: dict[str, str] = {}
        self.vessels: dict[str, str] = {}
        self.climates: dict[str, Climate] = {}
        self.counts: dict[str, list[CellCount]] = {}
        self.looks: dict[str, list[ProbeLook]] = {}
        self.measured: dict[str, Measurement] = {}
        self.deviations: list[Deviation] = []
        self.vials: list[VialFilled] = []
        self.questions = 0
        self.operations = 0
        self.started_s = self.ended_s = self._now_s = cell.now_s()
        self.run_id = ''
        self._journals = KnownJournals() if journals is None else journals
        self.culture_start_s: float | None = None
        self.seeded_cells = 0.0
        self.harvested_cells = 0.0
        self.failed_limits: list[str] = []

    def now_s(self) -> float:
        """Return the cell's time as the record has it: that of the newest entry."""
        return self._now_s

    def culture_day(self, at_s: float | None = None) -> float:
        """Return days since seeding, or since the start of the batch before it."""
        begin = self.started_s if self.culture_start_s is None else self.culture_start_s
        return ((self.now_s() if at_s is None else at_s) - begin) / DAY_S

    def append(self, entry: Entry, *, at_s: float | None = None, actor: str = ACTOR) -> None:
        """Put an entry into the record, with the cell's time unless another is given.

        One that the record has already is only compared with it; raises Disagreement. Raises
        Unwritten when the record takes no more entries.
        """
        if not self.history.over:
            self.note(entry, self.history.match(entry))
            self.on_match()
            return
        at_s = max(self._now_s, self.cell.now_s()) if at_s is None else at_s
        try:
            self._record.append(entry, at_s=at_s, actor=actor)
        except MedicellError as error:
            if error.code in UNWRITTEN:
                raise Unwritten(error) from error
            raise
        self.note(entry, at_s)

    def note(self, entry: Entry, at_s: float) -> None:
        """Take an entry into account that the record has."""
        self._entries.append(
            RecordedEntry(sequence=len(self._entries) + 1, at_s=at_s, actor=ACTOR, entry=entry)
        )
        self._now_s = max(self._now_s, at_s) if self.run_id else at_s
        if isinstance(entry, Completed):
            self.ended_s = at_s
        elif isinstance(entry, Deviation):
            self.deviations.append(entry)
        elif isinstance(entry, Movement):
            self._drawn_ml[entry.source] += entry.volume_ml
        elif isinstance(entry, BatchStarted):
            self._begin(at_s)

    def _begin(self, at_s: float) -> None:
        """Take the batch's start as the record has it: ids of operations are made of it.

        A therapy may be started again on the same cell: its operations are others.
        """
        self.started_s = self.ended_s = at_s
        begun = datetime.fromtimestamp(at_s, tz=timezone.utc)
        self.run_id = f'{self.batch_id}@{begun:%Y%m%dT%H%M%S}'

    def start(self, role: Role, goal: Operation) -> None:
        """Have the cell send a goal; that it is sent, and for which journal, is noted before."""
        self.cell.start(role, goal, on_send=partial(self._journals.note, goal.operation_id))

    @property
    def entries(self) -> tuple[RecordedEntry, ...]:
        """What the record holds."""
        return tuple(self._entries)

    def deviation(
        self, phase: str, code: ErrorCode, description: str, action: str, *, recovered: bool
    ) -> None:
        """Record that something went other than planned."""
        entry = Deviation(
            deviation_id=f'{self.batch_id}/D{len(self.deviations) + 1:03d}',
            phase=phase,
            error_code=int(code),
            description=description,
            action=action,
            recovered=recovered,
        )
        self.append(entry)

    def vial(self, entry: VialFilled) -> None:
        """Take note of a vial that was filled or rejected."""
        self.vials.append(entry)
        self.append(entry)

    def release_tests(self) -> list[ReleaseTest]:
        """Judge what has been recorded by the product's specification."""
        return self._judge(self._entries)

    def begin_culture(self, cells: float) -> None:
        """Let day 0 be when the last operation ended, with so many viable cells seeded.

        What was measured of the starting material says nothing of the culture.
        """
        self.culture_start_s = self.ended_s
        self.seeded_cells = cells
        self.measured.clear()

    def closing_figures(self) -> dict[str, float]:
        """Return the summary's figures of the product, as far as they are known."""
        return closing_figures(self)

    def id_of(self, name: str) -> str:
        """Return the cell-wide identifier of a container of the recipe."""
        return container_id(self.batch_id, name)

    def label_of(self, name: str) -> str:
        """Return what the label of a container of the recipe must say."""
        return label_text(self.batch_id, self.id_of(name))

    def fresh(self, group: str) -> str:
        """Return the next unused container of a material, and count it as used.

        Raises MATERIAL_MISSING when all are used.
        """
        for name in self.groups[group]:
            if name not in self._used:
                self._used.add(name)
                return name
        raise MedicellError(
            ErrorCode.MATERIAL_MISSING,
            f'{group}: all {len(self.groups[group])} of the kit are used',
        )

    def unused(self, group: str) -> int:
        """Return how many of a material are unused."""
        return sum(name not in self._used for name in self.groups[group])

    def left_ml(self, name: str) -> float:
        """Return what should be left in a reagent container by what was drawn of it."""
        return max(0.0, self.kit[name].volume_ml - self._drawn_ml[self.id_of(name)])

    def supply(self, material: str, volume_ml: float) -> str:
        """Return the container to draw a reagent from: the first that should hold enough.

        When none holds enough, the fullest of the same content that has not run dry.
        """
        names = [name for name in self._same_content(material) if name not in self._empty]
        own = [name for name in names if name in self.groups.get(material, (material,))]
        for name in (*own, *names):
            if self.left_ml(name) >= volume_ml:
                return name
        if names:
            return max(names, key=self.left_ml)
        return self.groups.get(material, (material,))[0]

    def spare_of(self, name: str) -> str | None:
        """Return another container with the same reagent, or None."""
        others = [
            other
            for other in self._same_content(name)
            if other != name and other not in self._empty and self.left_ml(other) > FULL_ENOUGH_ML
        ]
        return max(others, key=self.left_ml) if others else None

    def _same_content(self, material: str) -> list[str]:
        first = self.groups.get(material, (material,))[0]
        content = self.kit[first].content
        if content == 'empty':
            return list(self.groups.get(material, (material,)))
        return [item.name for item in self.kit.values() if item.content == content]

    def nest_of(self, vial: str) -> str:
        """Return the place of the nest from which a vial came, such as `nest_07`."""
        nested = [item.name for item in self.kit.values() if item.location == NEST]
        return f'nest_{nested.index(vial) + 1:02d}'

    def drew(self, name: str, volume_ml: float) -> None:
        """Count a volume as drawn from a container that no movement tells; others are counted."""
        self._drawn_ml[self.id_of(name)] += volume_ml

    def ran_dry(self, name: str) -> None:
        """Never draw from a container again."""
        self._empty.add(name)

    def bay_of(self, bay: str) -> str:
        """Return the bay that now serves as the recipe's bay."""
        return self._bays.get(bay, bay)

    def moved_bay(self, bay: str, to_bay: str) -> None:
        """Let another bay serve as the recipe's bay."""
        self._bays[bay] = to_bay

    def bays_in_use(self) -> set[str]:
        """Return the bays with a climate of this batch or that were given up."""
        return set(self.climates) | set(self._bays)

    def last_count(self, name: str) -> CellCount | None:
        """Return the latest count of a container."""
        counts = self.counts.get(name)
        return counts[-1] if counts else None


def clock_text(at_s: float) -> str:
    """Return a time of the cell's clock for people, in UTC."""
    return f'{datetime.fromtimestamp(at_s, tz=timezone.utc):%Y-%m-%d %H:%M:%S}'


def closing_figures(batch: Batch) -> dict[str, float]:
    """Return fold expansion, viability, CAR+, copies, vials, dose, duration; known ones only."""
    accepted = [vial for vial in batch.vials if vial.of_dose]
    figures = {
        'vials': float(len(accepted)),
        'vial_volume_ml': accepted[0].volume_ml if accepted else 0.0,
        'car_positive_cells': sum(vial.car_positive_cells for vial in accepted),
        'viable_cells': sum(vial.viable_cells for vial in accepted),
        'duration_days': (batch.now_s() - batch.started_s) / DAY_S,
        'operations': float(batch.operations),
        'deviations': float(len(batch.deviations)),
    }
    if batch.seeded_cells > 0.0 and batch.harvested_cells > 0.0:
        figures['seeded_cells'] = batch.seeded_cells
        figures['harvested_cells'] = batch.harvested_cells
        figures['fold_expansion'] = batch.harvested_cells / batch.seeded_cells
    for name in ('viability_pct', 'car_positive_pct', 'vector_copies'):
        if batch.culture_start_s is not None and name in batch.measured:
            figures[name] = batch.measured[name].value
    return figures
