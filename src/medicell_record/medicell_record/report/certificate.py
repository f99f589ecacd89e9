"""The certificate of a batch that was let go: what was judged, by whom, with which result."""

from __future__ import annotations

from pathlib import Path

from medicell_core.entries import Deviation, LabelsReconciled, Signature, VialFilled
from medicell_core.errors import ErrorCode, InputError
from medicell_record.anchor.files import replace_file
from medicell_record.record import BatchRecord
from medicell_record.release.figures import dose_cells, release_figures
from medicell_record.report import columns, results
from medicell_record.report.pdf import GREY, ReportPages
from medicell_record.report.people import signature_lines, verdict_of
from medicell_record.report.texts import moment, number, words
from medicell_record.signing.decisions import LET_GO, Stage
from medicell_record.signing.meanings import NEEDS_REASON
from medicell_record.signing.standing import (
    alarms,
    awaited_tests,
    batch_signatures,
    missed_tests,
    stage_of,
)
from medicell_record.verify import verify
from medicell_record.view import BatchView

CERTIFIED = (*LET_GO, Stage.RECALLED)
"""The stages of a batch that has a certificate; a recalled one's says so."""
_BINDS = (
    'This page is drawn from the batch record, which counts where the two differ. Each signature '
    'was made with identifier and password, and stands in the record. Check it: ./medicell verify.'
)


def write_certificate(record: BatchRecord, path: Path, *, home: Path | None) -> None:
    """Write the certificate of a record; raises what `certificate` does."""
    replace_file(path, certificate(record, path.absolute().parent, home=home))


def check_certificate(record: BatchRecord, path: Path, *, home: Path | None) -> None:
    """Raise CHAIN_BROKEN for a file that is not the certificate of a record as it stands."""
    if path.read_bytes() != certificate(record, path.absolute().parent, home=home):
        raise InputError(
            ErrorCode.CHAIN_BROKEN,
            'is not the certificate of the record as it stands: remove it, and `./medicell sign '
            f'{path.parent}` writes it anew',
            file=str(path),
        )


def certificate(record: BatchRecord, folder: Path, *, home: Path | None) -> bytes:
    """Return the certificate of the record of a run's folder, always in the same bytes.

    `home` is the folder of the cells' state. Raises CHAIN_BROKEN for a record that is not sound,
    NOT_ALLOWED_IN_STATE for a batch that nobody has let go.
    """
    view = BatchView(record.entries())
    checked = verify(record.name, folder=folder, home=home)
    if not checked.sound:
        raise InputError(
            ErrorCode.CHAIN_BROKEN, f'is not certified: {checked.detail}', file=record.name
        )
    verdict = verdict_of(view)
    if verdict is None or stage_of(item.entry for item in view.entries) not in CERTIFIED:
        raise InputError(
            ErrorCode.NOT_ALLOWED_IN_STATE, 'is not certified: nobody let it go', file=record.name
        )
    batch = view.batch
    signatures = [(item.at_s, entry) for item, entry in view.of(Signature)]
    pages = ReportPages(
        title='Release certificate',
        identity=batch.batch_id,
        note=f'{batch.product} · {batch.recipe} {batch.recipe_version} · '
        f'Medicell {batch.software_version} · all times UTC',
        made_at_s=signatures[-1][0],
    )
    pages.banner(*verdict)
    for text in _said(view):
        pages.paragraph(text)
    _batch(pages, view, record)
    _tests(pages, view)
    _deviations(pages, view)
    pages.heading('Signatures')
    pages.grid(columns.SIGNATURES, signature_lines(signatures))
    pages.ln(2.0)
    pages.paragraph(_BINDS, colour=GREY)
    return bytes(pages.output())


def _said(view: BatchView) -> list[str]:
    """Return what the verdict rests on."""
    entries = [item.entry for item in view.entries]
    missed = ', '.join(test.test for test in missed_tests(entries))
    awaited = ', '.join(awaited_tests(entries))
    said = [f'Limits missed: {missed or "none"}. Final results awaited: {awaited or "none"}.']
    said += [f'{alarm}.' for alarm in alarms(entries)]
    said += [
        f'{entry.printed_name} ({words(entry.role)}) has signed {words(meaning)}: {entry.reason}.'
        for meaning, entry in batch_signatures(entries).items()
        if meaning in NEEDS_REASON
    ]
    return said


def _batch(pages: ReportPages, view: BatchView, record: BatchRecord) -> None:
    batch = view.batch
    filled = [entry for _, entry in view.of(VialFilled)]
    dose = dose_cells(filled, release_figures(view.entries))
    vials = sum(vial.of_dose for vial in filled)
    pages.heading('Batch')
    pages.pairs(
        [
            ('Chain of identity', batch.batch_id),
            ('Product', batch.product),
            ('Dose ordered', f'{number(batch.target_dose_cells)} viable CAR+ cells'),
            ('Dose filled', f'{number(dose)} viable CAR+ cells in {vials} vials'),
            ('Final container tested', results.tested(view)),
            ('Master recipe', f'{batch.recipe}, version {batch.recipe_version}'),
            ('Made', f'{moment(view.start_s)} to {moment(view.end_s)} UTC'),
            ('Record', f'{record.length} entries, the last with the SHA-256 {record.head_hash}'),
        ]
    )


def _tests(pages: ReportPages, view: BatchView) -> None:
    pages.heading('Results')
    pages.grid(columns.RELEASE, results.release(view))
    for _, balance in view.of(LabelsReconciled):
        pages.ln(2.0)
        pages.paragraph(results.labels(balance))


def _deviations(pages: ReportPages, view: BatchView) -> None:
    pages.heading('Deviations')
    closed = {entry.subject: entry for _, entry in view.of(Signature)}
    found = [entry for _, entry in view.of(Deviation)]
    if not found:
        pages.paragraph('No deviation was recorded.', colour=GREY)
        return
    pages.grid(
        columns.CLOSED_DEVIATIONS,
        [
            [
                entry.deviation_id.rpartition('/')[2],
                entry.description,
                entry.action,
                closed[entry.deviation_id].printed_name,
                closed[entry.deviation_id].reason,
            ]
            for entry in found
        ],
    )
