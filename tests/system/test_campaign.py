"""A sample of the fault campaign: batches in processes of their own, judged by their truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from needs import NETWORK_NAMESPACES
from needs import lacking as unavailable

from medicell_bringup.bench.killing import Person
from medicell_bringup.campaign import making
from medicell_bringup.campaign.judging import Finding, Verdict
from medicell_bringup.campaign.library import CARRIERS, LIBRARY, Area, phases_of
from medicell_bringup.campaign.making import (
    EVIDENCE,
    HUNG,
    LOG,
    Case,
    Setting,
    find,
    undisturbed,
)
from medicell_bringup.campaign.matrix import Matrix, lacking, plan
from medicell_bringup.campaign.nodes import NetworkCut
from medicell_bringup.commands.faults import FaultsOptions, FaultsOutput, again, faults
from medicell_core.entries import Deviation
from medicell_core.errors import ErrorCode, InputError
from medicell_core.serialise import from_json
from medicell_orchestrator.recipe import load_recipe
from medicell_orchestrator.remedies import WEIGH_AGAIN
from system.bench import CONFIG, DATA, PATIENT, SHORT, entries_of

SETTING = Setting(recipe=str(SHORT), patient=PATIENT, seed=1, config=CONFIG)
TRANSFERS = replace(SETTING, recipe=str(DATA / 'transfers.yaml'), speed='600')
"""Slow enough that a transfer of half an hour still runs when it is struck."""
SEED = 'culture/seeding/seed'


@pytest.fixture(scope='module')
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('undisturbed')
    assert undisturbed(SETTING, folder).outcome == 'ready_for_release'
    return folder / EVIDENCE


def found(baseline: Path, folder: Path, fault: str, phase: str = SEED) -> Finding:
    folder = folder / 'batch'
    folder.mkdir()
    return find(SETTING, Case(fault=fault, phase=phase), folder, baseline)


def test_library_has_faults_of_every_area_and_each_can_happen() -> None:
    recipe = load_recipe(SHORT)
    assert {item.area for item in LIBRARY.values()} == set(Area)
    assert len(LIBRARY) >= 25
    assert [name for name in LIBRARY if not phases_of(recipe, LIBRARY[name])] == []
    assert set(CARRIERS) <= set(LIBRARY)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('fault', 'verdict'),
    [
        ('occlusion', Verdict.RECOVERED),
        ('process_killed', (Verdict.RECOVERED, Verdict.SAVED)),
        ('record_not_written', Verdict.RECOVERED),
        ('contact_lost', Verdict.RECOVERED),
        ('wrong_answer', Verdict.SAVED),
        ('answered_twice', Verdict.SAVED),
        ('hold_and_resume', Verdict.RECOVERED),
        ('contamination', Verdict.LOST),
    ],
)
def test_fault_is_made_and_judged(
    baseline: Path, tmp_path: Path, fault: str, verdict: Verdict | tuple[Verdict, ...]
) -> None:
    finding = found(baseline, tmp_path, fault)
    assert finding.verdict in (verdict if isinstance(verdict, tuple) else (verdict,)), finding


@pytest.mark.slow
@pytest.mark.parametrize(
    ('fault', 'limits'), [('cell_death', ('Viability', 'Dose')), ('contamination', ('Sterility',))]
)
def test_what_befalls_the_product_while_it_is_filled_is_found_in_the_vial_filled_last(
    baseline: Path, tmp_path: Path, fault: str, limits: tuple[str, ...]
) -> None:
    finding = found(baseline, tmp_path, fault, 'finish/filling/fill')
    assert finding.verdict is Verdict.LOST, finding
    assert all(limit in finding.reasons[0] for limit in limits), finding


@pytest.mark.slow
@pytest.mark.parametrize(
    ('fault', 'first'),
    [
        # One that is back before its silence is noticed says itself what it was at.
        ('node_killed', (ErrorCode.COMMUNICATION_LOST, ErrorCode.OUTCOME_UNKNOWN)),
        ('node_hung', (ErrorCode.COMMUNICATION_LOST,)),
        ('network_cut', (ErrorCode.COMMUNICATION_LOST,)),
    ],
)
def test_node_that_is_lost_as_it_works_is_waited_for_and_told(
    baseline: Path, tmp_path: Path, fault: str, first: tuple[ErrorCode, ...]
) -> None:
    if why := lacking().get(fault):
        unavailable(NETWORK_NAMESPACES, why)
    folder = tmp_path / 'batch'
    folder.mkdir()
    case = Case(fault=fault, phase='starting_material/pooling/fill')
    finding = find(TRANSFERS, case, folder, baseline)
    # The recipe makes no product.
    assert finding.outcome == 'failed_limits', finding
    assert finding.verdict is Verdict.LOST, finding
    told = [item.entry for item in entries_of(folder) if isinstance(item.entry, Deviation)]
    assert told[0].error_code in first


def test_fault_that_this_machine_cannot_make_is_refused_by_name_and_else_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(NetworkCut, 'lacking', staticmethod(lambda: 'no right'))
    recipe = load_recipe(SHORT)
    assert 'network_cut' not in {case.fault for case in plan(recipe, [], ['seed'])}
    with pytest.raises(InputError, match='network_cut cannot be tried here: no right'):
        plan(recipe, ['network_cut'], [])


def test_batch_of_which_nothing_new_comes_hangs(
    baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, '_in_process', lambda *_: HUNG)
    (tmp_path / LOG).write_text('nothing new of batch B for 900 s')
    finding = find(SETTING, Case(fault='node_hung', phase=SEED), tmp_path, baseline)
    assert finding.verdict is Verdict.HANG
    assert finding.reasons == ('nothing new of batch B for 900 s',)


def test_person_takes_as_done_what_weights_do_not_tell_twice_and_no_more() -> None:
    person = Person([])
    text = f'Wash failed. Answer retry to {WEIGH_AGAIN}'
    offered = ['retry', 'done', 'abort']
    assert person.choose(text, offered, loaded=False) == 'retry'
    assert person.choose(text, offered, loaded=False) == 'done'
    assert person.choose('LoadBay failed', offered, loaded=False) == 'retry'
    assert person.choose('LoadBay failed', offered, loaded=False) == 'retry'
    assert person.choose('LoadBay failed', offered, loaded=True) == 'done'


def test_abort_and_nobody_who_answers_end_the_batch(baseline: Path, tmp_path: Path) -> None:
    (tmp_path / 'other').mkdir()
    assert found(baseline, tmp_path / 'other', 'abort').verdict is Verdict.LOST
    finding = found(baseline, tmp_path, 'no_answer')
    assert finding.verdict is Verdict.HELD
    assert finding.asked == ('VALVE_CLOSED',)


def test_process_that_does_not_end_hangs(
    baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, 'HANGS_S', 0.05)
    assert found(baseline, tmp_path, 'occlusion').verdict is Verdict.HANG


def test_process_that_fails_is_a_crash_with_its_last_word(tmp_path: Path) -> None:
    finding = found(tmp_path / 'no-evidence', tmp_path, 'abort')
    assert finding.verdict is Verdict.CRASH
    assert 'FileNotFoundError' in finding.reasons[0]


@pytest.mark.parametrize(
    ('faults', 'phases', 'code', 'said'),
    [
        (['leek'], [], ErrorCode.UNKNOWN_FAULT, 'leak'),
        ([], ['sead'], ErrorCode.UNKNOWN_PHASE, 'seed'),
        (['lamp_dim'], ['seed'], ErrorCode.INVALID_GOAL, 'none of lamp_dim'),
    ],
)
def test_what_is_not_there_is_refused(
    faults: list[str], phases: list[str], code: ErrorCode, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        plan(load_recipe(SHORT), faults, phases)
    assert caught.value.code is code


def test_command_shows_writes_and_draws_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('COLUMNS', '200')
    output = FaultsOutput(
        json_file=tmp_path / 'matrix.json',
        picture=tmp_path / 'matrix.png',
        page=tmp_path / 'matrix.md',
    )
    options = FaultsOptions(setting=SETTING, faults=['abort'], phases=['seed', 'identify'], jobs=2)
    assert faults(options, output) == 0
    matrix = from_json(Matrix, json.loads((tmp_path / 'matrix.json').read_text('utf-8')))
    assert [cell.finding.verdict for cell in matrix.cells] == [Verdict.LOST] * 2
    said = capsys.readouterr().out
    assert f'short, seed 1: 1 of {len(LIBRARY)} faults in 2 batches' in said
    assert 'phases: 1 identify, 2 seed' in said
    assert (tmp_path / 'matrix.png').read_bytes().startswith(b'\x89PNG')
    assert '| `abort` | L | L |' in (tmp_path / 'matrix.md').read_text('utf-8')
    with pytest.raises(InputError, match='is there already'):
        faults(options, output)
    bad = replace_verdict(tmp_path / 'matrix.json')
    assert again(bad, FaultsOutput(json_file=None, picture=None, page=tmp_path / 'x.md')) == 1
    assert 'harm: abort@' in capsys.readouterr().out
    assert '## Not yet' in (tmp_path / 'x.md').read_text('utf-8')


def replace_verdict(file: Path) -> Path:
    """Write a matrix whose first cell is harm."""
    text = file.read_text('utf-8')
    bad = file.with_name('bad.json')
    bad.write_text(text.replace('"verdict": "lost"', '"verdict": "harm"', 1), encoding='utf-8')
    return bad
