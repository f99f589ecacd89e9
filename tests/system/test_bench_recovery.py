"""The bench `recovery`: a few kills of a short batch, what its audit finds, and its figures."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from medicell_bringup.bench.auditing import (
    CHECKS,
    OTHER_END,
    SKIPPED,
    TWICE,
    Audit,
    Ended,
    audit,
    ended,
)
from medicell_bringup.bench.killing import Instant, instants, made_batch
from medicell_bringup.bench.node_kills import NodeKill
from medicell_bringup.bench.pictures import draw
from medicell_bringup.bench.recovery import KilledBatch, figures
from medicell_bringup.bench.result import BenchOptions, Found, GroupResult, Report, this_machine
from medicell_core.entries import Resumed
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.resuming.folder import JOURNALS, WORLD_FILE
from system.bench import CONFIG, DATA, entries_of

OPTIONS = BenchOptions(recipe=str(DATA / 'transfers.yaml'), seed=1, runs=1, config=CONFIG)
BAYS = load_cell(CONFIG / 'cell.yaml').incubator.bays
SOUND = Audit(ended=Ended(outcome='held', phases=('a/b/c',)), why='', questions=1, problems=())


def checks(folder: Path, expected: Ended) -> set[str]:
    return {check for check, _ in audit(folder, BAYS, OPTIONS.seed, expected).problems}


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a batch that nobody interrupted."""
    folder = tmp_path_factory.mktemp('whole')
    assert made_batch(OPTIONS, folder).failure == ''
    return folder


def test_killed_batch_ends_as_the_one_that_nobody_interrupts(whole: Path, tmp_path: Path) -> None:
    folder, whole_bytes = tmp_path / 'killed', (whole / WORLD_FILE).stat().st_size
    folder.mkdir()
    plan = [Instant(share=0.3), Instant(share=1.0, after_s=0.1), Instant(share=0.7)]
    made = made_batch(OPTIONS, folder, plan, whole_bytes)
    assert made.failure == ''
    assert len(made.shares) == 3
    found = audit(folder, BAYS, OPTIONS.seed, ended(whole))
    assert found.problems == ()
    resumed = [item for item in entries_of(folder) if isinstance(item.entry, Resumed)]
    assert resumed


def test_process_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    folder = tmp_path / 'none'
    folder.mkdir()
    assert 'no_recipe' in made_batch(replace(OPTIONS, recipe='no_recipe'), folder).failure


def test_audit_finds_what_a_journal_does_not_know(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'lost'
    shutil.copytree(whole, folder)
    (folder / JOURNALS / 'fluid_handler.jsonl').unlink()
    assert checks(folder, ended(whole)) == {SKIPPED}


def test_audit_finds_what_was_begun_twice(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'twice'
    shutil.copytree(whole, folder)
    journal = folder / JOURNALS / 'fluid_handler.jsonl'
    lines = journal.read_text('utf-8').splitlines(keepends=True)
    begun = next(line for line in lines if 'started' in json.loads(line))
    journal.write_text(''.join([*lines, begun]), encoding='utf-8')
    assert checks(folder, ended(whole)) == {TWICE}


def test_audit_finds_another_end(whole: Path) -> None:
    other = Ended(outcome='ready_for_release', phases=ended(whole).phases)
    assert checks(whole, other) == {OTHER_END}


def test_instants_are_those_of_the_seed_and_all_over_the_batch() -> None:
    found = instants(random.Random(1), 400)
    assert found == instants(random.Random(1), 400)
    assert found == sorted(found, key=lambda item: item.share)
    assert 0.2 < found[100].share < 0.3
    early = [item for item in found if item.after_s <= 2.0]
    assert 60 < len(early) < 140


def kept(found: Found) -> bool:
    return all(item.met is not False for item in found.measures)


def test_limits_are_kept_only_where_nothing_is_wrong_and_all_is_soon_back() -> None:
    good = KilledBatch(shares=(0.1, 0.9), audit=SOUND)
    kills = [NodeKill(node='world', back_s=2.0, settled_s=3.0)]
    assert kept(figures([good], SOUND.ended, [4.0], kills))
    assert not kept(figures([good], SOUND.ended, [6.0], kills))
    late = [NodeKill(node='world', back_s=2.0, settled_s=6.0)]
    assert not kept(figures([good], SOUND.ended, [4.0], late))
    for check in CHECKS:
        wrong = Audit(
            ended=SOUND.ended, why='', questions=0, problems=((check, 'said; see /a/folder'),)
        )
        found = figures([good, KilledBatch(shares=(), audit=wrong)], SOUND.ended, [4.0], kills)
        assert not kept(found)
        assert f'{check}: said; see /a/folder' in {item.case for item in found.measures}


def test_picture_shows_kills_and_times(tmp_path: Path) -> None:
    found = figures(
        [KilledBatch(shares=(0.1, 0.9), audit=SOUND)],
        SOUND.ended,
        [4.0],
        [NodeKill(node='world', back_s=2.0, settled_s=3.0)],
    )
    report = Report(
        machine=this_machine(),
        recipe='transfers',
        seed=1,
        runs=1,
        groups=(GroupResult(name='recovery', found=found),),
    )
    assert draw(report, tmp_path)['recovery'].stat().st_size > 10_000
    assert sum(found.series[0].y) == 2.0
