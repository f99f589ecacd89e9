"""A separation that failed, brought to its end by weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

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
SEPARATED = (SelectCellsResult, WashAndConcentrateResult)


def finish_separation(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """Repeat a separation that moved nothing; take one that drained its source as done.

    Of one that was cut short what is left in its source is separated, once a person has seen
    the weights and they have stayed.
    """
    source, target = attempt.parameters['source'], attempt.parameters['target']
    verb = 'select from' if attempt.goal_type is SelectCells else 'wash'
    if isinstance(attempt.outcome.result, SEPARATED) and source != target:
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
        rest = _rest_of(attempt, left)
        if rest and abs(left - shown_ml) < UNTOUCHED_ML:
            run.decide(f'{verb} the rest', 'yes', figures, **rest)
            return (yield from _separate_rest(run, attempt, got, rest))
        shown_ml = left
        retry = f'{verb} the {left:.2f} mL that are left' if rest else WEIGH_AGAIN
        if (yield from ask_what_moved(run, attempt, figures, retry=retry)):
            return _separation_done(run, attempt, got)


def _rest_of(attempt: Attempt, left_ml: float) -> dict[str, float]:
    """Return the volumes that are due to what a separation has left; empty where it cannot go on.

    What is added passes with the cells, and they come out with it: of each the same share is
    left. Where the cells come back to their source, what is there is washed as a whole.
    """
    asked, before_ml = attempt.parameters, attempt.before_ml
    if left_ml >= before_ml:
        return {}
    if attempt.goal_type is SelectCells:
        due = _share_of(asked, ('reagent_volume_ml', 'buffer_volume_ml'), left_ml / before_ml)
    elif asked['source'] != asked['target']:
        due = _share_of(asked, ('buffer_volume_ml', 'final_volume_ml'), left_ml / before_ml)
    else:
        final_ml = asked['final_volume_ml']
        if before_ml <= final_ml:
            return {}
        share = (left_ml - final_ml) / (before_ml - final_ml)
        due = _share_of(asked, ('buffer_volume_ml',), share)
    return due if min(due.values()) >= LEAST_REST_ML else {}


def _share_of(asked: dict[str, Any], names: Sequence[str], share: float) -> dict[str, float]:
    return {name: asked[name] * share for name in names}


def _separate_rest(
    run: PhaseRun, attempt: Attempt, got_ml: float, due: dict[str, float]
) -> Steps[Outcome]:
    """Separate what is left, with the volumes that are `due` to it."""
    in_place = attempt.parameters['source'] == attempt.parameters['target']
    if not in_place:
        record_lost(run, attempt, got_ml)
    outcome = yield from repeat(run, attempt, **due)
    if outcome.ok and isinstance(outcome.result, SEPARATED) and not in_place:
        return done_with(replace(outcome.result, volume_ml=got_ml + outcome.result.volume_ml))
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
