"""What moved between containers, read from a finished operation."""

from __future__ import annotations

import math

from medicell_core.entries import Movement
from medicell_core.operations import (
    ExchangeMedium,
    ExchangeMediumResult,
    FillVial,
    FillVialResult,
    Operation,
    Outcome,
    ProcessVial,
    ProcessVialResult,
    Sample,
    SampleResult,
    SelectCells,
    SelectCellsResult,
    Transfer,
    TransferResult,
    WashAndConcentrate,
    WashAndConcentrateResult,
)

ONE_SOURCE = (Transfer, Sample, FillVial, SelectCells, WashAndConcentrate)
ONE_TARGET = (
    TransferResult,
    SampleResult,
    FillVialResult,
    SelectCellsResult,
    WashAndConcentrateResult,
)


def movements_of(goal: Operation, outcome: Outcome) -> list[Movement]:
    """Return the movements an outcome proves; none when nothing was measured."""
    moved = [
        Movement(operation_id=goal.operation_id, source=source, target=target, volume_ml=volume_ml)
        for source, target, volume_ml in _pairs(goal, outcome)
        if math.isfinite(volume_ml)
    ]
    return [item for item in moved if item.source != item.target]


def _pairs(goal: Operation, outcome: Outcome) -> list[tuple[str, str, float]]:
    result = outcome.result
    if isinstance(result, ONE_TARGET) and isinstance(goal, ONE_SOURCE):
        target = goal.vial if isinstance(goal, FillVial) else goal.target
        return [(goal.source, target, result.volume_ml)]
    if isinstance(goal, ProcessVial) and isinstance(result, ProcessVialResult):
        return [(goal.source, goal.vial, result.added_ml)] if result.added_ml else []
    if isinstance(goal, ExchangeMedium) and isinstance(result, ExchangeMediumResult):
        return [
            (f'{goal.batch_id}/{goal.bay}', goal.waste, result.withdrawn_ml),
            (goal.medium, f'{goal.batch_id}/{goal.bay}', result.added_ml),
        ]
    return []
