"""`medicell sign`: sign a batch that has ended, close a deviation, enter a final result."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from medicell_bringup.commands.users import ask_credentials, state_of
from medicell_core.entries import Deviation, Entry, Signature
from medicell_core.errors import ErrorCode, InputError
from medicell_core.serialise import from_json
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.motion import Motion
from medicell_record.place import record_of
from medicell_record.record import BatchRecord
from medicell_record.report.certificate import CERTIFIED, write_certificate
from medicell_record.report.document import write_report
from medicell_record.signing.meanings import BATCH, Meaning
from medicell_record.signing.rules import next_meanings
from medicell_record.signing.sign import Wish, sign
from medicell_record.signing.standing import alarms, awaited_tests, open_deviations, stage_of
from medicell_record.verify import report_text, verify

REPORT, CERTIFICATE, SUMMARY = 'report.pdf', 'certificate.pdf', 'summary.json'


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOptions:
    """What `medicell sign` was told."""

    folder: Path
    meaning: Meaning | None
    by: str
    deviation: str
    test: str
    result: str
    reference: str
    days: float
    reason: str
    config: Path
    state: Path | None


def sign_batch(options: SignOptions) -> int:
    """Sign, and write report and certificate anew; without a meaning tell what is open.

    Returns 0, and 3 for a record that is looked at and is not sound.
    """
    console = Console()
    if not options.folder.is_dir():
        raise InputError(
            ErrorCode.RECORD_UNREADABLE, 'there is no such folder', file=str(options.folder)
        )
    state = state_of(options.config, options.state)
    if options.meaning is None:
        return _look(console, options.folder, state.parent)
    if not options.by:
        raise InputError(ErrorCode.INVALID_GOAL, 'must be given', field='--as')
    entries, motion = _entries(options.folder), _motion(options.folder)
    wish = Wish(
        meaning=options.meaning,
        subject=_subject(options, entries),
        reason=options.reason,
        result=options.result,
        reference=options.reference,
        days=options.days,
    )
    with Accounts.open(state / ACCOUNTS_FILE) as accounts:
        given = ask_credentials(options.by)
        made = sign(options.folder, wish, given, accounts=accounts, state=state)
    shown = _write_documents(options.folder, motion, state.parent)
    console.print(
        f'{made.signature_id}: {made.what} by {made.printed_name} '
        f'({made.role}): entries 1 to {made.entries}; shown by {" and ".join(map(str, shown))}',
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return 0


def _look(console: Console, folder: Path, home: Path) -> int:
    """Tell how a batch stands whose record is sound; 3 and what is wrong for any other.

    Documents that a signature has left unwritten are written.
    """
    checked = verify(record_of(folder), folder=folder, home=home)
    if not checked.sound:
        sys.stdout.write(report_text(checked) + '\n')
        return checked.exit_code
    entries = _entries(folder)
    if any(not path.is_file() for path in _documents(folder, entries)):
        _write_documents(folder, _motion(folder), home)
    _show(console, entries)
    return 0


def _documents(folder: Path, entries: Sequence[Entry]) -> list[Path]:
    """Return what a batch that has been signed is shown by."""
    if not any(isinstance(item, Signature) for item in entries):
        return []
    names = (REPORT, CERTIFICATE) if stage_of(entries) in CERTIFIED else (REPORT,)
    return [folder / name for name in names]


def _write_documents(folder: Path, motion: Motion | None, home: Path) -> list[Path]:
    """Write report and certificate anew; what is out of date does not stay if that fails."""
    for name in (REPORT, CERTIFICATE):
        (folder / name).unlink(missing_ok=True)
    with BatchRecord.open(record_of(folder), read_only=True) as record:
        write_report(record, folder / REPORT, motion=motion, home=home)
        shown = _documents(folder, [item.entry for item in record])
        if folder / CERTIFICATE in shown:
            write_certificate(record, folder / CERTIFICATE, home=home)
    return shown


def _entries(folder: Path) -> list[Entry]:
    with BatchRecord.open(record_of(folder), read_only=True) as record:
        return [item.entry for item in record]


def _subject(options: SignOptions, entries: list[Entry]) -> str:
    """Return the batch, the test, or the deviation that is named by its number or in full."""
    if options.test:
        return options.test
    if not options.deviation:
        return BATCH
    for item in entries:
        if isinstance(item, Deviation):
            name = item.deviation_id
            if options.deviation in (name, name.rpartition('/')[2]):
                return name
    raise InputError(
        ErrorCode.INVALID_GOAL,
        f'the record has no deviation {options.deviation}',
        field='--deviation',
    )


def _motion(folder: Path) -> Motion | None:
    """Return by what the cell moved, as the run's summary tells it; None where it does not."""
    try:
        content = json.loads((folder / SUMMARY).read_text('utf-8'))
    except FileNotFoundError:
        return None
    told = content.get('motion')
    if told is None:
        return None
    return from_json(Motion, {key: value for key, value in told.items() if key != 'failures'})


def _show(console: Console, entries: list[Entry]) -> None:
    lines = [
        f'signed: {item.what} by {item.printed_name} ({item.role})'
        for item in entries
        if isinstance(item, Signature)
    ]
    still_open = open_deviations(entries)
    lines += [
        f'open: {item.deviation_id}: {item.description}'
        for item in entries
        if isinstance(item, Deviation) and item.deviation_id in still_open
    ]
    lines += [f'awaited: final result of {test}' for test in awaited_tests(entries)]
    lines += [f'ALARM: {alarm}' for alarm in alarms(entries)]
    lines.append(f'stage: {stage_of(entries)}')
    following = ', '.join(str(item) for item in next_meanings(entries))
    lines.append(f'can be signed next: {following or "nothing"}')
    console.print('\n'.join(lines), highlight=False, markup=False, soft_wrap=True)
