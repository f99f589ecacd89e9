"""The note of what was sent, and for which journal: on disk, torn, and missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medicell_orchestrator.resuming.journals import FILE, KnownJournals

FIRST, SECOND = 'B@t/a/b/c#1', 'B@t/a/b/c#2'


def test_what_was_sent_is_known_to_another_process_and_what_was_not_is_known_as_such(
    tmp_path: Path,
) -> None:
    KnownJournals.begin(tmp_path).note(FIRST, 'one')
    known = KnownJournals(tmp_path)
    assert known.of(FIRST) == 'one'
    assert known.of(SECOND) is None


def test_note_is_on_disk_before_the_goal_may_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journals = KnownJournals.begin(tmp_path)
    synced: list[bytes] = []
    monkeypatch.setattr(os, 'fsync', lambda _: synced.append((tmp_path / FILE).read_bytes()))
    journals.note(FIRST, 'one')
    assert len(synced) == 1
    assert FIRST.encode() in synced[0]


def test_torn_line_was_no_sending_and_takes_the_next_one_not_along(tmp_path: Path) -> None:
    KnownJournals.begin(tmp_path)
    (tmp_path / FILE).write_text(f'\n["{FIRST}", "on')
    assert KnownJournals(tmp_path).of(FIRST) is None
    KnownJournals(tmp_path).note(SECOND, 'one')
    known = KnownJournals(tmp_path)
    assert known.of(FIRST) is None
    assert known.of(SECOND) == 'one'


def test_first_journal_stays_the_one_that_knows(tmp_path: Path) -> None:
    journals = KnownJournals.begin(tmp_path)
    journals.note(FIRST, 'one')
    journals.note(FIRST, 'another')
    assert journals.of(FIRST) == KnownJournals(tmp_path).of(FIRST) == 'one'


def test_without_the_file_any_goal_may_have_been_sent_for_a_journal_that_is_not_known(
    tmp_path: Path,
) -> None:
    assert KnownJournals(tmp_path).of(FIRST) == ''
    assert KnownJournals().of(FIRST) is None
