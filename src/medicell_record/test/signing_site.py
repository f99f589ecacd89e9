"""A cell with people who sign, and the folders of made-up batches on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from synthetic_batch import BATCH as BATCH_ID
from synthetic_batch import START_S, started

from medicell_core.clock import Clock
from medicell_core.entries import BatchClosed, Deviation, Entry, Signature
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.access.passwords import Credentials, PasswordKeeper
from medicell_record.access.permissions import UserRole
from medicell_record.access.person_key import Cost
from medicell_record.anchor.anchor import Anchor
from medicell_record.place import RECORD_FILE, open_record
from medicell_record.record import BatchRecord
from medicell_record.report.document import write_report
from medicell_record.report.pdf import ReportPages
from medicell_record.signing.meanings import BATCH, Meaning
from medicell_record.signing.rules import Intent
from medicell_record.signing.sign import Wish, sign
from medicell_record.verify import VerifyResult, verify

QUICK = PasswordKeeper(Cost(passes=1, memory_kib=8, lanes=1))
PASSWORD, GIVEN = 'correct horse battery', 'given by the admin'
PEOPLE = {
    'olga': ('Olga Operator', UserRole.OPERATOR),
    'sven': ('Sven Supervisor', UserRole.SUPERVISOR),
    'quinn': ('Quinn Quality', UserRole.QUALITY),
    'quentin': ('Quentin Quality', UserRole.QUALITY),
    'petra': ('Petra Person', UserRole.QUALIFIED_PERSON),
    'phil': ('Phil Physician', UserRole.PHYSICIAN),
    'max': ('Max Maintenance', UserRole.MAINTENANCE),
}
ADMIN = Credentials(user_id='admin', password='an honest start')
DEVIATIONS = (f'{BATCH_ID}/D001', f'{BATCH_ID}/D002')


def deviation(deviation_id: str) -> Deviation:
    return Deviation(
        deviation_id=deviation_id,
        phase='a/b/c',
        error_code=103,
        description='a line was kinked',
        action='straightened',
        recovered=True,
    )


CLOSE = BatchClosed(outcome='ready_for_release', reason='all limits met', figures={})
WHOLE: tuple[Entry, ...] = (started(), *map(deviation, DEVIATIONS), CLOSE)


def signature(user_id: str, meaning: Meaning, subject: str = BATCH) -> Signature:
    name, role = PEOPLE[user_id]
    return Signature(
        signature_id='S',
        signer=user_id,
        printed_name=name,
        role=str(role),
        meaning=str(meaning),
        subject=subject,
        reason='looked at',
        record='',
        entries=0,
        head='',
        key='',
    )


def intent(user_id: str, meaning: Meaning, subject: str = BATCH, reason: str = 'why') -> Intent:
    return Intent(
        signer=user_id,
        printed_name=PEOPLE[user_id][0],
        meaning=meaning,
        subject=subject,
        reason=reason,
    )


@dataclass(frozen=True)
class Site:
    """A cell with people, and the folder of a run on it."""

    home: Path
    accounts: Accounts
    folder: Path
    cell: str = 'cell_1'

    @property
    def state(self) -> Path:
        return self.home / self.cell

    def make(self, folder: Path, entries: tuple[Entry, ...] = WHOLE) -> Path:
        folder.mkdir()
        witness = Anchor(state=self.state, folder=folder)
        with BatchRecord.create(folder / RECORD_FILE, witness=witness) as record:
            for number, entry in enumerate(entries):
                record.append(entry, at_s=START_S + number, actor='orchestrator')
        return folder

    def sign(
        self,
        user_id: str,
        meaning: Meaning,
        subject: str = BATCH,
        *,
        password: str = PASSWORD,
        reason: str = 'looked at',
        result: str = '',
        reference: str = '',
        days: float = 0.0,
        clock: Clock | None = None,
        folder: Path | None = None,
    ) -> Signature:
        return sign(
            self.folder if folder is None else folder,
            Wish(
                meaning=meaning,
                subject=subject,
                reason=reason,
                result=result,
                reference=reference,
                days=days,
            ),
            Credentials(user_id=user_id, password=password),
            accounts=self.accounts,
            state=self.state,
            clock=clock,
        )

    def verify(self, folder: Path | None = None) -> VerifyResult:
        folder = self.folder if folder is None else folder
        return verify(folder / RECORD_FILE, home=self.home)

    def entries(self) -> list[Entry]:
        with open_record(self.folder) as record:
            return [item.entry for item in record]


def write_people(home: Path) -> None:
    """Write a cell's state with an account for each of PEOPLE."""
    path = home / 'cell_1' / ACCOUNTS_FILE
    with Accounts.create(path, ADMIN, 'Ada Admin', keeper=QUICK) as accounts:
        for user_id, (name, role) in PEOPLE.items():
            given = Credentials(user_id=user_id, password=GIVEN)
            accounts.add(ADMIN, given, name, [role])
            accounts.change_password(given, PASSWORD)


@contextmanager
def site_at(folder: Path, people: Path, entries: tuple[Entry, ...]) -> Iterator[Site]:
    """Give a site of its own below a folder, with a batch of these entries."""
    home = folder / 'state'
    shutil.copytree(people, home)
    with Accounts.open(home / 'cell_1' / ACCOUNTS_FILE, keeper=QUICK) as accounts:
        made = Site(home=home, accounts=accounts, folder=folder / 'run')
        made.make(made.folder, entries)
        yield made


def drawn(site: Site, monkeypatch: pytest.MonkeyPatch, *, checked: bool = True) -> list[str]:
    """Return every text of a report that is about signatures."""
    found: list[str] = []

    def spy(name: str) -> None:
        original = getattr(ReportPages, name)

        def draw(pages: ReportPages, *arguments: Any, **named: Any) -> object:
            for line in arguments[-1] if name in ('grid', 'signature_blocks') else arguments[:1]:
                cells = [line] if isinstance(line, str) else line
                found.extend(str(getattr(cell, 'text', cell)) for cell in cells)
            return original(pages, *arguments, **named)

        monkeypatch.setattr(ReportPages, name, draw)

    for name in ('banner', 'paragraph', 'grid', 'signature_blocks'):
        spy(name)
    with BatchRecord.open(site.folder / RECORD_FILE, read_only=True) as record:
        home = site.home if checked else None
        write_report(record, site.folder / 'report.pdf', home=home)
    monkeypatch.undo()
    return found
