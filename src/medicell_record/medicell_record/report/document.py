"""The batch report: what the record says of a batch, as a PDF for people to check and sign."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO

from medicell_core.entries import (
    Answer,
    Command,
    Completed,
    Decision,
    Deviation,
    LabelsReconciled,
    Movement,
    ProductBalance,
    Question,
    ReleaseTest,
    Resumed,
    VialFilled,
)
from medicell_core.errors import ErrorCode
from medicell_record.anchor.files import replace_file
from medicell_record.motion import Motion
from medicell_record.record import BatchRecord
from medicell_record.report import columns, results, rows
from medicell_record.report.looks import looks_of, spreads_of
from medicell_record.report.pdf import AMBER, GREEN, GREY, RED, Colour, Column, ReportPages
from medicell_record.report.people import draw_orders, draw_signatures, verdict_of
from medicell_record.report.plots import plot_climate, plot_growth, plot_metabolites
from medicell_record.report.texts import NOT_KNOWN, commander, fixed, moment, number, words
from medicell_record.signing.standing import (
    LIMITS_MISSED,
    RELEASABLE,
    awaited_tests,
    missed_tests,
)
from medicell_record.verify import VerifyResult, verify
from medicell_record.view import BatchView

_BANNERS: dict[str, tuple[str, Colour]] = {
    RELEASABLE: ('READY FOR RELEASE', GREEN),
    LIMITS_MISSED: ('MADE, LIMITS NOT MET', RED),
    'held': ('HELD', AMBER),
    'aborted': ('ABORTED', RED),
}
_STILL_OPEN = ('NOT CLOSED', AMBER)


def write_report(
    record: BatchRecord,
    path: Path | str,
    *,
    motion: Motion | None = None,
    home: Path | None = None,
) -> None:
    """Write the report of a record; the same record gives the same bytes.

    `motion` tells by what the cell moved, where that is known.

    `home` is the folder of the cells' state, by whose keys checkpoints and signatures are
    checked; without it the chain alone is, and no signature makes a verdict.

    The chain is checked while the report is made, and its result stands in it. Raises
    RECORD_UNREADABLE when the record tells no batch.
    """
    view = BatchView(record.entries())
    batch = view.batch
    folder = Path(path).absolute().parent
    checked = verify(record.name, folder=folder, home=home, outside=home is not None)
    pages = ReportPages(
        title='Batch report',
        identity=batch.batch_id,
        note=f'{batch.product} · {batch.recipe} {batch.recipe_version} · '
        f'Medicell {batch.software_version} · all times UTC',
        made_at_s=view.end_s,
    )
    _outcome(pages, view, verdict=home is not None and checked.sound)
    _identity(pages, view)
    _cell(pages, view)
    if motion is not None:
        _motion(pages, motion)
    _materials(pages, view)
    _timeline(pages, view)
    _pictures(pages, view)
    _measurements(pages, view)
    _decisions(pages, view)
    _deviations(pages, view)
    _questions(pages, view)
    _vials(pages, view)
    _release(pages, view)
    _integrity(pages, view, record, checked)
    draw_signatures(pages, view, sound=checked.sound, checked=home is not None)
    replace_file(Path(path), bytes(pages.output()))


def _outcome(pages: ReportPages, view: BatchView, *, verdict: bool) -> None:
    signed = verdict_of(view) if verdict else None
    pages.banner(*(signed or _ended_as(view)))
    if view.closed is not None and view.closed.reason:
        pages.paragraph(f'Reason: {view.closed.reason}')
        pages.ln(2.0)
    figures = view.closed.figures if view.closed else {}
    accepted = sum(entry.of_dose for _, entry in view.of(VialFilled))
    pages.tiles(
        [
            (fixed(figures.get('fold_expansion'), 1), 'fold expansion'),
            (fixed(figures.get('viability_pct'), 1), 'viability, %'),
            (fixed(figures.get('car_positive_pct'), 1), 'CAR+, %'),
            (_cells(figures.get('car_positive_cells')), 'CAR+ cells in vials'),
            (fixed(figures.get('vector_copies'), 2), 'vector copies per cell'),
            (str(accepted), 'vials of the dose'),
        ]
    )


def _ended_as(view: BatchView) -> tuple[str, Colour]:
    """Return what the end of the batch has made of it, and every final result since."""
    if view.closed is None:
        return _STILL_OPEN
    outcome = view.closed.outcome
    if outcome == RELEASABLE and missed_tests([item.entry for item in view.entries]):
        outcome = LIMITS_MISSED
    return _BANNERS.get(outcome, (outcome, AMBER))


def _identity(pages: ReportPages, view: BatchView) -> None:
    batch = view.batch
    seed = 'none: made on instruments' if batch.seed < 0 else f'{batch.seed} (simulated cell)'
    pages.heading('Batch identity')
    pages.pairs(
        [
            ('Chain of identity', batch.batch_id),
            ('Product', batch.product),
            ('Patient weight', f'{batch.patient_weight_kg:g} kg'),
            ('Dose ordered', f'{number(batch.target_dose_cells)} viable CAR+ cells'),
            ('Master recipe', f'{batch.recipe}, version {batch.recipe_version}'),
            ('SHA-256 of the recipe', batch.recipe_sha256),
            ('Software', f'Medicell {batch.software_version}'),
            ('Seed', seed),
            ('Started by', commander(batch)),
            ('Begin and end', f'{moment(view.start_s)} to {moment(view.end_s)} UTC'),
            (
                'Duration',
                f'{view.day(view.end_s):.2f} days; day 0 begins with the batch, culture day 0 with'
                ' seeding',
            ),
        ]
    )


def _cell(pages: ReportPages, view: BatchView) -> None:
    """Place which software and drivers served, where they ran, and by which files."""
    served = view.batch.nodes
    pages.heading('Cell', room_mm=70.0)
    _table(pages, columns.NODES, rows.nodes(served), 'The record does not tell what served.')
    files = dict.fromkeys((item.name, item.sha256) for node in served for item in node.files)
    if files:
        pages.ln(2.0)
        pages.pairs([(f'SHA-256 of {name}', sha256) for name, sha256 in files])


def _motion(pages: ReportPages, motion: Motion) -> None:
    """Place by what the cell moved, and what its physics has shown."""
    pages.heading('Motion')
    physics = motion.physics
    shown = [] if physics is None else [(name.capitalize(), text) for name, text in physics.rows()]
    peaks = () if physics is None else physics.joints
    pages.pairs(
        [
            ('Simulator', f'{motion.simulator} {motion.version}'),
            *shown,
            *(
                (
                    f'Peak error of {peak.joint}',
                    f'{1e3 * peak.error_rad:.2f} mrad near {peak.near}',
                )
                for peak in peaks
            ),
        ]
    )
    for failure in motion.failures:
        pages.paragraph(f'Out of limits: {failure}')


def _materials(pages: ReportPages, view: BatchView) -> None:
    pages.heading('Materials')
    _table(pages, columns.MATERIALS, rows.materials(view), 'No material was recorded.')


def _timeline(pages: ReportPages, view: BatchView) -> None:
    pages.heading('Timeline', room_mm=60.0)
    pages.paragraph(
        'Phases by unit procedure. Phases that ran more than three times without a fault '
        'share a line; every execution that did not end well has its own.',
        colour=GREY,
    )
    pages.ln(1.5)
    _table(pages, columns.PHASES, rows.phases(view), 'No phase was begun.')


def _pictures(pages: ReportPages, view: BatchView) -> None:
    """Place the pictures of what was measured; an empty one says nothing."""
    plots: tuple[tuple[Callable[[BatchView, IO[bytes]], None], bool], ...] = (
        (plot_growth, bool(view.viable_cells())),
        (plot_metabolites, _has(view, 'glucose_mm', 'lactate_mm', 'ph')),
        (plot_climate, _has(view, 'temperature_c', 'co2_pct', 'dissolved_oxygen_pct')),
    )
    drawn = [plot for plot, has_data in plots if has_data]
    pages.heading('Growth and metabolites', room_mm=125.0 if drawn else 35.0)
    if not drawn:
        pages.paragraph('Nothing was measured in the culture vessel.', colour=GREY)
    for plot in drawn:
        buffer = io.BytesIO()
        plot(view, buffer)
        pages.picture(buffer.getvalue())


def _has(view: BatchView, *names: str) -> bool:
    return any(view.culture(name) for name in names)


def _measurements(pages: ReportPages, view: BatchView) -> None:
    looks = looks_of(view)
    counts = [item for item in looks if item.is_count]
    probes = [item for item in looks if item.is_probe]
    pages.heading('In-process checks and measurements', room_mm=60.0)
    pages.subheading('Cell counts (± standard error)')
    _table(pages, columns.COUNTS, rows.counts(view, counts), 'No count was recorded.')
    pages.subheading('Medium and climate at the probes')
    _table(pages, columns.PROBES, rows.probes(view, probes), 'No probe was read.')
    pages.subheading('Further measurements')
    _table(pages, columns.SPREADS, rows.spreads(view, spreads_of(looks)), 'There are none.')


def _decisions(pages: ReportPages, view: BatchView) -> None:
    pages.heading('Decisions', room_mm=60.0)
    found = [(view.day(item.at_s), entry) for item, entry in view.of(Decision)]
    _table(pages, columns.DECISIONS, rows.decisions(found), 'No decision was recorded.')


def _deviations(pages: ReportPages, view: BatchView) -> None:
    pages.heading('Deviations')
    found = [(view.day(item.at_s), entry) for item, entry in view.of(Deviation)]
    _table(pages, columns.DEVIATIONS, rows.deviations(found), 'No deviation was recorded.')
    for item, entry in view.of(Resumed):
        pages.paragraph(rows.taken_up(item.at_s, entry))


def _questions(pages: ReportPages, view: BatchView) -> None:
    pages.heading('Questions and answers')
    answers = {entry.question_id: (item.at_s, entry) for item, entry in view.of(Answer)}
    asked = [(item.at_s, entry) for item, entry in view.of(Question)]
    _table(pages, columns.QUESTIONS, rows.questions(asked, answers), 'No person was asked.')
    draw_orders(pages, view)


def _vials(pages: ReportPages, view: BatchView) -> None:
    pages.heading('Vials')
    found = [entry for _, entry in view.of(VialFilled)]
    _table(pages, columns.VIALS, rows.vials(view, found), 'No vial was filled.')
    for item, entry in view.of(ProductBalance):
        sampled_ml = sum(
            moved.volume_ml
            for later, moved in view.of(Movement)
            if later.sequence > item.sequence and moved.source == entry.source
        )
        pages.ln(2.0)
        _table(pages, columns.PRODUCT, rows.product(entry, sampled_ml), '')
    for _, balance in view.of(LabelsReconciled):
        pages.ln(2.0)
        pages.paragraph(results.labels(balance), colour=RED if balance.unaccounted else GREEN)


def _release(pages: ReportPages, view: BatchView) -> None:
    pages.heading('Release tests', room_mm=60.0)
    entries = [item.entry for item in view.entries]
    tests = sum(isinstance(entry, ReleaseTest) for entry in entries)
    _table(pages, columns.RELEASE, results.release(view), 'No release test was recorded.')
    if tests:
        missed = [words(item.test) for item in missed_tests(entries)]
        to_date = ' to date' if awaited_tests(entries) else ''
        pages.ln(2.0)
        text = (
            f'Not met: {", ".join(missed)}.' if missed else f'All {tests} tests are met{to_date}.'
        )
        pages.paragraph(text, colour=RED if missed else GREEN)
    pages.ln(1.0)
    pages.paragraph(
        'These verdicts compare figures with limits. Release is the decision of the qualified '
        'person alone.',
        colour=GREY,
    )


def _integrity(
    pages: ReportPages, view: BatchView, record: BatchRecord, checked: VerifyResult
) -> None:
    operations = Counter(entry.role for _, entry in view.of(Command))
    failed = sum(entry.error_code != ErrorCode.OK for _, entry in view.of(Completed))
    chain = 'sound' if checked.sound else f'BROKEN at entry {checked.broken_sequence}'
    pages.heading('Record integrity', room_mm=60.0)
    pages.pairs(
        [
            ('Entries', f'{record.length}, {"closed" if record.closed else "not closed"}'),
            ('Chain when reported', chain if checked.sound else f'{chain}: {checked.detail}'),
            ('Head hash (SHA-256)', record.head_hash),
            ('Operations', _operations_text(operations)),
            ('Operations not done', str(failed)),
            ('Check it yourself', f'./medicell verify {Path(record.name).name}'),
        ]
    )


def _table(
    pages: ReportPages, heads: tuple[Column, ...], lines: list[rows.Line], nothing: str
) -> None:
    if lines:
        pages.grid(heads, lines)
    else:
        pages.paragraph(nothing, colour=GREY)


def _operations_text(operations: Counter[str]) -> str:
    if not operations:
        return 'none'
    parts = [f'{words(role)} {count}' for role, count in sorted(operations.items())]
    return f'{operations.total()}: {", ".join(parts)}'


def _cells(value: float | None) -> str:
    return NOT_KNOWN if value is None else number(value)
