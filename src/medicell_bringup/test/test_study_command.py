"""A study tells of each batch why it was not released."""

from __future__ import annotations

from pathlib import Path

from medicell_bringup.commands.study import StudyOptions, run_trial
from medicell_bringup.shipped import shipped_config

FIRST = '          - {phase: identify_apheresis'
CHECK = '          - {phase: early, type: check, measurement: viability_pct, at_least: 60 %,'


def test_batch_that_a_limit_ends_before_its_release_has_a_cause(tmp_path: Path) -> None:
    shipped = (shipped_config() / 'recipes' / 'car_t_3_day.yaml').read_text('utf-8')
    assert shipped.count(FIRST) == 1
    recipe = tmp_path / 'early.yaml'
    checked = shipped.replace(FIRST, f'{CHECK} on_failure: stop}}\n{FIRST}')
    recipe.write_text(checked, encoding='utf-8')
    options = StudyOptions(
        seeds=1,
        first_seed=0,
        recipe=str(recipe),
        patient=None,
        out=None,
        config=shipped_config(),
    )
    trial = run_trial(options, 0)
    assert trial.outcome == 'failed_limits'
    (cause,) = trial.causes
    assert 'viability_pct has not been measured' in cause
