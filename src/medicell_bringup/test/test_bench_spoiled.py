"""Pictures spoiled on purpose: a sample of the campaign, and what is made of its cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medicell_bringup.bench import spoiled
from medicell_bringup.bench.result import BenchOptions
from medicell_bringup.bench.spoiled_cases import ALL_KINDS, DENSE, SpoiledCase
from medicell_vision.cells.quality import Finding, Severity

OPTIONS = BenchOptions(recipe='', seed=5, runs=1, config=Path('config'))
CASE = SpoiledCase(
    source='a',
    kind='defocus',
    severity=0.5,
    read=True,
    findings=(),
    count=50,
    dead=4,
    true_count=50,
    true_dead=4,
)
BLURRED = Finding(name='edges', value=0.1, limit=0.2, unit='', severity=Severity.WARN)


@pytest.mark.parametrize(
    ('count', 'dead', 'wrong'),
    [(50, 4, False), (46, 4, False), (44, 4, True), (56, 4, True), (50, 10, True)],
)
def test_a_figure_is_wrong_that_is_off_by_more_than_a_tenth(
    count: int, dead: int, wrong: bool
) -> None:
    assert replace(CASE, count=count, dead=dead).wrong is wrong


def test_one_cell_is_never_wrong() -> None:
    assert not replace(CASE, count=2, true_count=3, dead=0, true_dead=1).wrong
    assert replace(CASE, count=1, true_count=3, dead=0, true_dead=0).wrong


def test_a_file_that_is_not_read_gives_no_figure() -> None:
    torn = replace(CASE, read=False, count=0)
    assert (torn.refused, torn.warned) == (True, True)
    assert (CASE.refused, CASE.warned) == (False, False)
    warned = replace(CASE, findings=(BLURRED,))
    assert (warned.refused, warned.warned) == (False, True)
    assert replace(CASE, findings=(replace(BLURRED, severity=Severity.REFUSE),)).refused


def test_a_sample_of_the_campaign_gives_no_wrong_figure_unwarned() -> None:
    found = spoiled.measure(replace(OPTIONS, spoiled=len(ALL_KINDS) * 4), lambda text: None)
    by_name = found.by_name()
    silent = by_name['wrong figure without a warning']
    assert [item.case.split(',')[0] for item in silent] == list(ALL_KINDS)
    assert sum(int(item.case.split()[-2]) for item in silent) > 10
    # Nuclei that overlap by chance look like nuclei that touch: docs/explanations/imaging.md.
    dense = [item for item in silent if item.case.startswith(DENSE)]
    assert [item.case for item in silent if not item.met and item not in dense] == []
    assert sum(item.median for item in dense) <= 1
    refused = by_name['refused, of pictures as they are']
    assert len(refused) == 5
    assert all(item.median <= 2.0 for item in refused)
