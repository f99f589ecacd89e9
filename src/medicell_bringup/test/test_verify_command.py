"""`medicell verify` finds a cut-off end by the head that the summary wrote down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medicell_bringup.commands.verify import verify_record
from medicell_core.entries import PhaseStarted
from medicell_record.record import BatchRecord

SOUND, UNREADABLE, BROKEN = 0, 2, 3


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    with BatchRecord.create(tmp_path / 'record.sqlite') as record:
        for number in range(3):
            record.append(PhaseStarted(phase=f'a/b/{number}'), at_s=float(number), actor='me')
        head = record.head_hash
    (tmp_path / 'summary.json').write_text(json.dumps({'record_head': head}), encoding='utf-8')
    return tmp_path


def test_a_whole_record_is_sound(run_folder: Path) -> None:
    assert verify_record(str(run_folder), head=None) == SOUND


def test_another_head_in_the_summary_breaks_it(run_folder: Path) -> None:
    (run_folder / 'summary.json').write_text('{"record_head": "00"}', encoding='utf-8')
    assert verify_record(str(run_folder / 'record.sqlite'), head=None) == BROKEN


def test_a_record_longer_than_its_summary_says_is_broken(run_folder: Path) -> None:
    with BatchRecord.open(run_folder / 'record.sqlite') as record:
        record.append(PhaseStarted(phase='a/b/more'), at_s=9.0, actor='me')
    assert verify_record(str(run_folder), head=None) == BROKEN


OF_AN_OPEN_BATCH = '{"outcome": "open", "record_head": "00"}'


@pytest.mark.parametrize('text', ['', '[]', '{"record_head": 5}', OF_AN_OPEN_BATCH])
def test_a_summary_that_says_nothing_is_passed_over(run_folder: Path, text: str) -> None:
    (run_folder / 'summary.json').write_text(text, encoding='utf-8')
    assert verify_record(str(run_folder), head=None) == SOUND


def test_no_record_is_unreadable(tmp_path: Path) -> None:
    assert verify_record(str(tmp_path), head=None) == UNREADABLE
