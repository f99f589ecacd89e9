"""A scripted cell: does what it is told at once, with volumes and cells kept, and can fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from medicell_core import operations as ops
from medicell_core.cell import LostContact, OnSend, untold
from medicell_core.containers import Patient, label_text
from medicell_core.entries import Answer, Entry, Ordered
from medicell_core.errors import ErrorCode
from medicell_core.operations import Operation, Outcome, Role
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.recipe import Recipe, load_recipe

CONFIG = Path(__file__).resolve().parents[3] / 'config'
NAN = math.nan
EntryT = TypeVar('EntryT', bound=Entry)
OperationT = TypeVar('OperationT', bound=Operation)
PATIENT = Patient(
    chain_of_identity='MC-1',
    apheresis_label='MC-1',
    product='cd19_car_t',
    weight_kg=70.0,
    target_dose_cells=1e8,
    apheresis_volume_ml=120.0,
)

HEADER = """\
recipe: sample
version: 1.0.0
product: cd19_car_t
description: for tests
materials:
  apheresis: {kind: bag, content: leukapheresis, capacity: 300 mL, volume: patient,
    location: &fh fluid_handler}
  selected: {kind: bag, content: empty, capacity: 300 mL, location: *fh}
  culture: {kind: vessel, content: empty, capacity: 300 mL, location: *fh}
  medium: {kind: bag, content: medium, capacity: 1000 mL, volume: 500 mL, location: *fh, count: 2}
  buffer: {kind: bag, content: buffer, capacity: 1000 mL, volume: 900 mL, location: *fh}
  cryo: {kind: bag, content: cryo_medium, capacity: 500 mL, volume: 300 mL, location: *fh}
  vector: {kind: bag, content: vector, capacity: 30 mL, volume: 20 mL, location: *fh}
  beads: {kind: bag, content: selection_beads, capacity: 30 mL, volume: 20 mL, location: *fh}
  product: {kind: bag, content: empty, capacity: 300 mL, location: *fh}
  waste: {kind: waste, content: empty, capacity: 10 L, location: *fh}
  cartridge: {kind: cartridge, content: empty, capacity: 1 mL, location: imaging, count: 12}
  tube: {kind: tube, content: empty, capacity: 5 mL, location: laboratory, count: 3}
  vial: {kind: vial, content: empty, capacity: 10 mL, location: fill_robot/nest, count: 6}
  quality_vial: {kind: vial, content: empty, capacity: 10 mL, location: fill_robot/nest, count: 2}
procedure:
  - unit_procedure: line
    operations:
      - operation: clearance
        phases:
          - {phase: roll_call, type: roll_call}
  - unit_procedure: unit
    operations:
      - operation: operation
        phases:
