"""Plots and report are drawn from any record, whole or broken off, the same each time."""

from __future__ import annotations

import hashlib
import io
import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from matplotlib import image
from synthetic_batch import START_S, c, started, write_batch

from medicell_core.entries import (
    MEASUREMENTS,
    BatchClosed,
    LabelsReconciled,
    Measurement,
    PhaseFinished,
    PhaseStarted,
    ProductBalance,
    Question,
    VialFilled,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.serving import ServingNode
from medicell_record.database.sqlite import GUARDS
from medicell_record.record import BatchRecord
from medicell_record.report import results, rows
from medicell_record.report.document import write_report
from medicell_record.report.looks import looks_of
from medicell_record.report.pdf import Cell, ReportPages
from medicell_record.report.plots import plot_climate, plot_growth, plot_metabolites
from medicell_record.report.texts import (
    MEASUREMENT_LABELS,
    NOT_KNOWN,
    duration,
    moment,
    number,
    result,
)
from medicell_record.view import BatchView

SECTIONS = [
    'Batch identity',
    'Cell',
    'Materials',
    'Timeline',
    'Growth and metabolites',
    'In-process checks and measurements',
    'Decisions',
    'Deviations',
    'Questions and answers',
    'Vials',
    'Release tests',
    'Record integrity',
    'Signatures',
]


@pytest.fixture(scope='module')
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('report') / 'record.sqlite'
    with BatchRecord.create(path) as record:
        write_batch(record)
    return path


@pytest.fixture(scope='module')
def view(path: Path) -> BatchView:
    with BatchRecord.open(path, read_only=True) as record:
        return BatchView(record)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every text that a report draws."""
    texts: list[str] = []

    def spy(name: str) -> None:
        original = getattr(ReportPages, name)

        def draw(pages: ReportPages, *arguments: object, **named: object) -> object:
            for item in arguments:
                texts.extend(_texts(item))
            return original(pages, *arguments, **named)

        monkeypatch.setattr(ReportPages, name, draw)

    for name in ('banner', 'heading', 'subheading', 'paragraph', 'pairs', 'grid', 'tiles'):
        spy(name)
    return texts


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the plots out where a test is about words: they take most of the time."""
    monkeypatch.setattr('medicell_record.report.document._pictures', lambda pages, view: None)


def _texts(item: object) -> list[str]:
    if isinstance(item, str):
        return [item]
    if isinstance(item, Cell):
        return [item.text]
    if isinstance(item, (list, tuple)):
        return [text for part in item for text in _texts(part)]
    return []


def report(path: Path, target: Path) -> bytes:
    with BatchRecord.open(path, read_only=True) as record:
        write_report(record, target)
    return target.read_bytes()


def text(cell: str | Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def test_the_report_has_its_sections_and_says_what_the_record_says(
    path: Path, tmp_path: Path, drawn: list[str]
) -> None:
    data = report(path, tmp_path / 'report.pdf')
    titles = [item.decode() for item in re.findall(rb'/Title \(([^)]*)\)', data)]
    assert titles == SECTIONS
    assert b'x-default">Batch report MC-2026-0001</rdf:li>' in data
    with BatchRecord.open(path, read_only=True) as record:
        head = record.head_hash
    for expected in (
        'READY FOR RELEASE',
        'MC-2026-0001',
        '72 kg',
        'A. Müller',
        '9f2c6a01be' * 6 + 'abcd',
        'OCCLUSION (103)',
        'B. Østergård',
        'rejected: stopper not seated: 11 N, at least 25 N wanted',
        'All 12 tests are met to date.',
        'sound',
        head,
    ):
        assert expected in drawn, expected


def test_the_cell_is_told_by_driver_host_and_file(view: BatchView) -> None:
    orchestrator, pump, incubator = (
        [text(cell) for cell in line] for line in rows.nodes(view.batch.nodes)
    )
    files = ', '.join(f'{item.name} {item.sha256[:8]}' for item in view.batch.nodes[0].files)
    assert orchestrator == [
        'orchestrator',
        NOT_KNOWN,
        NOT_KNOWN,
        'medicell_orchestrator 0.1.0',
        'workcell-pc',
        files,
    ]
    assert pump[1:4] == ['acme_pump', 'instrument', 'acme_drivers 0.1.0']
    assert incubator[1:4] == ['simulated', 'simulation', 'medicell_devices 0.1.0']


def test_device_that_was_not_heard_is_told_as_not_known() -> None:
    (line,) = rows.nodes([ServingNode(node='imaging')])
    assert line == ['imaging', *[NOT_KNOWN] * 5]


@pytest.mark.usefixtures('no_pictures')
def test_whole_hashes_of_the_files_stand_in_the_report_once(
    path: Path, tmp_path: Path, drawn: list[str]
) -> None:
    report(path, tmp_path / 'report.pdf')
    once = drawn.count('Chain of identity')
    for name in ('cell', 'parameters'):
        assert drawn.count(hashlib.sha256(name.encode()).hexdigest()) == once
        assert drawn.count(f'SHA-256 of {name}.yaml') == once


@pytest.mark.usefixtures('no_pictures')
def test_record_from_before_drivers_were_told_has_a_report(
    tmp_path: Path, drawn: list[str]
) -> None:
    path = tmp_path / 'record.sqlite'
    with BatchRecord.create(path) as record:
        record.append(replace(started(), nodes=[]), at_s=START_S, actor='x')
    assert report(path, tmp_path / 'report.pdf').startswith(b'%PDF')
    assert 'The record does not tell what served.' in drawn


def test_the_same_record_gives_the_same_bytes_later(path: Path, tmp_path: Path) -> None:
    first = report(path, tmp_path / 'one.pdf')
    time.sleep(1.1)
    assert report(path, tmp_path / 'two.pdf') == first
    assert b'xmp:CreateDate="2026-04-13T' in first


@pytest.mark.usefixtures('no_pictures')
def test_a_batch_that_failed_says_which_test(tmp_path: Path, drawn: list[str]) -> None:
    path = tmp_path / 'record.sqlite'
    with BatchRecord.create(path) as record:
        write_batch(record, sterile=False)
    report(path, tmp_path / 'report.pdf')
    assert 'MADE, LIMITS NOT MET' in drawn
    assert 'Not met: Sterility.' in drawn
    assert 'positive' in drawn


def test_a_batch_that_broke_off_at_once_has_a_report(tmp_path: Path, drawn: list[str]) -> None:
    path = tmp_path / 'record.sqlite'
    with BatchRecord.create(path) as record:
        record.append(started(), at_s=START_S, actor='x')
        record.append(PhaseStarted(phase='a/b/c'), at_s=START_S, actor='x')
        asked = Question(question_id='B/Q001', phase='a/b/c', text='Go on?', choices=['yes'])
        record.append(asked, at_s=START_S, actor='x')
    assert report(path, tmp_path / 'report.pdf').startswith(b'%PDF')
    for expected in ('NOT CLOSED', 'not finished', 'unanswered', 'No vial was filled.'):
        assert expected in drawn, expected


@pytest.mark.parametrize(('outcome', 'banner'), [('held', 'HELD'), ('aborted', 'ABORTED')])
@pytest.mark.usefixtures('no_pictures')
def test_the_outcome_is_the_banner(
    tmp_path: Path, drawn: list[str], outcome: str, banner: str
) -> None:
    path = tmp_path / 'record.sqlite'
    with BatchRecord.create(path) as record:
        record.append(started(), at_s=START_S, actor='x')
        closed = BatchClosed(outcome=outcome, reason='because', figures={})
        record.append(closed, at_s=START_S, actor='x')
    report(path, tmp_path / 'report.pdf')
    assert banner in drawn
    assert 'Reason: because' in drawn


@pytest.mark.usefixtures('no_pictures')
def test_a_broken_chain_stands_in_the_report(path: Path, tmp_path: Path, drawn: list[str]) -> None:
    copy = tmp_path / 'record.sqlite'
    copy.write_bytes(path.read_bytes())
    database = sqlite3.connect(copy)
    database.execute('DROP TRIGGER entry_never_changes')
    database.execute("UPDATE entry SET actor = 'me' WHERE sequence = 9")
    database.execute(GUARDS['entry_never_changes'])
    database.commit()
    database.close()
    report(copy, tmp_path / 'report.pdf')
    assert any(item.startswith('BROKEN at entry 9: ') for item in drawn)


@pytest.mark.usefixtures('no_pictures')
def test_long_words_and_strange_texts_fit_into_the_tables(tmp_path: Path) -> None:
    path = tmp_path / 'record.sqlite'
    phase = 'a/b/' + 'x' * 200
    with BatchRecord.create(path) as record:
        record.append(started(), at_s=START_S, actor='x')
        record.append(PhaseStarted(phase=phase), at_s=START_S, actor='x')
        failed = PhaseFinished(phase=phase, error_code=4242, error_msg='世界 😀 ' * 40)
        record.append(failed, at_s=START_S, actor='x')
    assert report(path, tmp_path / 'report.pdf').startswith(b'%PDF')


def test_a_record_that_tells_no_batch_has_no_report(tmp_path: Path) -> None:
    record = BatchRecord.create(tmp_path / 'r.sqlite')
    with pytest.raises(MedicellError, match='no BatchStarted'):
        write_report(record, tmp_path / 'report.pdf')
    record.close()
    assert not (tmp_path / 'report.pdf').exists()


@pytest.mark.parametrize('plot', [plot_growth, plot_metabolites, plot_climate])
def test_a_plot_shows_more_with_data_than_without(
    view: BatchView, plot: Callable[[BatchView, IO[bytes]], None], tmp_path: Path
) -> None:
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        record.append(started(), at_s=START_S, actor='x')
        empty = BatchView(record)
    inked = []
    for item in (view, empty):
        buffer = io.BytesIO()
        plot(item, buffer)
        buffer.seek(0)
        pixels = image.imread(buffer)
        assert min(pixels.shape[:2]) > 700
        colours = pixels[..., :3].max(axis=2) - pixels[..., :3].min(axis=2)
        inked.append(int(np.count_nonzero(colours > 0.25)))
    assert inked[0] > inked[1] + 2000


def test_a_plot_is_the_same_each_time(view: BatchView, tmp_path: Path) -> None:
    for name in ('a.png', 'b.png'):
        plot_growth(view, tmp_path / name)
    assert (tmp_path / 'a.png').read_bytes() == (tmp_path / 'b.png').read_bytes()


def test_repeated_phases_share_a_line_and_failed_ones_do_not(tmp_path: Path) -> None:
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        record.append(started(), at_s=START_S, actor='x')
        for run in range(6):
            at_s = START_S + 100 * run
            code = ErrorCode.LEAK if run == 2 else ErrorCode.OK
            record.append(PhaseStarted(phase='grow/culture/look'), at_s=at_s, actor='x')
            done = PhaseFinished(phase='grow/culture/look', error_code=code, error_msg='wet')
            record.append(done, at_s=at_s + 30, actor='x')
        lines = rows.phases(BatchView(record))
    good, bad = ('grow', 'culture / look', '5'), ('', 'culture / look', '1')
    assert [[text(cell) for cell in line] for line in lines] == [
        [*good, moment(START_S), '0.0', moment(START_S + 530), '2 min', 'done'],
        [*bad, moment(START_S + 200), '0.0', moment(START_S + 230), '30 s', 'LEAK (105): wet'],
    ]


def test_counts_stand_with_their_errors(view: BatchView, tmp_path: Path) -> None:
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        record.append(started(), at_s=START_S, actor='x')
        for name, value, error in (('viable_per_ml', 1.5e6, 1e5), ('viability_pct', 91.26, -1.0)):
            entry = Measurement(
                phase='a/b/c',
                name=name,
                value=value,
                unit=MEASUREMENTS[name],
                standard_error=error,
                container=c('vessel'),
                method='m',
            )
            record.append(entry, at_s=START_S + 43_200, actor='x')
        tested = BatchView(record)
    (line,) = rows.counts(tested, looks_of(tested))
    assert line[1:7] == ['0.5', 'vessel', '—', '1.50 ± 0.10', '—', '91.3']


def test_containers_that_differ_by_number_share_a_line(view: BatchView) -> None:
    lines = [[text(cell) for cell in line] for line in rows.materials(view)]
    names = [line[0] for line in lines]
    assert names.count('vial_1 to vial_8') == 1
    assert 'medium_1 to medium_2' in names
    assert 'apheresis' in names
    assert len(lines) == 13


def test_the_vials_sum_is_that_of_the_accepted(view: BatchView) -> None:
    found = [entry for _, entry in view.of(VialFilled)]
    last = [text(cell) for cell in rows.vials(view, found)[-1]]
    assert last[0] == 'accepted'
    assert last[-1] == '7 vials, 99 % of the dose by the counts before'
    assert last[2] == f'{sum(item.volume_ml for item in found if item.accepted):.3f}'
    assert last[1] == f'{sum(item.net_weight_g for item in found if item.accepted):.3f}'


def test_vial_for_the_laboratory_is_named_so_and_is_not_in_the_sum(view: BatchView) -> None:
    found = [entry for _, entry in view.of(VialFilled)]
    first = next(item for item in found if item.accepted)
    tested = [replace(item, for_laboratory=item is first) for item in found]
    lines = [[text(cell) for cell in line] for line in rows.vials(view, tested)]
    assert lines[tested.index(replace(first, for_laboratory=True))][-1] == 'for the laboratory'
    assert lines[-1][-1].startswith('6 vials')


def test_every_measurement_has_a_name_for_people() -> None:
    assert MEASUREMENT_LABELS.keys() == MEASUREMENTS.keys()


@pytest.mark.parametrize(
    ('value', 'shown'),
    [
        (0.0, '0'),
        (2.314, '2.31'),
        (93.14, '93.1'),
        (240.4, '240'),
        (99_999.0, '99999'),
        (1e5, '1.00·10⁵'),
        (-2.5e9, '-2.50·10⁹'),
        (1.379e6, '1.38·10⁶'),
        (float('nan'), '—'),
    ],
)
def test_a_number_is_shown_with_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ('seconds', 'shown'),
    [(30.0, '30 s'), (60.0, '1 min'), (7200.0, '2.0 h'), (172_800.0, '2.0 d')],
)
def test_a_duration_is_shown_in_the_unit_that_suits_it(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_qualitative_result_is_a_word() -> None:
    assert (result(0.0, ''), result(1.0, ''), result(1.0, '%')) == ('negative', 'positive', '1')


def test_labels_that_are_missing_are_named() -> None:
    found = LabelsReconciled(printed=3, used=2, destroyed=0, unaccounted=1, detail='vial_2: gone')
    assert results.labels(found).endswith('1 NOT ACCOUNTED FOR: vial_2: gone.')
    whole = replace(found, destroyed=1, unaccounted=0, detail='')
    assert results.labels(whole).startswith('Labels: 3 printed, 2 on accepted vials, 1 destroyed')


def test_ways_of_the_product_add_up_to_what_there_was() -> None:
    entry = ProductBalance(
        phase='u/o/fill',
        source='B.product',
        before_ml=100.0,
        vials_ml=37.0,
        laboratory_ml=3.0,
        rejects_ml=5.0,
        left_ml=54.0,
        unaccounted_ml=1.0,
        viable_per_ml=1e7,
        car_positive_per_ml=4e6,
    )
    *ways, whole = [[text(cell) for cell in line] for line in rows.product(entry, 3.0)]
    assert [way[1] for way in ways] == ['37.00', '3.00', '5.00', '3.00', '51.00', '1.00']
    assert sum(float(way[1]) for way in ways) == float(whole[1]) == 100.0
    assert sum(float(way[4]) for way in ways) == pytest.approx(100.0)
