"""A recipe as a behaviour tree: procedure, unit procedures, operations, phases, steps."""

from __future__ import annotations

from dataclasses import dataclass

import py_trees
from py_trees.behaviour import Behaviour
from py_trees.composites import Sequence

from medicell_orchestrator.batch import Batch
from medicell_orchestrator.behaviours import Desk, PerformStep, RecordedPhase
from medicell_orchestrator.recipe import OperationSpec, PhaseSpec, Recipe, UnitProcedure
from medicell_orchestrator.run import PhaseRun


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSnapshot:
    """One node of the tree as it is published; `parent` is -1 for the root."""

    id: int
    parent: int
    name: str
    type: str
    """`procedure`, `unit_procedure`, `operation`, `phase` or `step`."""
    status: str
    """`invalid` (not yet), `running`, `success` or `failure`."""
    message: str


class TreeFactory:
    """Builds the tree of one batch; its methods read like the tree they make."""

    def __init__(self, batch: Batch, desk: Desk) -> None:
        self._batch = batch
        self._desk = desk

    def procedure(self, recipe: Recipe) -> Behaviour:
        """Return the whole tree."""
        return _in_order(recipe.name, [self._unit(unit) for unit in recipe.procedure])

    def _unit(self, unit: UnitProcedure) -> Behaviour:
        return _in_order(
            unit.name, [self._operation(unit, operation) for operation in unit.operations]
        )

    def _operation(self, unit: UnitProcedure, operation: OperationSpec) -> Behaviour:
        path = f'{unit.name}/{operation.name}'
        return _in_order(operation.name, [self._phase(path, spec) for spec in operation.phases])

    def _phase(self, path: str, spec: PhaseSpec) -> Behaviour:
        run = PhaseRun(self._batch, f'{path}/{spec.name}')
        steps = [PerformStep(step, run, self._desk) for step in spec.phase.steps()]
        return RecordedPhase(spec.name, _in_order(spec.name, steps), run, self._desk)


def _in_order(name: str, children: list[Behaviour] | list[PerformStep]) -> Sequence:
    """Return a sequence that remembers what is done and never ticks it again."""
    return Sequence(name=name, memory=True, children=list(children))


_LEVELS = ('procedure', 'unit_procedure', 'operation', 'phase', 'step')


def snapshot_of(root: Behaviour) -> list[NodeSnapshot]:
    """Return the nodes of a tree from the root down, parents before children."""
    found: list[NodeSnapshot] = []
    _collect(root, -1, 0, found)
    return found


def _collect(node: Behaviour, parent: int, level: int, found: list[NodeSnapshot]) -> None:
    number = len(found)
    found.append(
        NodeSnapshot(
            id=number,
            parent=parent,
            name=node.name,
            type=_LEVELS[level],
            status=node.status.value.lower(),
            message=node.feedback_message,
        )
    )
    children = node.children
    if isinstance(node, RecordedPhase):
        children = node.decorated.children
    for child in children:
        _collect(child, number, level + 1, found)


def running_phase(root: Behaviour) -> RecordedPhase | None:
    """Return the phase that is under way."""
    tip = root.tip()
    while tip is not None and not isinstance(tip, RecordedPhase):
        tip = tip.parent
    return tip if tip is not None and tip.status is py_trees.common.Status.RUNNING else None
