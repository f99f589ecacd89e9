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
from medicell_orchestrator.engine.course import Course


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


def snapshot_of_batch(
    batch: Batch, root: Behaviour, course: Course, *, question: Question | None, alarm: str
) -> BatchSnapshot:
    """Return what a person sees of a batch now, whose tree's root is `root`."""
    count, glucose = batch.measured.get('viable_cells'), batch.measured.get('glucose_mm')
    return BatchSnapshot(
        batch_id=batch.batch_id,
        recipe=batch.recipe.name,
        state=course.state,
        phase=course.phase,
        step=step_of(root),
        culture_day=batch.culture_day(batch.cell.now_s()),
        viable_cells=math.nan if count is None else count.value,
        glucose_mm=math.nan if glucose is None else glucose.value,
        progress=course.progress,
        time_left_s=0.0 if course.over else time_left_s(batch),
        question=question,
        alarm=alarm,
        outcome=course.outcome,
    )


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
