"""Whole batches on simulated devices in one process: outcome, determinism, faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import CONFIG, recipe_text

from medicell_core.entries import Command, Deviation, Entry
from medicell_core.errors import ErrorCode, InputError
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import find_recipe, load_recipe
from medicell_orchestrator.simulate import FaultAt, LocalResult, run_local_batch
from medicell_sim.parameters import load_parameters

SHORT = """\
- {phase: identify, type: identify, container: apheresis}
- {phase: select, type: select_cells, source: apheresis, target: selected, waste: waste,
   reagent: beads, reagent_volume: 2 mL, buffer: buffer, buffer_volume: 100 mL}
- {phase: load, type: load_bay, bay: bay_1, container: culture}
- {phase: warm, type: set_climate, bay: bay_1, temperature: 37 degC, co2: 5 %}
- {phase: feed, type: transfer, source: medium, target: culture, volume: 70 mL}
- {phase: rest, type: incubate, bay: bay_1, duration: 12 h}
- {phase: look, type: measure_probes, bay: bay_1, container: culture}
"""


def batch(recipe_file: Path, *, seed: int = 1, faults: tuple[FaultAt, ...] = ()) -> LocalResult:
    return run_local_batch(
        load_recipe(recipe_file),
        load_patient(CONFIG / 'patients' / 'example.yaml'),
        seed=seed,
        config=load_cell(CONFIG / 'cell.yaml'),
        parameters=load_parameters(),
        products=CONFIG / 'products',
        faults=faults,
    )


def short_batch(folder: Path, *, seed: int = 1, fault: str = '') -> LocalResult:
    path = folder / 'short.yaml'
    path.write_text(recipe_text(SHORT), encoding='utf-8')
    name, _, phase = fault.partition('@')
    faults = (FaultAt(fault=name, phase=phase),) if fault else ()
    return batch(path, seed=seed, faults=faults)


def said(result: LocalResult) -> list[tuple[float, Entry]]:
    return [(item.at_s, item.entry) for item in result.entries]


def test_same_seed_gives_the_same_record(tmp_path: Path) -> None:
    first, second = short_batch(tmp_path), short_batch(tmp_path)
    assert said(first) == said(second)
    assert first.outcome == 'failed_limits', 'a product that was not tested is not released'
    assert first.balance.volume_error_pct < 0.1
    assert first.balance.cells_error_pct < 0.1


def test_other_seed_gives_another_record(tmp_path: Path) -> None:
    assert said(short_batch(tmp_path)) != said(short_batch(tmp_path, seed=2))


@pytest.mark.parametrize(
    ('fault', 'outcome'),
    [
        ('occlusion@feed', 'failed_limits'),
        ('bubble@feed', 'failed_limits'),
        ('empty_reagent@feed', 'failed_limits'),
        ('bay_temperature_drift@rest', 'failed_limits'),
        ('co2_loss@rest', 'failed_limits'),
        ('door_ajar@rest', 'failed_limits'),
        ('label_unreadable@identify', 'failed_limits'),
        ('probe_failure@look', 'failed_limits'),
        ('occlusion@select', 'failed_limits'),
        ('leak@feed', 'held'),
        ('kinked_line@feed', 'held'),
        ('clamp_closed@feed', 'held'),
        ('wrong_bag@identify', 'held'),
    ],
)
def test_fault_ends_recovered_or_held_and_is_never_silent(
    tmp_path: Path, fault: str, outcome: str
) -> None:
    result = short_batch(tmp_path, fault=fault)
    assert result.outcome == outcome, result.reason
    assert result.faults[0].struck
    deviations = [item.entry for item in result.entries if isinstance(item.entry, Deviation)]
    assert all(item.recovered == (outcome != 'held') for item in deviations)
    assert deviations
    assert bool(result.questions) == (outcome == 'held')


def test_fault_at_a_phase_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no phase "nowhere"') as caught:
        short_batch(tmp_path, fault='leak@nowhere')
    assert caught.value.code is ErrorCode.UNKNOWN_PHASE


@pytest.mark.slow
@pytest.mark.parametrize('name', ['car_t_12_day', 'car_t_7_day_perfusion', 'car_t_3_day'])
def test_shipped_recipe_makes_a_product_within_its_limits(name: str) -> None:
    file = find_recipe(name, CONFIG / 'recipes')
    result = batch(file)
    assert result.outcome == 'ready_for_release', result.reason
    assert not result.questions
    assert result.figures['operations'] <= 400
    assert result.figures['car_positive_cells'] == pytest.approx(1e8, rel=0.1)
    assert result.balance.volume_error_pct < 0.1
    assert result.balance.cells_error_pct < 0.1
    said = {
        phase: {operation.__name__ for operation in spec.phase.sends()}
        for phase, spec in load_recipe(file).phases()
    }
    commands = [item.entry for item in result.entries if isinstance(item.entry, Command)]
    sent = {
        (item.operation_id.partition('/')[2].rpartition('#')[0], item.operation)
        for item in commands
    }
    assert [(phase, name) for phase, name in sorted(sent) if name not in said[phase]] == []
