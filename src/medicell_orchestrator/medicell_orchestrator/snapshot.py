"""What a person sees of a batch at a moment."""

from __future__ import annotations

import math
from dataclasses import dataclass

from py_trees.behaviour import Behaviour
from py_trees.common import Status

from medicell_core.entries import Question
from medicell_core.states import PackMLState
from medicell_orchestrator.batch import DAY_S, Batch
from medicell_orchestrator.behaviours import steps_below


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSnapshot:
    """What a person sees of the batch. NaN means not known yet."""

    batch_id: str
    recipe: str
    state: PackMLState
    phase: str
    step: str
    culture_day: float
    viable_cells: float
    glucose_mm: float
    progress: float
    """Fraction of the procedure that is done, 0 to 1."""
    time_left_s: float
    question: Question | None
    alarm: str
    """Why it is Suspended; empty while every device that is waited for can be reached."""
    outcome: str


def step_of(root: Behaviour) -> str:
    """Return the step that is under way with what it does, or an empty text."""
    for leaf in steps_below(root):
        if leaf.status is Status.RUNNING:
            return f'{leaf.name}: {leaf.feedback_message}'
    return ''


def time_left_s(batch: Batch) -> float:
    """Estimate the time left by the last culture day of the recipe; filling comes on top.

    NaN after that day: how long harvest and filling take is not known.
    """
    days = [spec.phase.until_culture_day() for _, spec in batch.recipe.phases()]
    last_day = max((day for day in days if day is not None), default=0.0)
    begin = batch.culture_start_s
    elapsed = 0.0 if begin is None else batch.cell.now_s() - begin
    left = last_day * DAY_S - elapsed
    return left if left > 0.0 else math.nan
