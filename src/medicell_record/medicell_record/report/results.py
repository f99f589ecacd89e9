"""What the report and the certificate say of a batch's results: tests, final results, labels."""

from __future__ import annotations

from medicell_core.entries import (
    LabelsReconciled,
    Measurement,
    ReleaseTest,
    Signature,
    VialFilled,
)
from medicell_core.operations import ASSAYS
from medicell_record.report.pdf import GREEN, GREY, RED, Cell
from medicell_record.report.rows import Line
from medicell_record.report.texts import MEASUREMENT_LABELS, result, words
from medicell_record.view import BatchView


def release(view: BatchView) -> list[Line]:
    """Return a line per release test, and then per final result."""
    tests = [entry for _, entry in view.of(ReleaseTest)]
    limits = {entry.test: entry for entry in tests}
    finals = [entry for _, entry in view.of(Signature) if entry.subject in limits]
    return [*map(_tested, tests), *(_final(limits[entry.subject], entry) for entry in finals)]


def _tested(entry: ReleaseTest) -> Line:
    return [
        f'{entry.test}, to date' if entry.final else entry.test,
        Cell(text=result(entry.value, entry.unit), bold=True),
        words(entry.unit),
        entry.limit,
        _met(entry.passed),
        entry.method,
        Cell(text=entry.source, colour=GREY),
    ]


def _final(test: ReleaseTest, entered: Signature) -> Line:
    return [
        f'{test.test}, final',
        Cell(text=entered.result, bold=True),
        '',
        test.limit,
        _met(entered.result == test.limit),
        f'{entered.reference}, entered by {entered.printed_name}',
        Cell(text=test.source, colour=GREY),
    ]


def _met(passed: bool) -> Cell:
    if passed:
        return Cell(text='met', colour=GREEN, bold=True)
    return Cell(text='NOT MET', colour=RED, bold=True)


def tested(view: BatchView) -> str:
    """Say which vial of the filling the laboratory has tested, and for what."""
    vials = [entry.vial for _, entry in view.of(VialFilled) if entry.for_laboratory]
    tests: dict[str, list[str]] = {}
    for _, entry in view.of(Measurement):
        if entry.container in vials and entry.name in ASSAYS:
            tests.setdefault(entry.container, []).append(MEASUREMENT_LABELS[entry.name])
    return '; '.join(f'{vial}: {", ".join(names)}' for vial, names in tests.items()) or 'none'


def labels(entry: LabelsReconciled) -> str:
    """Say what became of the labels that were printed."""
    told = (
        f'Labels: {entry.printed} printed, {entry.used} on accepted vials, {entry.destroyed} '
        'destroyed with rejected vials or under a second label'
    )
    if entry.unaccounted:
        return f'{told}; {entry.unaccounted} NOT ACCOUNTED FOR: {entry.detail}.'
    return f'{told}; none unaccounted for.'
