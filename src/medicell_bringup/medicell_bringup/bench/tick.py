"""Group `tick`: what a turn of the batches' trees costs, against bare py_trees of their shape."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import py_trees
from py_trees.behaviour import Behaviour

from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say, Series
from medicell_bringup.shipped import cell_file_of
from medicell_core.cell import LostContact, OnSend, untold
from medicell_core.containers import Patient
from medicell_core.operations import Operation, Outcome, Role
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import Recipe, find_recipe, load_recipe
from medicell_orchestrator.simulate import ListRecord

TREES = (1, 4, 16, 64)
"""How many batches' trees are ticked in turn."""

ROUNDS = 200
"""Turns of all trees of which the median is one value; the kinds take turns."""

US_PER_S = 1e6
EPOCH_S = 1_700_000_000.0
ENGINE, TOLD, BARE = 'engine', 'engine and what it tells', 'bare py_trees'


class WaitingCell:
    """A :class:`medicell_core.cell.Cell` whose operations never end: a tick finds nothing new."""

    def now_s(self) -> float:
        """Return a time that stands."""
        return EPOCH_S

    def start(self, role: Role, goal: Operation, *, on_send: OnSend = untold) -> None:
        """Take a goal and leave it running."""

    def take_up(
        self, role: Role, goal: Operation, *, journal: str, lost: bool, cancelled: bool
    ) -> None:
        """Leave it running."""

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return None: everything runs."""
        return None

    def lost(self) -> tuple[LostContact, ...]:
        """Return nothing: every device is in contact."""
        return ()

    def cancel(self, operation_id: str) -> None:
        """Leave it running."""

    def stop(self, reason: str) -> None:
        """Leave everything running."""

    def clear(self) -> None:
        """Find nothing to clear."""

    def wait(self, timeout_s: float) -> None:
        """Return at once."""

    def wake(self) -> None:
        """Wake nobody."""


def measure(options: BenchOptions, say: Say) -> Found:
    """Tick waiting trees of the recipe: by the engine, with what it publishes, and bare."""
    folder = cell_file_of(options.config).parent
    recipe = load_recipe(find_recipe(options.recipe, folder / 'recipes'))
    patient = load_patient(folder / 'patients' / 'example.yaml', recipe=recipe)
    make = partial(_engine, recipe, patient, options)
    shape = make(told=False).root
    measures: list[Measure] = []
    lines: dict[str, list[float]] = {ENGINE: [], TOLD: [], BARE: []}
    for trees in TREES:
        say(f'{trees} trees')
        turns = {
            ENGINE: _turn([make(told=False).tick for _ in range(trees)]),
            TOLD: _turn([make(told=True).tick for _ in range(trees)]),
            BARE: _turn([_bare(shape) for _ in range(trees)]),
        }
        values = _times(turns, options.runs)
        case = '1 tree' if trees == 1 else f'{trees} trees'
        for kind, found in values.items():
            measures.append(
                Measure(name=f'turn: {kind}', case=case, unit='us', values=tuple(found))
            )
            lines[kind].append(statistics.median(found))
        measures.append(
            Measure(
                name='engine over bare',
                case=case,
                unit='times',
                values=tuple(
                    ours / bare for ours, bare in zip(values[ENGINE], values[BARE], strict=True)
                ),
            )
        )
    nodes = float(sum(1 for _ in shape.iterate()))
    measures.append(
        Measure(name='nodes of a tree', case=options.recipe, unit='', values=(nodes,), digits=0)
    )
    x = tuple(float(trees) for trees in TREES)
    return Found(
        measures=tuple(measures),
        series=tuple(Series(label=kind, x=x, y=tuple(y)) for kind, y in lines.items()),
    )


def bare_tree(node: Behaviour) -> Behaviour:
    """Return a tree of the same shape of plain py_trees, whose leaves only run.

    Composites remember what is done, as those of a recipe do.
    """
    if isinstance(node, py_trees.decorators.Decorator):
        return py_trees.decorators.PassThrough(node.name, bare_tree(node.decorated))
    if node.children:
        children = [bare_tree(child) for child in node.children]
        return py_trees.composites.Sequence(node.name, memory=True, children=children)
    return py_trees.behaviours.Running(node.name)


def _engine(recipe: Recipe, patient: Patient, options: BenchOptions, *, told: bool) -> BatchEngine:
    """Return an engine whose batch waits for its first operation; `told`, it tells each tick."""
    engines: list[BatchEngine] = []

    def tell() -> None:
        engines[0].tree()
        engines[0].snapshot()

    engine = BatchEngine(
        recipe=recipe,
        patient=patient,
        cell=WaitingCell(),
        record=ListRecord(),
        products=cell_file_of(options.config).parent / 'products',
        seed=options.seed,
        on_change=tell if told else None,
    )
    engines.append(engine)
    engine.start()
    engine.tick()
    return engine


def _bare(root: Behaviour) -> Callable[[], None]:
    tree = bare_tree(root)
    tree.tick_once()
    return tree.tick_once


def _turn(ticks: Sequence[Callable[[], object]]) -> Callable[[], float]:
    """Return what ticks all trees once and says how many microseconds of CPU that took."""

    def turn() -> float:
        begun_s = time.thread_time()
        for tick in ticks:
            tick()
        return (time.thread_time() - begun_s) * US_PER_S

    return turn


def _times(turns: dict[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """Return a median for each kind and run; the kinds take turns, so that load hits all."""
    found: dict[str, list[float]] = {kind: [] for kind in turns}
    for _ in range(runs):
        taken: dict[str, list[float]] = {kind: [] for kind in turns}
        for _ in range(ROUNDS):
            for kind, turn in turns.items():
                taken[kind].append(turn())
        for kind, values in taken.items():
            found[kind].append(statistics.median(values))
    return found
