"""People on the report of a batch: what they ordered, and who signed what with which meaning."""

from __future__ import annotations

from collections.abc import Sequence

from medicell_core.entries import Entry, Ordered, Signature
from medicell_record.report import columns
from medicell_record.report.pdf import AMBER, BLACK, GREEN, GREY, RED, Cell, Colour, ReportPages
from medicell_record.report.rows import Line
from medicell_record.report.texts import NOT_KNOWN, commander, to_second, words
from medicell_record.signing.decisions import ENDED, Condition, Limits, Stage
from medicell_record.signing.meanings import Meaning
from medicell_record.signing.standing import (
    POSITIVE,
    alarms,
    awaited_tests,
    batch_signatures,
    condition_of,
    open_deviations,
    stage_of,
)
from medicell_record.view import BatchView

_VERDICTS: dict[Stage, tuple[str, Colour]] = {
    Stage.RELEASED_CONDITIONALLY: ('RELEASED CONDITIONALLY', AMBER),
    Stage.RELEASED_OUT_OF_SPECIFICATION: ('RELEASED OUT OF SPECIFICATION', AMBER),
    Stage.RELEASED: ('RELEASED', GREEN),
    Stage.REJECTED: ('REJECTED', RED),
    Stage.RECALLED: ('RECALLED', RED),
}
_COLOURS = {str(stage): colour for stage, (_, colour) in _VERDICTS.items()}
_SIGNERS = {
    Meaning.PERFORMED: 'Made by: operator of the cell',
    Meaning.REVIEWED: 'Checked by: second person, record and deviations read',
    Meaning.APPROVED: 'Approved by: quality, deviations closed',
    Meaning.REQUESTED: 'Requested by: treating physician, limits are missed',
    Meaning.RELEASED: 'Released or rejected by: qualified person',
}
_SECOND_STAGE = 'Released by: qualified person, final results are negative'
_SIGNED = (
    'Each signature was made with its identifier and its password, binds to the entries named '
    'by their last hash, stands in the record itself and is sealed by the key of the cell.'
)
_BROKEN = (
    'This record was not sound when this report was written: none of these signatures can be '
    'relied on.'
)
_UNCHECKED = 'The seals of these signatures were not checked when this report was written.'


def verdict_of(view: BatchView) -> tuple[str, Colour] | None:
    """Return what the last signature has made of the batch, or None while it is not judged."""
    entries = [item.entry for item in view.entries]
    stage = stage_of(entries)
    if stage not in _VERDICTS:
        return None
    text, colour = _VERDICTS[stage]
    signer = batch_signatures(entries)[Meaning(stage)].printed_name
    if alarms(entries) and stage is not Stage.RECALLED:
        return f'POSITIVE AFTER RELEASE by {signer}', RED
    return f'{text} by {signer}', colour


def draw_orders(pages: ReportPages, view: BatchView) -> None:
    """Place who held, resumed or aborted the batch, with its state before and the one wanted."""
    found = [(item.at_s, entry) for item, entry in view.of(Ordered)]
    if not found:
        return
    pages.subheading('Orders')
    pages.grid(
        columns.ORDERS,
        [
            [
                to_second(at_s),
                Cell(text=entry.order, bold=True),
                commander(entry),
                entry.before or NOT_KNOWN,
                entry.after or NOT_KNOWN,
                entry.reason,
            ]
            for at_s, entry in found
        ],
    )


def draw_signatures(pages: ReportPages, view: BatchView, *, sound: bool, checked: bool) -> None:
    """Place the signatures that the record holds, and empty blocks for those that it does not.

    `sound` says whether the record was, `checked` whether the seals were looked at.
    """
    given = [(item.at_s, entry) for item, entry in view.of(Signature)]
    pages.heading('Signatures', room_mm=95.0)
    if given:
        pages.grid(columns.SIGNATURES, signature_lines(given))
        keys = ', '.join(dict.fromkeys(entry.key for _, entry in given))
        pages.ln(2.0)
        if not sound:
            pages.paragraph(_BROKEN, colour=RED)
        else:
            pages.paragraph(f'{_SIGNED if checked else _UNCHECKED} Key: {keys}.', colour=GREY)
        pages.ln(2.0)
    _draw_open(pages, [item.entry for item in view.entries])


def _draw_open(pages: ReportPages, entries: list[Entry]) -> None:
    """Place what is open yet, and a block for each signature that is missing."""
    still_open = [item.rpartition('/')[2] for item in open_deviations(entries)]
    told = [(str(alarm), RED) for alarm in alarms(entries)]
    if still_open:
        told.append((f'Deviations that nobody has closed: {", ".join(still_open)}', RED))
    if awaited_tests(entries):
        told.append(
            (f'Final results that are awaited: {", ".join(awaited_tests(entries))}', AMBER)
        )
    for text, colour in told:
        pages.paragraph(f'{text}.', colour=colour)
        pages.ln(2.0)
    signed = batch_signatures(entries)
    due = _due(condition_of(entries))
    pages.signature_blocks([text for meaning, text in due.items() if meaning not in signed])


def _due(condition: Condition) -> dict[Meaning, str]:
    """Return what can be signed for the batch yet, with what stands over its block."""
    if condition.stage is Stage.RELEASED_CONDITIONALLY and condition.limits is Limits.MET:
        return {Meaning.RELEASED: _SECOND_STAGE}
    if condition.stage in ENDED:
        return {}
    request = condition.limits is Limits.MISSED
    return {
        meaning: text
        for meaning, text in _SIGNERS.items()
        if request or meaning is not Meaning.REQUESTED
    }


def signature_lines(items: Sequence[tuple[float, Signature]]) -> list[Line]:
    """Return a line per signature, with the time at which it was made by the host's clock."""
    return [
        [
            Cell(text=words(entry.meaning), bold=True, colour=_colour(entry)),
            Cell(text=entry.printed_name, bold=True),
            f'{entry.signer}, {words(entry.role)}',
            to_second(at_s),
            f'{entry.subject.rpartition("/")[2]}; entries 1 to {entry.entries}',
            '; '.join(filter(None, (entry.result, entry.reference, entry.reason))) or NOT_KNOWN,
        ]
        for at_s, entry in items
    ]


def _colour(entry: Signature) -> Colour:
    return RED if entry.result == POSITIVE else _COLOURS.get(entry.meaning, BLACK)