"""
RELEASE = '- {phase: judge, type: release}'


def recipe_text(phases: str) -> str:
    """Return a recipe with these phases, given without indentation, and a release after them."""
    if 'type: release' not in phases:
        phases = f'{phases.rstrip()}\n{RELEASE}'
    body = '\n'.join(f'          {line}' for line in phases.strip('\n').splitlines())
    return f'{HEADER}{body}\n'


def make_recipe(folder: Path, phases: str) -> Recipe:
    """Return a recipe of these phases alone, without a roll-call and a release around them."""
    path = folder / 'sample.yaml'
    path.write_text(recipe_text(phases), encoding='utf-8')
    recipe = load_recipe(path)
    recipe = replace(recipe, procedure=recipe.procedure[1:])
    return recipe if 'type: release' in phases else without_release(recipe)


def without_release(recipe: Recipe) -> Recipe:
    """Return a recipe without its last phase: what a test of single phases runs."""
    (unit,) = recipe.procedure
    (operation,) = unit.operations
    fewer = replace(operation, phases=operation.phases[:-1])
    return replace(recipe, procedure=(replace(unit, operations=(fewer,)),))


@dataclass
class Sink:
    """A record in a list."""

    entries: list[Entry] = field(default_factory=list)
    actors: list[str] = field(default_factory=list)

    def append(self, entry: Entry, *, at_s: float, actor: str) -> None:
        assert actor == 'orchestrator' or isinstance(entry, Ordered | Answer)
        assert math.isfinite(at_s)
        self.entries.append(entry)
        self.actors.append(actor)

    def of(self, kind: type[EntryT]) -> list[EntryT]:
        return [entry for entry in self.entries if isinstance(entry, kind)]


def failed(code: ErrorCode, message: str = 'scripted', result: object = None) -> Outcome:
    return Outcome(error_code=code, error_msg=message, result=result)  # type: ignore[arg-type]


@dataclass
class Script:
    """The next `times` operations of a type end so; `moved` of a transfer moves nevertheless."""

    operation: type[Operation]
    code: ErrorCode
    times: int = 1
    moved: float = 0.0
    skip: int = 0
    result: object = None
    weights: dict[str, float] = field(default_factory=dict)
    """What the containers hold afterwards, by their names."""


STARTS_S = 1.7e9


def processed(goal: ops.ProcessVial, **changes: object) -> ops.ProcessVialResult:
    """Return what a good vial's cycle finds, with changes."""
    good = ops.ProcessVialResult(
        net_weight_g=goal.volume_ml,
        volume_ml=goal.volume_ml,
        added_ml=goal.volume_ml,
        tare_g=0.0,
        top_ups=0,
        in_flight_s=0.2,
        open_s=0.0,
        closed_for_s=0.0,
        force_n=38.0,
        torque_nm=1.2,
        label_text=goal.label_text,
        label_prints=1,
        step='placed',
        station=goal.station,
        moves=5,
        path_length_m=5.0,
        planned_samples=500,
        planned_gap_m=0.02,
        planned_breaches=0,
        measured_samples=300,
        measured_gap_m=0.02,
        measured_breaches=0,
    )
    return replace(good, **changes)  # type: ignore[arg-type]


class TakenUp(NamedTuple):
    """A goal that a process before may have sent, as it was asked again."""

    operation_id: str
    journal: str
    lost: bool
    cancelled: bool


