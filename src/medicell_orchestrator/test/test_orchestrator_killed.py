"""The whole process is killed at any write, devices and world with it, and taken up again."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from pathlib import Path

import pytest
from orchestrator_fakes import recipe_text
from orchestrator_lives import CELL, PATIENT, few_phases, lives, make
from test_orchestrator_local_batch import SHORT

from medicell_core.entries import (
    BatchClosed,
    Command,
    Completed,
    Deviation,
    Resumed,
)
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_orchestrator.recipe import load_recipe
from medicell_orchestrator.resuming.folder import WORLD_FILE
from medicell_orchestrator.resuming.opening import check_time, read_open_record
from medicell_orchestrator.resuming.tenure import Tenure
from medicell_record.place import RECORD_FILE, URL_FILE, create_record
from medicell_record.record import BatchRecord, RecordedEntry
from medicell_record.verify import verify
from medicell_sim.history.reading import last_time_s
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World


def entries_of(folder: Path) -> list[RecordedEntry]:
    with BatchRecord.open(folder / RECORD_FILE, read_only=True) as record:
        return record.entries()


def check(folder: Path, processes: int) -> None:
    """Check that every operation was done once, in its turn, and that nothing is missing."""
    entries = entries_of(folder)
    assert verify(folder / RECORD_FILE).sound
    commands = [i.entry.operation_id for i in entries if isinstance(i.entry, Command)]
    ends = [i.entry.operation_id for i in entries if isinstance(i.entry, Completed)]
    assert len(set(commands)) == len(commands)
    assert sorted(ends) == sorted(commands)
    assert sum(isinstance(i.entry, Resumed) for i in entries) == processes - 1
    closed = entries[-1].entry
    assert isinstance(closed, BatchClosed)
    assert closed.outcome == 'failed_limits', 'a product that was not tested is not released'
    with_parameters = load_parameters()
    world = World(
        with_parameters,
        1,
        paused_until_idle=True,
        speed=1.0,
        bays=list(CELL.incubator.bays),
        history=folder / WORLD_FILE,
    )
    try:
        balance = world.balance()
        assert balance.volume_error_pct < 0.1
        assert balance.cells_error_pct < 0.1
        held_ml = world.truth(f'{PATIENT.chain_of_identity}.culture').volume_ml
        assert held_ml == pytest.approx(70.0, abs=2.0), 'the feed was not given once'
    finally:
        world.close()


@pytest.mark.parametrize('seed', [1, 2])
def test_process_that_is_killed_at_random_writes_makes_the_batch_once(
    tmp_path: Path, seed: int
) -> None:
    recipe, chance = few_phases(tmp_path), random.Random(seed)
    plan = [f'{chance.randint(8, 30)}{chance.choice(("", "+"))}' for _ in range(30)]
    codes = lives(tmp_path, recipe, *plan)
    assert codes[-1] == 0
    assert len(codes) > 3
    check(tmp_path, len(codes))


def test_gap_that_is_long_is_a_deviation_with_the_cells_that_stood_outside(
    tmp_path: Path,
) -> None:
    recipe = few_phases(tmp_path)
    assert lives(tmp_path, recipe, '58+', '-', gap_s=1800.0)[-1] == 0
    entries = [item.entry for item in entries_of(tmp_path)]
    (resumed,) = [entry for entry in entries if isinstance(entry, Resumed)]
    assert resumed.gap_s == pytest.approx(1800.0)
    assert 0.0 <= resumed.down_s < 60.0
    text = next(entry.description for entry in entries if isinstance(entry, Deviation))
    assert 'away for 1800 s' in text
    assert f'{PATIENT.chain_of_identity}.selected at fluid_handler' in text


def test_a_batch_that_has_ended_is_not_taken_up(tmp_path: Path) -> None:
    recipe = few_phases(tmp_path)
    make(tmp_path, recipe)
    with pytest.raises(MedicellError, match='has ended, failed_limits') as caught:
        make(tmp_path, recipe)
    assert caught.value.code is ErrorCode.RECORD_CLOSED


def test_a_second_process_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    recipe = few_phases(tmp_path)
    held = Tenure(tmp_path)
    held.beat(0.0)
    with pytest.raises(MedicellError, match=f'process {os.getpid()} on ') as caught:
        make(tmp_path, recipe)
    assert caught.value.code is ErrorCode.BATCH_RUNNING
    held.close()


def test_another_recipe_than_the_record_names_is_refused(tmp_path: Path) -> None:
    recipe = few_phases(tmp_path)
    assert lives(tmp_path, recipe, '58+') == [-signal.SIGKILL]
    changed = tmp_path / 'changed.yaml'
    changed.write_text(recipe_text(SHORT.replace('70 mL', '90 mL')), encoding='utf-8')
    before = len(entries_of(tmp_path))
    with pytest.raises(InputError, match=f'but the record names {recipe.sha256}'):
        make(tmp_path, load_recipe(changed))
    assert len(entries_of(tmp_path)) == before


def test_a_damaged_record_is_refused_with_its_entry(tmp_path: Path) -> None:
    recipe = few_phases(tmp_path)
    assert lives(tmp_path, recipe, '58+') == [-signal.SIGKILL]
    with sqlite3.connect(tmp_path / RECORD_FILE) as database:
        database.execute('DROP TRIGGER entry_never_changes')
        database.execute("UPDATE entry SET actor = 'somebody' WHERE sequence = 5")
    with pytest.raises(MedicellError, match='at entry 5') as caught:
        make(tmp_path, recipe)
    assert caught.value.code is ErrorCode.CHAIN_BROKEN


def test_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='holds no record'):
        read_open_record(tmp_path)


def test_a_record_in_a_database_that_is_not_up_is_not_called_broken(tmp_path: Path) -> None:
    (tmp_path / URL_FILE).write_text('postgresql://cell@127.0.0.1:1/records?batch=MC-1\n')
    with pytest.raises(InputError, match='connection failed') as caught:
        read_open_record(tmp_path)
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE


def test_world_that_is_before_the_record_has_lost_its_end(tmp_path: Path) -> None:
    recipe = few_phases(tmp_path)
    assert lives(tmp_path, recipe, '58+') == [-signal.SIGKILL]
    entries, world = entries_of(tmp_path), tmp_path / WORLD_FILE
    check_time(entries, last_time_s(world))
    lines = world.read_bytes().splitlines(keepends=True)
    world.write_bytes(b''.join(lines[: len(lines) // 2]))
    with pytest.raises(MedicellError, match='before the last entry of the record') as caught:
        check_time(entries, last_time_s(world))
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE


def test_a_record_without_entries_is_refused(tmp_path: Path) -> None:
    create_record(tmp_path, url='', batch_id='MC-1').close()
    with pytest.raises(MedicellError, match='there is no entry') as caught:
        read_open_record(tmp_path)
    assert caught.value.code is ErrorCode.CHAIN_BROKEN
