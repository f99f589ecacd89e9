"""People on the report of a batch: what they ordered, and who signed what with which meaning."""

from __future__ import annotations

from collections.abc import Sequence

from medicell_core.entries import Ordered, Signature
from medicell_record.report import columns
from medicell_record.report.pdf import BLACK, GREEN, GREY, RED, Cell, Colour, ReportPages
from medicell_record.report.rows import Line
from medicell_record.report.texts import NOT_KNOWN, to_second, words
from medicell_record.signing.rules import Meaning, batch_signatures, open_deviations
from medicell_record.view import BatchView

_VERDICTS: dict[Meaning, tuple[str, Colour]] = {
    Meaning.RELEASED: ('RELEASED', GREEN),
    Meaning.REJECTED: ('REJECTED', RED),
}
_SIGNERS = {
    Meaning.PERFORMED: 'Made by: operator of the cell',
    Meaning.REVIEWED: 'Checked by: second person, record and deviations read',
    Meaning.APPROVED: 'Approved by: quality, deviations closed',
    Meaning.RELEASED: 'Released or rejected by: qualified person',
}
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
    given = [entry for _, entry in view.of(Signature) if entry.meaning in _VERDICTS]
    if not given:
        return None
    text, colour = _VERDICTS[Meaning(given[-1].meaning)]
    return f'{text} by {given[-1].printed_name}', colour


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
                entry.operator or NOT_KNOWN,
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
    signed = batch_signatures(entry for _, entry in given)
    if not signed.keys() & set(_VERDICTS):
        still_open = open_deviations(item.entry for item in view.entries)
        if still_open:
            numbers = ', '.join(item.rpartition('/')[2] for item in still_open)
            pages.paragraph(f'Deviations that nobody has closed: {numbers}.', colour=RED)
            pages.ln(2.0)
        pages.signature_blocks([text for role, text in _SIGNERS.items() if role not in signed])


def signature_lines(items: Sequence[tuple[float, Signature]]) -> list[Line]:
    """Return a line per signature, with the time at which it was made by the host's clock."""
    return [
        [
            Cell(text=entry.meaning, bold=True, colour=_meaning_colour(entry.meaning)),
            Cell(text=entry.printed_name, bold=True),
            f'{entry.signer}, {words(entry.role)}',
            to_second(at_s),
            f'{entry.subject.rpartition("/")[2]}; entries 1 to {entry.entries}',
            entry.reason or NOT_KNOWN,
        ]
        for at_s, entry in items
    ]


def _meaning_colour(meaning: str) -> Colour:
    return {'released': GREEN, 'rejected': RED}.get(meaning, BLACK)
