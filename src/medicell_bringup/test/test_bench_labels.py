"""The group `labels`: what it counts, when it keeps its limits, and its picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medicell_bringup.bench import labels
from medicell_bringup.bench.label_cases import (
    KINDS,
    READ,
    UNREAD,
    USUAL,
    WRONG,
    LabelCase,
    read_labels,
)
from medicell_bringup.bench.pictures import draw
from medicell_bringup.bench.result import Found, GroupResult, Report, this_machine
from medicell_vision.labels import Symbology

GOOD = LabelCase(
    kind=USUAL,
    symbology=Symbology.DATAMATRIX,
    severity=0.5,
    outcome=READ,
    render_ms=4.0,
    decode_ms=2.0,
)
LABELS = 4 * (len(KINDS) + 1)


def kept(found: Found) -> bool:
    return all(item.met is not False for item in found.measures)


def test_labels_of_all_kinds_are_read_in_turn_and_alike_for_a_seed() -> None:
    found, again = (read_labels(1, range(LABELS)) for _ in range(2))
    assert {(item.kind, item.symbology) for item in found} == {
        (kind, symbology) for kind in (*KINDS, USUAL) for symbology in Symbology
    }
    assert [(item.kind, item.outcome) for item in found] == [
        (item.kind, item.outcome) for item in again
    ]
    assert all(item.outcome != WRONG for item in found)
    assert all(item.outcome == READ for item in found if item.kind == USUAL)


def test_label_that_is_read_wrong_breaks_the_limit() -> None:
    assert kept(labels.figures([GOOD]))
    assert not kept(labels.figures([GOOD, replace(GOOD, outcome=WRONG)]))


def test_label_that_is_not_read_in_a_cell_as_it_should_be_breaks_the_limit() -> None:
    assert not kept(labels.figures([GOOD, replace(GOOD, outcome=UNREAD)]))
    spoilt = replace(GOOD, kind='blur', outcome=UNREAD)
    assert kept(labels.figures([GOOD, spoilt]))


def test_reading_that_costs_too_much_breaks_the_limit() -> None:
    assert not kept(labels.figures([replace(GOOD, render_ms=14.0)]))


def test_share_not_read_is_by_severity() -> None:
    found = labels.figures(
        [
            replace(GOOD, kind='blur', severity=0.02),
            replace(GOOD, kind='blur', severity=0.91, outcome=UNREAD),
            replace(GOOD, kind='blur', severity=0.99),
        ]
    )
    (line,) = [item for item in found.series if item.label.startswith('blur')]
    assert (line.x, line.y) == ((0.05, 0.95), (0.0, 50.0))
    steps = {
        item.case: item.median for item in found.by_name()['not read, by how badly it is seen']
    }
    assert steps == {'blur, 0.0 to 0.2': 0.0, 'blur, 0.8 to 1.0': 50.0}


def test_picture_shows_labels_and_their_share(tmp_path: Path) -> None:
    report = Report(
        machine=this_machine(),
        recipe='r',
        seed=1,
        runs=1,
        groups=(GroupResult(name='labels', found=labels.figures([GOOD])),),
    )
    assert draw(report, tmp_path)['labels'].stat().st_size > 100_000
