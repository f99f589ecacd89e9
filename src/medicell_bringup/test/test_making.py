"""What a run ends with: by its batch's outcome, and by what physics has shown of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from medicell_bringup.commands.run import EXIT_CODES, FAILED_LIMITS, NOT_MADE, READY
from medicell_bringup.making import NOT_MEASURED, finish_late, lacks_results, outcome_of
from medicell_bringup.results import NEVER_STRUCK, SUMMARY, RunEnd
from medicell_core.errors import MedicellError
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.durable import run_durable_batch
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import load_recipe
from medicell_orchestrator.resuming.folder import WORLD_FILE
from medicell_orchestrator.resuming.tenure import Tenure
from medicell_orchestrator.scenario import FaultAt
from medicell_record.motion import Motion, PhysicsFigures, Simulator
from medicell_sim.parameters import load_parameters

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / 'config'
STRUCK, MISSED = 'leak@feed: struck', f'leak@feed: {NEVER_STRUCK}'


def ended(outcome: str, *unintended: str, faults: Sequence[str] | None = (STRUCK,)) -> RunEnd:
    physics = PhysicsFigures(
        joints=(),
        placed=0,
        worst=None,
        worst_on_the_way=None,
        contacts={},
        unintended=unintended,
        air_samples=0,
        air_breaches=0,
        air_gap_m=0.0,
        air_first='',
        physics_s=1.0,
        real_time_factor=1.0,
    )
    motion = Motion(simulator=Simulator.GAZEBO, version='11.1', physics=physics)
    summary = {'outcome': outcome, 'faults': faults}
    return RunEnd(summary=summary, reason='', motion=motion)


@pytest.mark.parametrize(
    ('outcome', 'sound', 'failed'),
    [
        ('ready_for_release', READY, FAILED_LIMITS),
        ('failed_limits', FAILED_LIMITS, FAILED_LIMITS),
        ('held', NOT_MADE, NOT_MADE),
        ('aborted', NOT_MADE, NOT_MADE),
        ('open', NOT_MADE, NOT_MADE),
    ],
)
def test_failed_motion_counts_for_a_batch_that_was_made(
    outcome: str, sound: int, failed: int
) -> None:
    assert EXIT_CODES[outcome_of(ended(outcome))] == sound
    assert EXIT_CODES[outcome_of(ended(outcome, 'a touched b'))] == failed


@pytest.mark.parametrize(
    ('outcome', 'code'),
    [('ready_for_release', FAILED_LIMITS), ('failed_limits', FAILED_LIMITS), ('held', NOT_MADE)],
)
def test_fault_that_never_struck_or_nobody_knows_of_keeps_a_made_batch_from_counting(
    outcome: str, code: int
) -> None:
    assert EXIT_CODES[outcome_of(ended(outcome, faults=(STRUCK, MISSED)))] == code
    assert EXIT_CODES[outcome_of(ended(outcome, faults=None))] == code


def made(folder: Path, *faults: FaultAt) -> None:
    """Leave a batch that was made to its end, and none of the run's results."""
    run_durable_batch(
        folder,
        load_recipe(ROOT / 'tests' / 'system' / 'data' / 'transfers.yaml'),
        load_patient(CONFIG / 'patients' / 'example.yaml'),
        seed=1,
        config=load_cell(CONFIG / 'cell.yaml'),
        parameters=load_parameters(),
        products=CONFIG / 'products',
        faults=faults,
    )


@pytest.mark.parametrize('known', ['no fault', 'a fault', 'no world'])
def test_run_that_died_before_its_results_counts_only_where_nothing_was_left_to_measure(
    tmp_path: Path, known: str
) -> None:
    faults = (
        [FaultAt(fault='occlusion', phase='starting_material/pooling/fill')]
        if known == 'a fault'
        else []
    )
    made(tmp_path, *faults)
    if known == 'no world':
        (tmp_path / WORLD_FILE).unlink()
    told = StringIO()
    with closing(Tenure(tmp_path)), pytest.raises(MedicellError, match='makes this batch'):
        finish_late(tmp_path, console=Console(file=told))
    assert not (tmp_path / SUMMARY).exists()
    outcome = finish_late(tmp_path, console=Console(file=told))
    assert (outcome, EXIT_CODES[outcome]) == (
        'failed_limits' if known == 'no fault' else NOT_MEASURED,
        FAILED_LIMITS,
    )
    summary = json.loads((tmp_path / SUMMARY).read_text('utf-8'))
    assert summary['outcome'] == 'failed_limits'
    assert summary['faults'] == ([] if known == 'no fault' else None)
    assert ('not measured, since' in told.getvalue()) is (known != 'no fault')


def test_results_from_before_the_end_are_written_anew_and_keep_what_they_tell_of_faults(
    tmp_path: Path,
) -> None:
    made(tmp_path, FaultAt(fault='occlusion', phase='starting_material/pooling/fill'))
    assert lacks_results(tmp_path)
    finish_late(tmp_path, console=Console(file=StringIO()))
    summary = tmp_path / SUMMARY
    assert not lacks_results(tmp_path)
    told = {**json.loads(summary.read_text('utf-8')), 'outcome': 'open', 'faults': [STRUCK]}
    summary.write_text(json.dumps(told), 'utf-8')
    assert lacks_results(tmp_path)
    assert finish_late(tmp_path, console=Console(file=StringIO())) == 'failed_limits'
    assert not lacks_results(tmp_path)
    assert json.loads(summary.read_text('utf-8'))['faults'] == [STRUCK]
