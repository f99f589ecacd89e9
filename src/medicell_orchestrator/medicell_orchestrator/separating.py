"""A separation that failed, brought to its end by weights."""

from __future__ import annotations

import math

from medicell_core.operations import (
    Outcome,
    SelectCells,
    SelectCellsResult,
    WashAndConcentrateResult,
)
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.remedies import (
    LEAST_REST_ML,
    UNTOUCHED_ML,
    WEIGH_AGAIN,
    Attempt,
    ask_what_moved,
    done_with,
    record_lost,
    repeat,
    tolerance_of,
    volume_in,
)
from medicell_orchestrator.run import PhaseRun

EMPTIED_ML = 2.0
"""What a separation leaves in its source at most (R)."""


def finish_separation(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """Repeat a separation that moved nothing; take one that drained its source as done.

    Of a selection that was cut short what is left in its source is selected, once a person has
    seen the weights and they have stayed.
    """
    source, target = attempt.parameters['source'], attempt.parameters['target']
    if isinstance(attempt.outcome.result, SelectCellsResult):
        attempt.told_ml += attempt.outcome.result.volume_ml
    shown_ml = math.nan
    while True:
        left = yield from volume_in(run, source)
        if abs(left - attempt.before_ml) < UNTOUCHED_ML and not _may_be_done(attempt, left):
            run.decide(
                'has the separation begun',
                'no',
                f'{source} weighs what it did: it is repeated',
                before_ml=attempt.before_ml,
                now_ml=left,
            )
            return (yield from repeat(run, attempt))
        got = left if source == target else (yield from volume_in(run, target))
        figures = f'{source} held {attempt.before_ml:.2f} mL and holds {left:.2f} mL,'
        figures += f' {target} holds {got:.2f} mL'
        if _separated(attempt, left, got):
            run.decide('is the separation done', 'yes', figures)
            return _separation_done(run, attempt, got)
        rest = _rest_of_selection(attempt, left)
        if rest and abs(left - shown_ml) < UNTOUCHED_ML:
            run.decide('is the rest to be selected', 'yes', figures, **rest)
            return (yield from _select_rest(run, attempt, got, rest))
        shown_ml = left
        retry = f'select from the {left:.2f} mL that are left' if rest else WEIGH_AGAIN
        if (yield from ask_what_moved(run, attempt, figures, retry=retry)):
            return _separation_done(run, attempt, got)


def _rest_of_selection(attempt: Attempt, left_ml: float) -> dict[str, float]:
    """Return the liquids that are due to what a selection has left; empty where it cannot go on.

    Beads and buffer pass with the cells, so that of each the same share is left.
    """
    if attempt.goal_type is not SelectCells or left_ml >= attempt.before_ml:
        return {}
    due = {
        key: attempt.parameters[key] * left_ml / attempt.before_ml
        for key in ('reagent_volume_ml', 'buffer_volume_ml')
    }
    return due if min(due.values()) >= LEAST_REST_ML else {}


def _select_rest(
    run: PhaseRun, attempt: Attempt, got_ml: float, due: dict[str, float]
) -> Steps[Outcome]:
    """Select from what is left, with the liquids that are `due` to it."""
    record_lost(run, attempt, got_ml)
    outcome = yield from repeat(run, attempt, **due)
    if outcome.ok and isinstance(outcome.result, SelectCellsResult):
        return done_with(SelectCellsResult(volume_ml=got_ml + outcome.result.volume_ml))
    return outcome


def _separation_done(run: PhaseRun, attempt: Attempt, got_ml: float) -> Outcome:
    """Record where the cells are now, and return that they have been separated."""
    if attempt.parameters['source'] != attempt.parameters['target']:
        record_lost(run, attempt, got_ml)
    separated = SelectCellsResult if attempt.goal_type is SelectCells else WashAndConcentrateResult
    return done_with(separated(volume_ml=got_ml))


def _may_be_done(attempt: Attempt, left_ml: float) -> bool:
    """Return whether a source that weighs what it did may be a washed one nevertheless."""
    same = attempt.parameters['source'] == attempt.parameters['target']
    final = attempt.parameters.get('final_volume_ml')
    return same and final is not None and abs(left_ml - final) <= tolerance_of(final)


def _separated(attempt: Attempt, left_ml: float, got_ml: float) -> bool:
    final = attempt.parameters.get('final_volume_ml')
    if final is not None and abs(got_ml - final) > tolerance_of(final):
        return False
    if attempt.parameters['source'] == attempt.parameters['target']:
        return abs(left_ml - attempt.before_ml) > 2.0 * UNTOUCHED_ML
    return left_ml <= EMPTIED_ML and got_ml > UNTOUCHED_ML
