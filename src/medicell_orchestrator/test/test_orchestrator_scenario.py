"""Faults of a rehearsal are refused where they cannot strike."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import CONFIG

from medicell_core.errors import ErrorCode, InputError
from medicell_orchestrator.recipe import Recipe, load_recipe
from medicell_orchestrator.scenario import FaultAt, check_faults, phases_for
from medicell_sim.faults import FAULTS

RECIPES = sorted((CONFIG / 'recipes').glob('*.yaml'))


@pytest.fixture(scope='module')
def recipe() -> Recipe:
    return load_recipe(CONFIG / 'recipes' / 'car_t_12_day.yaml')


@pytest.mark.parametrize(
    ('fault', 'phase', 'code', 'said'),
    [
        ('leek', 'seed', ErrorCode.UNKNOWN_FAULT, 'did you mean "leak"?'),
        ('leak', 'sead', ErrorCode.UNKNOWN_PHASE, 'did you mean "seed"?'),
        ('dropped_vial', 'seed', ErrorCode.UNKNOWN_PHASE, 'phases with such an operation: fill'),
        ('leak', 'rest', ErrorCode.UNKNOWN_PHASE, 'leak cannot strike in rest'),
    ],
)
def test_fault_that_cannot_strike_is_refused(
    recipe: Recipe, fault: str, phase: str, code: ErrorCode, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_faults(recipe, [FaultAt(fault=fault, phase=phase)])
    assert caught.value.code is code
    assert said in caught.value.message


@pytest.mark.parametrize('phase', ['seed', 'seeding', 'activation', 'activation/seeding/seed'])
def test_fault_is_taken_at_a_phase_by_its_name_path_and_parents(
    recipe: Recipe, phase: str
) -> None:
    check_faults(recipe, [FaultAt(fault='leak', phase=phase)])


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_every_fault_can_strike_in_every_recipe(path: Path) -> None:
    recipe = load_recipe(path)
    assert [fault for fault in FAULTS if not phases_for(recipe, fault)] == []
