"""Who makes a batch says so, and until when; nothing of it can end a batch."""

from __future__ import annotations

import errno
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from medicell_core.errors import MedicellError
from medicell_orchestrator.resuming.tenure import BEAT_CELL_S, BEAT_S, FILE, LastSign, Tenure


class WallTime:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.time_s = 1000.0

    def now_s(self) -> float:
        return self.time_s

    def sleep(self, owner: str, duration_s: float) -> None:
        raise AssertionError('nobody sleeps')

    def wake(self, owner: str) -> None:
        raise AssertionError('nobody sleeps')


def test_sign_of_life_that_cannot_be_written_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wall = WallTime()
    tenure = Tenure(tmp_path, wall)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, 'no space left')

    with monkeypatch.context() as disk, caplog.at_level(logging.WARNING):
        disk.setattr(os, 'pwrite', full)
        tenure.beat(5.0)
    assert 'no space left' in caplog.text
    wall.time_s += BEAT_S
    tenure.beat(6.0)
    tenure.close()
    after = Tenure(tmp_path, wall)
    assert after.last is not None
    assert after.last.cell_s == 6.0
    after.close()


def test_end_of_a_process_is_settled_once_and_until_the_batch_goes_on(tmp_path: Path) -> None:
    wall = WallTime()
    first = Tenure(tmp_path, wall)
    first.beat(5.0)
    first.close()
    wall.time_s += 20.0
    for world_s in (7.0, 37.0):
        # It was refused after the world's time had gone on.
        refused = Tenure(tmp_path, wall)
        assert refused.settle(world_s) == 7.0
        absence = refused.absence(by='test')
        assert (absence.seen_s, absence.down_s) == (7.0, 20.0)
        refused.close()
    again = Tenure(tmp_path, wall)
    again.beat(40.0)
    again.close()
    later = Tenure(tmp_path, wall)
    assert later.settle(50.0) == 50.0
    later.close()


def test_sign_of_life_is_as_new_as_the_cells_time_however_fast_that_goes(tmp_path: Path) -> None:
    tenure = Tenure(tmp_path, WallTime())
    for cell_s in (0.0, BEAT_CELL_S / 2.0, 3600.0, 3600.0 + BEAT_CELL_S / 2.0):
        tenure.beat(cell_s)
    tenure.close()
    after = Tenure(tmp_path)
    assert after.last is not None
    assert after.last.cell_s == 3600.0
    after.close()


def test_process_is_named_from_its_start_and_the_time_of_the_one_before_is_kept(
    tmp_path: Path,
) -> None:
    wall = WallTime()
    sign = LastSign(process='process 1 on nowhere', cell_s=5.0, wall_s=980.0)
    (tmp_path / FILE).write_text(json.dumps(asdict(sign)) + '\n')
    holder = Tenure(tmp_path, wall)
    with pytest.raises(MedicellError, match=f'process {os.getpid()} on '):
        Tenure(tmp_path, wall)
    holder.close()
    assert holder.last == sign
    after = Tenure(tmp_path, wall)
    assert (after.absence(by='test').seen_s, after.absence(by='test').down_s) == (5.0, 20.0)
    after.close()


def test_first_process_is_named_before_it_has_given_a_sign_of_life(tmp_path: Path) -> None:
    holder = Tenure(tmp_path)
    assert holder.last is None
    with pytest.raises(MedicellError, match=f'process {os.getpid()} on '):
        Tenure(tmp_path)
    holder.close()