class FakeCell:
    """Every operation ends at once, unless its type is in `slow`."""

    def __init__(self, recipe: Recipe, patient: Patient = PATIENT) -> None:
        self.time_s = STARTS_S
        self.volumes = {
            f'{patient.chain_of_identity}.{item.name}': item.volume_ml
            for item in recipe.kit(patient)
        }
        self.standing = {
            role: [
                f'{patient.chain_of_identity}.{item.name}'
                for item in recipe.kit(patient)
                if item.location.partition('/')[0] == role
            ]
            for role in Role
        }
        self.relabelled: dict[str, str] = {}
        """What labels say that are not as they should be."""
        self.bays: dict[str, str] = {}
        self.per_ml = 1.0e7
        self.washed_per_ml = 0.0
        self.viability = 95.0
        self.car_pct = 35.0
        self.glucose_mm = 8.0
        self.label: str | None = None
        self.scripts: list[Script] = []
        self.slow: set[type[Operation]] = set()
        self.goals: list[Operation] = []
        self.roles: dict[str, Role] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.cancelled: list[str] = []
        self.taken_up: list[TakenUp] = []
        self.away: tuple[LostContact, ...] = ()
        self.stopped: list[str] = []
        self.asked: list[str] = []
        self.cleared = 0
        self.woken = 0
        self.analysis: Callable[[ops.AcquireImages], Outcome] | None = None
        self._images: dict[str, ops.AcquireImages] = {}

    def now_s(self) -> float:
        return self.time_s

    def start(self, role: Role, goal: Operation, *, on_send: OnSend = untold) -> None:
        assert goal.operation_id not in self.roles, f'{goal.operation_id} was sent twice'
        on_send('a journal')
        self.goals.append(goal)
        self.roles[goal.operation_id] = role
        if type(goal) not in self.slow:
            self.finish(goal)

    def finish(self, goal: Operation) -> None:
        self.outcomes[goal.operation_id] = self._perform(goal)

    def end(self, operation_id: str, code: ErrorCode) -> None:
        self.outcomes[operation_id] = failed(code)

    def take_up(
        self, role: Role, goal: Operation, *, journal: str, lost: bool, cancelled: bool
    ) -> None:
        self.asked.append('take_up')
        self.taken_up.append(TakenUp(goal.operation_id, journal, lost, cancelled))
        if cancelled:
            self.end(goal.operation_id, ErrorCode.CANCELLED)
        elif goal.operation_id not in self.roles:
            self.start(role, goal)

    def outcome(self, operation_id: str) -> Outcome | None:
        return self.outcomes.get(operation_id)

    def lost(self) -> tuple[LostContact, ...]:
        return self.away

    def cancel(self, operation_id: str) -> None:
        self.cancelled.append(operation_id)

    def stop(self, reason: str) -> None:
        self.asked.append('stop')
        self.stopped.append(reason)

    def clear(self) -> None:
        self.cleared += 1

    def wait(self, timeout_s: float) -> None:
        raise AssertionError('a test ticks; it never waits')

    def wake(self) -> None:
        self.woken += 1

    def sent(self, kind: type[OperationT]) -> list[OperationT]:
        return [goal for goal in self.goals if isinstance(goal, kind)]

    def _perform(self, goal: Operation) -> Outcome:
        for script in self.scripts:
            if script.operation is type(goal) and script.times > 0:
                if script.skip > 0:
                    script.skip -= 1
                    break
                script.times -= 1
                if script.moved and isinstance(goal, ops.Transfer):
                    self._move(goal.source, goal.target, script.moved)
                for name, volume in script.weights.items():
                    self.volumes[name] = volume
                result = script.result(goal) if callable(script.result) else script.result
                return failed(script.code, result=result)
        return replace(
            Outcome(error_code=ErrorCode.OK, error_msg='', result=None), **self._result(goal)
        )

    def _result(self, goal: Operation) -> dict[str, Any]:
        made = getattr(self, f'_{type(goal).__name__.lower()}', None)
        result = made(goal) if made else self._zeros(goal)
        return (
            {
                'error_code': result.error_code,
                'error_msg': result.error_msg,
                'result': result.result,
            }
            if isinstance(result, Outcome)
            else {'result': result}
        )

    def _zeros(self, goal: Operation) -> object:
        kind = ops.OPERATIONS[type(goal).__name__].result
        return kind(**{item.name: 0.0 for item in fields(kind)})

    def _move(self, source: str, target: str, volume: float) -> None:
        self.volumes[source] = self.volumes.get(source, 0.0) - volume
        self.volumes[target] = self.volumes.get(target, 0.0) + volume

    def _transfer(self, goal: ops.Transfer) -> object:
        self._move(goal.source, goal.target, goal.volume_ml)
        return ops.TransferResult(volume_ml=goal.volume_ml, peak_pressure_kpa=5.0)

    def _sample(self, goal: ops.Sample) -> object:
        self._move(goal.source, goal.target, goal.volume_ml)
        return ops.SampleResult(volume_ml=goal.volume_ml)

    def _weigh(self, goal: ops.Weigh) -> object:
        volume = self.volumes[goal.container]
        return ops.WeighResult(net_weight_g=volume, volume_ml=volume)

    def _readlabel(self, goal: ops.ReadLabel) -> object:
        text = self.label if self.label is not None else label_text(goal.batch_id, goal.container)
        return ops.ReadLabelResult(label_text=text)

    def _readlabels(self, goal: ops.ReadLabels) -> object:
        there = self.standing[self.roles[goal.operation_id]]
        texts = [self.relabelled.get(item, label_text(goal.batch_id, item)) for item in there]
        return ops.ReadLabelsResult(containers=list(there), label_texts=texts)

    def _selectcells(self, goal: ops.SelectCells) -> object:
        self.volumes[goal.source] = 0.0
        self.volumes[goal.target] = 40.0
        return ops.SelectCellsResult(volume_ml=40.0)

    def _washandconcentrate(self, goal: ops.WashAndConcentrate) -> object:
        self.volumes[goal.source] = 0.0
        self.volumes[goal.target] = goal.final_volume_ml
        self.per_ml = self.washed_per_ml or self.per_ml
        return ops.WashAndConcentrateResult(volume_ml=goal.final_volume_ml)

    def _exchangemedium(self, goal: ops.ExchangeMedium) -> object:
        self.glucose_mm = min(11.0, self.glucose_mm + 3.0)
        self.volumes[goal.medium] -= goal.volume_ml
        return ops.ExchangeMediumResult(withdrawn_ml=goal.volume_ml, added_ml=goal.volume_ml)

    def _incubate(self, goal: ops.Incubate) -> object:
        self.time_s += goal.duration_s
        return self._zeros(goal)

    def _measureprobes(self, goal: ops.MeasureProbes) -> object:
        return ops.MeasureProbesResult(
            glucose_mm=self.glucose_mm,
            lactate_mm=3.0,
            ph=7.2,
            dissolved_oxygen_pct=80.0,
            temperature_c=37.0,
            co2_pct=5.0,
        )

    def _acquireimages(self, goal: ops.AcquireImages) -> object:
        self._images[goal.operation_id] = goal
        return ops.AcquireImagesResult(image_set=goal.operation_id, focus_score=0.9)

    def _analyseimages(self, goal: ops.AnalyseImages) -> object:
        taken = self._images[goal.image_set]
        if self.analysis is not None:
            return self.analysis(taken)
        return self.counted(taken)

    def counted(self, taken: ops.AcquireImages, error_pct: float = 5.0) -> object:
        bright = taken.modality == 'bright_field'
        return ops.AnalyseImagesResult(
            cells_counted=400,
            viable_per_ml=self.per_ml if bright else NAN,
            viable_per_ml_se=self.per_ml * error_pct / 100.0 if bright else NAN,
            viability_pct=self.viability if bright else NAN,
            viability_pct_se=1.0,
            diameter_um=9.0 if bright else NAN,
            car_positive_pct=NAN if bright else self.car_pct,
            car_positive_pct_se=2.0,
        )

    def _fillvial(self, goal: ops.FillVial) -> object:
        self._move(goal.source, goal.vial, goal.volume_ml)
        return ops.FillVialResult(
            net_weight_g=goal.volume_ml,
            volume_ml=goal.volume_ml,
            tare_g=0.0,
            top_ups=0,
            in_flight_s=0.2,
        )

    def _processvial(self, goal: ops.ProcessVial) -> object:
        self._move(goal.source, goal.vial, goal.volume_ml)
        return processed(goal)

    def _countparticles(self, goal: ops.CountParticles) -> object:
        return ops.CountParticlesResult(
            particles_0_5_um_per_m3=60.0, particles_5_um_per_m3=0.0, alert=False
        )

    def _labelvial(self, goal: ops.LabelVial) -> object:
        return ops.LabelVialResult(label_text=goal.label_text)

    def _assaysample(self, goal: ops.AssaySample) -> object:
        value = {'cd3_positive_pct': 95.0, 'car_positive_pct': 35.0, 'potency': 80.0}
        return ops.AssaySampleResult(value=value.get(goal.test, 0.0), unit=ops.ASSAYS[goal.test])


