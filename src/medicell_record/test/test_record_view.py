"""The view finds what a plot, a report and a release need in a batch's entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_batch import BATCH, DAY_S, PER_ML, START_S, c, started, write_batch

from medicell_core.entries import (
    BatchStarted,
    Measurement,
    Movement,
    PhaseFinished,
    PhaseStarted,
    VialFilled,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.record import BatchRecord, RecordedEntry
from medicell_record.release.figures import release_figures
from medicell_record.report.looks import looks_of, spreads_of
from medicell_record.view import BatchView, EventKind


@pytest.fixture(scope='module')
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[RecordedEntry]:
    with BatchRecord.create(tmp_path_factory.mktemp('view') / 'r.sqlite') as record:
        write_batch(record)
        return record.entries()


@pytest.fixture
def record(tmp_path: Path) -> Iterator[BatchRecord]:
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        record.append(started(), at_s=START_S, actor='x')
        yield record


def measured(name: str, value: float, container: str) -> Measurement:
    return Measurement(
        phase='a/b/c',
        name=name,
        value=value,
        unit='',
        standard_error=-1.0,
        container=container,
        method='m',
    )


def moved(source: str, target: str) -> Movement:
    return Movement(operation_id='x', source=c(source), target=c(target), volume_ml=1.0)


def test_events_are_activation_transduction_each_exchange_and_the_harvest(
    entries: list[RecordedEntry],
) -> None:
    events = BatchView(entries).events()
    kinds = [item.kind for item in events]
    assert kinds == [
        EventKind.ACTIVATION,
        EventKind.TRANSDUCTION,
        *[EventKind.FEED] * 5,
        EventKind.HARVEST,
    ]
    assert events[1].day == pytest.approx(1.0, abs=0.02)
    assert events[-1].day == pytest.approx(12.0, abs=0.02)


def test_an_exchange_that_failed_is_none(entries: list[RecordedEntry]) -> None:
    exchanges = BatchView(entries).exchanges()
    assert len(exchanges) == 5
    assert {(item.withdrawn_ml, item.added_ml) for item in exchanges} == {(149.2, 150.3)}


def test_medium_before_activation_or_with_the_vector_is_no_feed(record: BatchRecord) -> None:
    for hours, source in ((1, 'medium_1'), (2, 'activator'), (24, 'vector'), (25, 'medium_1')):
        record.append(moved(source, 'vessel'), at_s=START_S + 3600 * hours, actor='x')
    record.append(moved('medium_1', 'vessel'), at_s=START_S + 5 * DAY_S, actor='x')
    view = BatchView(record)
    feeds = [item for item in view.events() if item.kind is EventKind.FEED]
    assert [item.day for item in feeds] == [5.0]
    assert [(item.withdrawn_ml, item.added_ml) for item in view.exchanges()] == [(0.0, 1.0)]


def test_a_sample_or_waste_is_no_harvest(record: BatchRecord) -> None:
    for target in ('cartridge_1', 'waste'):
        record.append(moved('vessel', target), at_s=START_S, actor='x')
    assert BatchView(record).harvest_sequence() is None
    sequence = record.append(moved('vessel', 'product'), at_s=START_S, actor='x')
    assert BatchView(record).harvest_sequence() == sequence


def test_only_the_vessels_values_are_the_cultures(entries: list[RecordedEntry]) -> None:
    view = BatchView(entries)
    points = view.viable_cells()
    assert len(points) == 7
    assert points[0].value == pytest.approx(1e8, rel=0.2)
    assert points[0].standard_error == pytest.approx(5e6)
    assert view.culture('glucose_mm')[0].standard_error is None
    shares = view.car_positive_cells()
    assert len(shares) == 5
    assert shares[-1].value == pytest.approx(points[-1].value * 0.3685, rel=1e-3)


def test_viable_cells_are_density_times_the_last_volume_when_not_recorded(
    record: BatchRecord,
) -> None:
    for day, name, value in (
        (1, 'volume_ml', 100.0),
        (2, 'volume_ml', 200.0),
        (2, 'viable_per_ml', 1e6),
    ):
        record.append(measured(name, value, c('vessel')), at_s=START_S + day * DAY_S, actor='x')
    assert [item.value for item in BatchView(record).viable_cells()] == [2e8]


def test_phases_pair_their_starts_and_ends(record: BatchRecord) -> None:
    for at_s, entry in (
        (1.0, PhaseStarted(phase='a/b/c')),
        (2.0, PhaseStarted(phase='a/b/d')),
        (3.0, PhaseFinished(phase='a/b/c', error_code=ErrorCode.LEAK, error_msg='wet')),
        (4.0, PhaseStarted(phase='a/b/c')),
        (5.0, PhaseFinished(phase='a/b/c', error_code=0, error_msg='')),
        (6.0, PhaseFinished(phase='z/z/z', error_code=0, error_msg='')),
    ):
        record.append(entry, at_s=at_s, actor='x')
    runs = BatchView(record).phases()
    assert [(run.phase, run.start_s, run.end_s, run.error_code) for run in runs] == [
        ('a/b/c', 1.0, 3.0, ErrorCode.LEAK),
        ('a/b/d', 2.0, None, 0),
        ('a/b/c', 4.0, 5.0, 0),
    ]
    assert (runs[0].unit_procedure, runs[0].name) == ('a', 'b/c')


def test_a_record_without_a_batch_is_refused(tmp_path: Path) -> None:
    record = BatchRecord.create(tmp_path / 'r.sqlite')
    with pytest.raises(MedicellError, match='no BatchStarted') as caught:
        BatchView(record)
    record.close()
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE


def test_a_name_measured_again_begins_a_new_look(record: BatchRecord) -> None:
    vessel = c('vessel')
    for name, value, container in (
        ('glucose_mm', 5.0, vessel),
        ('ph', 7.0, vessel),
        ('viability_pct', 90.0, c('product')),
        ('glucose_mm', 4.0, vessel),
        ('endotoxin', 0.1, c('product')),
    ):
        record.append(measured(name, value, container), at_s=START_S, actor='x')
    looks = looks_of(BatchView(record))
    assert [sorted(item.values) for item in looks] == [
        ['glucose_mm', 'ph'],
        ['endotoxin', 'viability_pct'],
        ['glucose_mm'],
    ]
    assert [item.is_probe for item in looks] == [True, False, True]
    assert looks[1].is_count
    assert [(item.name, item.values) for item in spreads_of(looks)] == [('endotoxin', (0.1,))]


def test_a_new_phase_begins_a_new_look(record: BatchRecord) -> None:
    record.append(measured('ph', 7.0, c('vessel')), at_s=START_S, actor='x')
    record.append(PhaseStarted(phase='a/b/c'), at_s=START_S, actor='x')
    record.append(measured('glucose_mm', 7.0, c('vessel')), at_s=START_S, actor='x')
    assert len(looks_of(BatchView(record))) == 2


def test_release_figures_are_the_products_and_the_accepted_vials(
    entries: list[RecordedEntry],
) -> None:
    figures = release_figures(entries)
    vials = [
        item.entry
        for item in entries
        if isinstance(item.entry, VialFilled) and item.entry.accepted
    ]
    counted = figures['viable_per_ml'] * sum(item.volume_ml for item in vials)
    dose = 0.368 * (counted + sum(item.viable_cells for item in vials)) / 2.0
    assert len(vials) == 7
    assert figures['viability_pct'] == 93.1
    assert figures['car_positive_pct'] == 36.8
    assert figures['sterility'] == 0.0
    assert figures['identity_confirmed_pct'] == 100.0
    assert figures['dose_of_target_pct'] == pytest.approx(dose / 1e6)
    assert figures['car_positive_cells_per_kg'] == pytest.approx(dose / 72.0)


def test_dose_is_reckoned_with_the_share_that_was_found_after_filling(
    entries: list[RecordedEntry],
) -> None:
    planned = release_figures(entries)['dose_of_target_pct']
    (last,) = [
        item
        for item in entries
        if isinstance(item.entry, Measurement)
        and item.entry.name == 'car_positive_pct'
        and item.entry.value == 36.8
    ]
    assert isinstance(last.entry, Measurement)
    found = replace(last, sequence=entries[-1].sequence + 1, entry=replace(last.entry, value=18.4))
    assert release_figures([*entries, found])['dose_of_target_pct'] == pytest.approx(planned / 2)


def test_dose_is_that_of_the_vials_which_may_be_given_and_the_one_that_is_tested_counts(
    entries: list[RecordedEntry],
) -> None:
    before = release_figures(entries)
    planned = before['dose_of_target_pct']
    accepted = [(item, vial) for item, vial in BatchView(entries).of(VialFilled) if vial.accepted]
    tested, vial = accepted[0]
    marked = replace(tested, entry=replace(vial, for_laboratory=True))
    fewer = [marked if item is tested else item for item in entries]
    share = 1.0 - vial.volume_ml / sum(given.volume_ml for _, given in accepted)
    figures = release_figures(fewer)
    assert figures['dose_of_target_pct'] == pytest.approx(planned * share)
    assert figures['identity_confirmed_pct'] == 100.0
    counted = replace(
        tested,
        sequence=entries[-1].sequence + 1,
        entry=measured('viable_per_ml', PER_ML / 4.0, vial.vial),
    )
    found = release_figures([*fewer, counted])['dose_of_target_pct']
    fewer_cells = (PER_ML + PER_ML / 4.0) / (PER_ML + before['viable_per_ml'])
    assert found == pytest.approx(planned * share * fewer_cells)


def test_no_figure_from_before_the_harvest_stands_in_for_the_product(
    entries: list[RecordedEntry],
) -> None:
    view = BatchView(entries)
    harvest = view.harvest_sequence()
    assert harvest is not None
    kept = [
        item
        for item in entries
        if not isinstance(item.entry, Measurement) or item.sequence < harvest
    ]
    figures = release_figures(kept)
    assert set(figures) == {
        'identity_confirmed_pct',
        'dose_of_target_pct',
        'car_positive_cells_per_kg',
    }


def test_nothing_harvested_and_filled_gives_no_figure(record: BatchRecord) -> None:
    record.append(measured('viability_pct', 99.0, c('vessel')), at_s=START_S, actor='x')
    assert release_figures(record) == {}


def test_a_wrong_label_is_seen_in_the_identity(entries: list[RecordedEntry]) -> None:
    changed = []
    for item in entries:
        entry = item.entry
        if isinstance(entry, VialFilled) and entry.vial == c('vial_1'):
            entry = replace(entry, label_text=f'OTHER|{c("vial_1")}')
        changed.append(replace(item, entry=entry))
    assert release_figures(changed)['identity_confirmed_pct'] == pytest.approx(600 / 7)


def test_the_batch_is_the_one_that_was_written(entries: list[RecordedEntry]) -> None:
    view = BatchView(entries)
    assert isinstance(view.batch, BatchStarted)
    assert view.batch.batch_id == BATCH
    assert view.closed is not None
    assert view.closed.outcome == 'ready_for_release'
