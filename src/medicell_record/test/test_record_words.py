"""The report says figures and reasons as people do, and shows no empty picture."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from synthetic_batch import START_S, c, started, write_batch

from medicell_core.entries import BatchClosed, Decision, Measurement
from medicell_record.record import BatchRecord
from medicell_record.report import rows
from medicell_record.report.document import write_report
from medicell_record.report.looks import looks_of, spreads_of
from medicell_record.report.pdf import Cell, ReportPages
from medicell_record.report.plots import plot_growth
from medicell_record.report.texts import figure, plain_words
from medicell_record.view import BatchView


@pytest.mark.parametrize(
    ('name', 'value', 'shown'),
    [
        ('glucose_mm', 11.2345, 'glucose 11.2 mmol/L'),
        ('uptake_mm_per_day', 1.4912, 'glucose uptake 1.5 mmol/L per day'),
        ('viable_cells', 1.5e9, 'viable cells 1.50·10⁹'),
        ('not_foreseen', 3.0, 'not foreseen 3'),
    ],
)
def test_figure_of_a_decision_has_name_and_unit(name: str, value: float, shown: str) -> None:
    assert figure(name, value) == shown


def test_reason_has_plain_names_and_powers_of_ten() -> None:
    assert plain_words('car_positive_pct is 45 %; 1e+08 wanted') == 'CAR+ is 45 %; 1.00·10⁸ wanted'
    assert plain_words('wear 12e of type e+5') == 'wear 12e of type e+5'


def test_choice_to_wait_names_no_volume() -> None:
    decision = Decision(
        phase='a/b/c', question='feed', choice='wait 0.0 mL', reason='it lasts', inputs={}
    )
    choice = rows.decisions([(1.0, decision)])[0][3]
    assert isinstance(choice, Cell)
    assert choice.text == 'wait'


def test_volumes_of_two_containers_are_not_averaged(tmp_path: Path) -> None:
    with BatchRecord.create(tmp_path / 'record.sqlite') as record:
        record.append(started(), at_s=START_S, actor='orchestrator')
        for container, value in (('culture', 100.0), ('product', 300.0)):
            record.append(_measured('volume_ml', value, container), at_s=START_S, actor='o')
        view = BatchView(record.entries())
    found = rows.spreads(view, spreads_of(looks_of(view)))
    assert [line[0] for line in found] == ['volume, mL, culture', 'volume, mL, product']


def test_report_of_a_batch_without_culture_has_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures: list[bytes] = []
    monkeypatch.setattr(ReportPages, 'picture', lambda pages, png: pictures.append(png))
    for name, full in (('short', False), ('full', True)):
        with BatchRecord.create(tmp_path / f'{name}.sqlite') as record:
            if full:
                write_batch(record)
            else:
                record.append(started(), at_s=START_S, actor='orchestrator')
                closed = BatchClosed(outcome='held', reason='leak', figures={})
                record.append(closed, at_s=START_S + 60.0, actor='orchestrator')
            write_report(record, tmp_path / f'{name}.pdf')
        assert len(pictures) == (3 if full else 0)


def test_car_measured_in_the_product_is_drawn(tmp_path: Path) -> None:
    drawn: list[bytes] = []
    for name, extra in (('without', False), ('with', True)):
        with BatchRecord.create(tmp_path / f'{name}.sqlite') as record:
            write_batch(record)
            entries = [
                item for item in record.entries() if not _is_product_car(item.entry) or extra
            ]
        buffer = io.BytesIO()
        plot_growth(BatchView(entries), buffer)
        drawn.append(buffer.getvalue())
    assert drawn[0] != drawn[1]


def _is_product_car(entry: object) -> bool:
    return (
        isinstance(entry, Measurement)
        and entry.name == 'car_positive_pct'
        and entry.container == c('product')
    )


def _measured(name: str, value: float, container: str) -> Measurement:
    return Measurement(
        phase='a/b/c',
        container=c(container),
        name=name,
        value=value,
        unit='mL',
        standard_error=-1.0,
        method='load cell',
    )