@dataclass
class Rig:
    """A batch on a scripted cell."""

    recipe: Recipe
    cell: FakeCell
    sink: Sink
    engine: BatchEngine

    def tick(self, most: int = 3000) -> Rig:
        """Tick until the batch is over, asks, or nothing changes any more."""
        for _ in range(most):
            before = (len(self.cell.goals), len(self.sink.entries), self.engine.state)
            self.engine.tick()
            if self.engine.over or self.engine.question is not None:
                break
            if before == (len(self.cell.goals), len(self.sink.entries), self.engine.state):
                break
        return self


def make_rig(
    folder: Path,
    phases: str,
    *,
    patient: Patient = PATIENT,
    starts_s: float = STARTS_S,
    shortage: Callable[[], str] = str,
    clock_set: Callable[[], str] = str,
) -> Rig:
    """Return a started batch of these phases."""
    recipe = make_recipe(folder, phases)
    cell, sink = FakeCell(recipe, patient), Sink()
    cell.time_s = starts_s
    engine = BatchEngine(
        recipe=recipe,
        patient=patient,
        cell=cell,
        record=sink,
        products=CONFIG / 'products',
        shortage=shortage,
        clock_set=clock_set,
    )
    engine.start()
    return Rig(recipe, cell, sink, engine)


def answered(rig: Rig, choice: str) -> Rig:
    """Answer the rig's question, and tick on."""
    assert rig.engine.question is not None
    rig.engine.answer(rig.engine.question.question_id, choice, 'ada', 'looked')
    return rig.tick()
