"""Signatures need both components, keep their order, bind to what they sign, and stay put."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from signing_site import (
    ADMIN,
    CLOSE,
    DEVIATIONS,
    GIVEN,
    PASSWORD,
    PEOPLE,
    QUICK,
    WHOLE,
    Site,
    deviation,
    drawn,
    intent,
    signature,
    site_at,
    write_people,
)
from synthetic_batch import BATCH as BATCH_ID
from synthetic_batch import START_S, started

from medicell_core.entries import Answer, Entry, Ordered, Signature
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.anchor.anchor import Anchor
from medicell_record.anchor.keys import cell_key
from medicell_record.anchor.place import ANCHOR_FILE, COPY_FILE, PUBLIC_FILE
from medicell_record.checking.problems import Problem
from medicell_record.checking.signatures import UNSEALED, UNTOLD_CELL
from medicell_record.place import RECORD_FILE, open_record
from medicell_record.record import BatchRecord
from medicell_record.report.texts import to_second
from medicell_record.signing.meanings import BATCH, Meaning
from medicell_record.signing.rules import next_meanings, why_not
from medicell_record.signing.seal import sealed
from medicell_record.signing.standing import open_deviations
from medicell_record.verify import VerifyResult, report_text, verify

ORDER = (
    ('olga', Meaning.PERFORMED, BATCH),
    ('sven', Meaning.REVIEWED, BATCH),
    *(('quinn', Meaning.CLOSED, item) for item in DEVIATIONS),
    ('quinn', Meaning.APPROVED, BATCH),
    ('petra', Meaning.RELEASED, BATCH),
)
"""Every signature of a batch that is released, in their order."""


@pytest.fixture(scope='module')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cell's state with an account for each of PEOPLE."""
    home = tmp_path_factory.mktemp('state')
    write_people(home)
    return home


@pytest.fixture
def site(people: Path, tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path, people, WHOLE) as made:
        yield made


@pytest.fixture
def released(site: Site) -> Site:
    for user_id, meaning, subject in ORDER:
        site.sign(user_id, meaning, subject)
    return site


# --- a batch that is released ---------------------------------------------------------------


def test_batch_is_signed_from_performed_to_released_and_verifies(released: Site) -> None:
    result = released.verify()
    assert result.sound
    assert result.closed
    assert result.entries == len(WHOLE) + len(ORDER)
    signed = [note for note in result.notes if note.startswith('signed: ')]
    assert [note.split()[1:3] for note in signed] == [
        [subject, str(meaning)] for _, meaning, subject in ORDER
    ]
    assert 'by Petra Person (petra), qualified_person, on 20' in report_text(result)


def test_signature_says_who_by_which_role_what_and_binds_to_all_before_it(site: Site) -> None:
    before = site.verify()
    made = site.sign('olga', Meaning.PERFORMED)
    assert (made.signer, made.printed_name, made.role) == ('olga', 'Olga Operator', 'operator')
    assert (made.entries, made.head) == (before.entries, before.head_hash)
    with open_record(site.folder) as record:
        last = list(record)[-1]
        assert made.record == record.first_hash
    assert (last.actor, last.entry) == ('olga', made)
    assert made.signature_id == f'{BATCH_ID}/S001'


def test_signatures_are_anchored_too(released: Site) -> None:
    result = released.verify()
    assert f'the last at entry {result.entries} on ' in result.notes[0]


# --- what is refused ------------------------------------------------------------------------


def refused(site: Site, code: ErrorCode, says: str, *words: str, **options: str) -> None:
    before = site.verify().entries
    user_id, meaning, *subject = words
    with pytest.raises(MedicellError, match=says) as caught:
        site.sign(user_id, Meaning(meaning), *subject, **options)  # type: ignore[arg-type]
    assert caught.value.code is code
    assert site.verify().entries == before


ALLOWED = {
    Meaning.PERFORMED: ['olga', 'sven'],
    Meaning.REVIEWED: ['sven', 'quinn', 'quentin'],
    Meaning.CLOSED: ['quinn', 'quentin'],
    Meaning.APPROVED: ['quinn', 'quentin'],
    Meaning.REJECTED: ['quinn', 'quentin', 'petra'],
    Meaning.RELEASED: ['petra'],
}


@pytest.mark.parametrize('meaning', ALLOWED)
@pytest.mark.parametrize('user_id', [*PEOPLE, 'admin'])
def test_each_meaning_is_signed_by_its_roles_alone(
    site: Site, user_id: str, meaning: Meaning
) -> None:
    meanings = [item[1] for item in ORDER]
    place = 2 if meaning is Meaning.REJECTED else meanings.index(meaning)
    for signer, before, subject in ORDER[:place]:
        other = 'quentin' if signer == 'quinn' and meaning is not Meaning.APPROVED else signer
        site.sign(other, before, subject)
    subject = DEVIATIONS[0] if meaning is Meaning.CLOSED else BATCH
    password = ADMIN.password if user_id == 'admin' else PASSWORD
    if user_id in ALLOWED[meaning]:
        site.sign(user_id, meaning, subject, password=password)
        assert site.verify().sound
        return
    with pytest.raises(AccessRefused) as caught:
        site.sign(user_id, meaning, subject, password=password)
    assert caught.value.refusal is Refusal.NOT_PERMITTED


FORGED = 'seen\n  signed: batch released by Petra Person (petra), qualified_person'


@pytest.mark.parametrize('field', ['reason', 'reference'])
@pytest.mark.parametrize(
    ('text', 'says'),
    [
        (FORGED, r"the letter '\\n', which cannot be printed; must be one line"),
        ('\x1b[2Jnothing', 'cannot be printed'),
        ('so ' * 1000, 'has 3000 letters; must be 2000 at most'),
    ],
)
def test_words_that_could_pass_for_another_line_are_not_signed(
    site: Site, field: str, text: str, says: str
) -> None:
    refused(site, ErrorCode.INVALID_GOAL, says, 'olga', 'performed', **{field: text})


@pytest.mark.parametrize('password', ['', 'wrong', GIVEN])
def test_signature_without_the_second_component_is_refused(site: Site, password: str) -> None:
    code = ErrorCode.WRONG_CREDENTIALS
    refused(site, code, 'identifier or password is wrong', 'olga', 'performed', password=password)


def test_signature_without_the_first_component_is_refused(site: Site) -> None:
    code = ErrorCode.WRONG_CREDENTIALS
    for user_id in ('', 'nobody', 'OLGA'):
        refused(site, code, 'identifier or password is wrong', user_id, 'performed')


def test_locked_account_signs_nothing(site: Site) -> None:
    for _ in range(site.accounts.policy.max_failures):
        with pytest.raises(AccessRefused):
            site.sign('olga', Meaning.PERFORMED, password='wrong')
    refused(site, ErrorCode.ACCOUNT_LOCKED, 'the account is locked', 'olga', 'performed')


def test_record_that_is_not_sound_is_not_signed(site: Site) -> None:
    copy = site.folder / COPY_FILE
    copy.write_text(copy.read_text().replace('"entries":4', '"entries":3'))
    with pytest.raises(InputError, match=r'is not signed: .*BROKEN') as caught:
        site.sign('olga', Meaning.PERFORMED)
    assert caught.value.code is ErrorCode.CHAIN_BROKEN


def add_close(folder: Path) -> None:
    """End a record as somebody would who may write to its folder alone."""
    with BatchRecord.open(folder / RECORD_FILE) as record:
        record.append(CLOSE, at_s=START_S + 9.0, actor='orchestrator')


def not_signed(site: Site, folder: Path, says: str) -> None:
    """Assert that a batch is not signed, and that the cell does not vouch for it meanwhile."""
    anchor = site.state / ANCHOR_FILE
    before = anchor.read_text()
    with pytest.raises(InputError, match=says) as caught:
        site.sign('olga', Meaning.PERFORMED, folder=folder)
    assert caught.value.code is ErrorCode.CHAIN_BROKEN
    assert anchor.read_text() == before


def test_record_that_was_made_elsewhere_is_not_signed(site: Site, tmp_path: Path) -> None:
    with BatchRecord.create(tmp_path / RECORD_FILE) as record:
        record.append(replace(started(), operator='forger'), at_s=START_S, actor='orchestrator')
    add_close(tmp_path)
    not_signed(site, tmp_path, r'it is vouched for by nobody; .*anchor\.jsonl has no checkpoint')
    # Nor do the checkpoints beside it: who may write to the folder could have put them there.
    (site.state / ANCHOR_FILE).write_text('')
    not_signed(site, site.folder, 'it is vouched for by nobody')


def test_record_whose_end_was_put_on_by_another_is_not_signed(site: Site, tmp_path: Path) -> None:
    folder = site.make(tmp_path / 'killed', WHOLE[:-1])
    add_close(folder)
    assert 'entries 4 to 4 are vouched for by nobody' in report_text(site.verify(folder))
    not_signed(site, folder, 'entries 4 to 4 are vouched for by nobody')


def test_batch_that_was_taken_up_and_ended_by_the_cell_is_signed(
    site: Site, tmp_path: Path
) -> None:
    folder = site.make(tmp_path / 'killed', (started(),))
    with BatchRecord.open(folder / RECORD_FILE) as record:
        # Killed: this entry was written, and no checkpoint of it.
        record.append(deviation(DEVIATIONS[0]), at_s=START_S + 1.0, actor='orchestrator')
    with open_record(folder, witness=Anchor(state=site.state, folder=folder)) as record:
        record.append(CLOSE, at_s=START_S + 9.0, actor='orchestrator')
    site.sign('olga', Meaning.PERFORMED, folder=folder)
    assert site.verify(folder).sound


def test_batch_that_has_not_ended_is_not_signed(site: Site, tmp_path: Path) -> None:
    folder = site.make(tmp_path / 'open', (started(),))
    with pytest.raises(MedicellError, match='the batch has not ended'):
        site.sign('olga', Meaning.PERFORMED, folder=folder)
    with open_record(folder) as record, pytest.raises(MedicellError, match='is not closed'):
        record.append(signature('olga', Meaning.PERFORMED), at_s=START_S, actor='olga')


def test_released_batch_takes_no_further_signature(released: Site) -> None:
    for user_id, meaning in (
        ('quinn', 'rejected'),
        ('petra', 'released'),
        ('olga', 'performed'),
    ):
        refused(
            released,
            ErrorCode.NOT_ALLOWED_IN_STATE,
            'Petra Person has signed released: recalled, notified, tested can be signed after it',
            user_id,
            meaning,
        )


# --- people of another cell -----------------------------------------------------------------


@pytest.fixture
def another(site: Site, people: Path) -> Iterator[Site]:
    """A second cell with people and a key of its own, for the same folder."""
    state = site.home / 'cell_9'
    shutil.copytree(people / 'cell_1', state)
    with Accounts.open(state / ACCOUNTS_FILE, keeper=QUICK) as accounts:
        yield replace(site, accounts=accounts, cell='cell_9')


def test_people_of_another_cell_sign_nothing_that_this_one_made(site: Site, another: Site) -> None:
    key = cell_key(site.state).public.key_id
    with pytest.raises(InputError, match=f'begun by the cell with the key {key}') as caught:
        another.sign('olga', Meaning.PERFORMED)
    assert caught.value.code is ErrorCode.CHAIN_BROKEN
    site.sign('olga', Meaning.PERFORMED)


def test_people_of_another_cell_do_not_sign_a_batch_that_it_has_taken_up(
    site: Site, another: Site, tmp_path: Path
) -> None:
    folder = site.make(tmp_path / 'open', WHOLE[:-1])
    with open_record(folder, witness=Anchor(state=another.state, folder=folder)) as record:
        record.append(CLOSE, at_s=START_S + 9.0, actor='orchestrator')
    with pytest.raises(InputError, match='begun by the cell with the key'):
        another.sign('olga', Meaning.PERFORMED, folder=folder)


def test_seal_of_another_cell_is_found(site: Site, another: Site) -> None:
    entry = bound(site, signature('olga', Meaning.PERFORMED))
    made = sealed(entry, at_s=START_S + 100.0, key=cell_key(another.state))
    result = forge(site, made)
    assert (result.problem, result.broken_sequence) == (Problem.OTHER_KEY, len(WHOLE) + 1)
    assert 'the record was begun by the cell with the key' in result.detail


def test_record_without_any_checkpoint_does_not_tell_whose_people_signed_it(
    released: Site,
) -> None:
    (released.folder / COPY_FILE).unlink()
    (released.state / ANCHOR_FILE).unlink()
    assert UNTOLD_CELL in released.verify().notes


# --- a record that was copied ---------------------------------------------------------------


def copied(site: Site, name: str) -> Site:
    """Return the same cell with a copy of the run's folder that has no checkpoints."""
    copy = replace(site, folder=site.folder.with_name(name))
    shutil.copytree(site.folder, copy.folder)
    (copy.folder / COPY_FILE).unlink()
    return copy


def test_copy_that_was_signed_leaves_no_second_end_to_be_signed(site: Site) -> None:
    copy = copied(site, 'copy')
    copy.sign('olga', Meaning.PERFORMED)
    assert copy.verify().sound
    with pytest.raises(InputError, match=f'older copy.*was at {copy.folder / RECORD_FILE}'):
        site.sign('sven', Meaning.PERFORMED)


def test_two_ends_of_one_record_are_named_in_both_places(site: Site) -> None:
    copy = copied(site, 'copy')
    ends = []
    for place, who in ((site, 'olga'), (copy, 'sven')):
        entry = bound(place, signature(who, Meaning.PERFORMED))
        made = sealed(entry, at_s=START_S + 100.0, key=cell_key(site.state))
        ends.append(forge(place, made).sound)
    assert ends == [True, False]
    for place in (site, copy):
        result = place.verify()
        assert (result.problem, result.broken_sequence) == (Problem.FORKED, len(WHOLE) + 1)
        for folder in (site.folder, copy.folder):
            assert f'of {folder / RECORD_FILE}' in result.detail


def test_copy_that_may_be_of_several_runs_is_not_signed(site: Site, tmp_path: Path) -> None:
    site.make(tmp_path / 'alike')
    copy = copied(site, 'copy')
    assert copy.verify().sound
    not_signed(site, copy.folder, r'knows 2 runs that begin as this .* no checkpoints\.jsonl')
    site.sign('olga', Meaning.PERFORMED)


# --- the order, as a table ------------------------------------------------------------------


def test_every_order_but_the_right_one_is_refused() -> None:
    """Of all orders of the four signatures for the batch, one goes through to its end."""
    signers = {
        Meaning.PERFORMED: 'olga',
        Meaning.REVIEWED: 'sven',
        Meaning.APPROVED: 'quinn',
        Meaning.RELEASED: 'petra',
    }
    whole = []
    for order in itertools.permutations(signers):
        entries: list[Entry] = [started(), CLOSE]
        for meaning in order:
            if why_not(entries, intent(signers[meaning], meaning)):
                break
            entries.append(signature(signers[meaning], meaning))
        else:
            whole.append(order)
    assert whole == [tuple(signers)]


@pytest.mark.parametrize(
    ('signed', 'user_id', 'meaning', 'says'),
    [
        ('olga:performed', 'olga', 'reviewed', 'Olga Operator has signed performed'),
        ('sven:performed', 'sven', 'reviewed', 'Sven Supervisor has signed performed'),
        (
            'olga:performed quinn:reviewed',
            'quinn',
            'approved',
            'has signed reviewed',
        ),
        ('olga:performed sven:reviewed', 'olga', 'approved', 'Olga Operator has signed performed'),
        ('olga:performed sven:reviewed', 'olga', 'rejected', 'Olga Operator has signed performed'),
        ('olga:performed', 'olga', 'performed', 'Olga Operator has signed performed already'),
        ('', 'sven', 'reviewed', 'reviewed comes after performed, which nobody has signed'),
        ('olga:performed', 'quinn', 'approved', 'approved comes after reviewed'),
        ('olga:performed sven:reviewed', 'petra', 'released', 'released comes after approved'),
        ('olga:performed', 'petra', 'rejected', 'rejected comes after reviewed'),
        ('', 'quinn', 'closed', 'closed comes after performed'),
    ],
)
def test_what_is_out_of_order_or_ones_own_is_refused(
    signed: str, user_id: str, meaning: str, says: str
) -> None:
    entries: list[Entry] = [started(), CLOSE]
    for item in signed.split():
        name, _, done = item.partition(':')
        entries.append(signature(name, Meaning(done)))
    assert says in why_not(entries, intent(user_id, Meaning(meaning)))


@pytest.mark.parametrize('name', ['quinn', 'Quinn Quality', ' quinn quality '])
@pytest.mark.parametrize('how', ['started', 'answered', 'ordered'])
def test_who_made_the_batch_does_not_judge_it(how: str, name: str) -> None:
    begun = replace(started(), operator=name if how == 'started' else 'x')
    answer = Answer(question_id='Q', choice='retry', operator=name, reason='')
    order = Ordered(order='hold', reason='', operator=name)
    between = {'started': [], 'answered': [answer], 'ordered': [order]}[how]
    made: list[Entry] = [begun, *between, CLOSE]
    entries = [*made, signature('olga', Meaning.PERFORMED)]
    assert 'has made this batch' in why_not(entries, intent('quinn', Meaning.REVIEWED))
    assert why_not(entries, intent('quentin', Meaning.REVIEWED)) == ''


def test_one_person_with_two_accounts_is_one_person() -> None:
    entries: list[Entry] = [started(), CLOSE, signature('olga', Meaning.PERFORMED)]
    twin = replace(intent('sven', Meaning.REVIEWED), printed_name='Olga Operator')
    assert 'has signed performed' in why_not(entries, twin)


@pytest.mark.parametrize('meaning', [Meaning.CLOSED, Meaning.REJECTED])
def test_rejection_and_the_close_of_a_deviation_need_a_reason(meaning: Meaning) -> None:
    entries: list[Entry] = [
        *WHOLE,
        signature('olga', Meaning.PERFORMED),
        signature('sven', Meaning.REVIEWED),
    ]
    subject = DEVIATIONS[0] if meaning is Meaning.CLOSED else BATCH
    assert 'a reason must be given' in why_not(entries, intent('quinn', meaning, subject, ' '))
    assert why_not(entries, intent('quinn', meaning, subject, 'because')) == ''


@pytest.mark.parametrize(
    ('outcome', 'says'),
    [
        ('failed_limits', 'its outcome is failed_limits: there is no product to release'),
        ('held', 'its outcome is held: there is no product to release'),
        ('aborted', 'its outcome is aborted: there is no product to release'),
    ],
)
def test_batch_that_is_not_ready_is_not_released_and_can_be_rejected(
    outcome: str, says: str
) -> None:
    entries: list[Entry] = [
        started(),
        replace(CLOSE, outcome=outcome),
        signature('olga', Meaning.PERFORMED),
        signature('sven', Meaning.REVIEWED),
        signature('quinn', Meaning.APPROVED),
    ]
    assert why_not(entries, intent('petra', Meaning.RELEASED)) == says
    assert why_not(entries, intent('petra', Meaning.REJECTED)) == ''


def test_next_meanings_say_what_can_be_signed() -> None:
    entries: list[Entry] = [started(), deviation(DEVIATIONS[0])]
    assert next_meanings(entries) == []
    entries.append(CLOSE)
    for user_id, meaning, subject, expected in (
        ('olga', Meaning.PERFORMED, BATCH, [Meaning.REVIEWED]),
        ('sven', Meaning.REVIEWED, BATCH, [Meaning.REJECTED]),
        ('quinn', Meaning.CLOSED, DEVIATIONS[0], [Meaning.APPROVED, Meaning.REJECTED]),
        ('quinn', Meaning.APPROVED, BATCH, [Meaning.REJECTED, Meaning.RELEASED]),
        ('petra', Meaning.RELEASED, BATCH, [Meaning.RECALLED, Meaning.NOTIFIED]),
    ):
        entries.append(signature(user_id, meaning, subject))
        assert next_meanings(entries) == expected


# --- deviations -----------------------------------------------------------------------------


def test_batch_with_an_open_deviation_is_neither_approved_nor_released(site: Site) -> None:
    code = ErrorCode.NOT_ALLOWED_IN_STATE
    site.sign('olga', Meaning.PERFORMED)
    site.sign('sven', Meaning.REVIEWED)
    refused(site, code, 'open deviations: .*D001, .*D002; quality closes', 'quinn', 'approved')
    site.sign('quinn', Meaning.CLOSED, DEVIATIONS[1])
    assert open_deviations(site.entries()) == [DEVIATIONS[0]]
    refused(site, code, 'open deviations: .*D001; quality closes', 'quinn', 'approved')
    entries = [*site.entries(), signature('quinn', Meaning.APPROVED)]
    assert 'open deviations' in why_not(entries, intent('petra', Meaning.RELEASED))


def test_deviation_is_closed_once_and_only_one_that_there_is(site: Site) -> None:
    code = ErrorCode.NOT_ALLOWED_IN_STATE
    site.sign('olga', Meaning.PERFORMED)
    refused(site, code, 'D009 is no open deviation; open are ', 'quinn', 'closed', 'D009')
    refused(site, code, 'batch is no open deviation', 'quinn', 'closed')
    refused(site, code, 'signed for the batch, not for', 'sven', 'reviewed', DEVIATIONS[0])
    site.sign('quinn', Meaning.CLOSED, DEVIATIONS[0])
    refused(site, code, 'D001 is no open deviation', 'quentin', 'closed', DEVIATIONS[0])


# --- the report -----------------------------------------------------------------------------


def test_report_shows_printed_name_time_and_meaning_of_each_signature(
    released: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = drawn(released, monkeypatch)
    assert texts[0] == 'RELEASED by Petra Person'
    assert any('sealed by the key of the cell' in text for text in texts)
    with open_record(released.folder) as record:
        signed = [item for item in record if isinstance(item.entry, Signature)]
    assert len(signed) == len(ORDER)
    place = texts.index('performed')
    for item in signed:
        assert isinstance(item.entry, Signature)
        meaning, name, who, when, what, _ = texts[place : place + 6]
        assert (meaning, name) == (item.entry.meaning, item.entry.printed_name)
        assert who.startswith(f'{item.entry.signer}, ')
        assert when == to_second(item.at_s)
        assert what.endswith(f'; entries 1 to {item.entry.entries}')
        place += 6
    assert not any(text.startswith('Made by') for text in texts)


def test_report_of_a_batch_on_its_way_has_blocks_for_what_is_missing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.sign('olga', Meaning.PERFORMED)
    texts = drawn(site, monkeypatch)
    assert texts[0] == 'READY FOR RELEASE'
    assert 'Deviations that nobody has closed: D001, D002.' in texts
    blocks = [text.split()[0] for text in texts if ' by: ' in text]
    assert blocks == ['Checked', 'Approved', 'Released']


@pytest.mark.parametrize('how', ['unchecked', 'forged'])
def test_release_that_does_not_hold_makes_no_verdict(
    released: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == 'forged':
        (released.state / PUBLIC_FILE).write_bytes(cell_key(released.home / 'other').public.pem)
    texts = drawn(released, monkeypatch, checked=how == 'forged')
    assert texts[0] == 'READY FOR RELEASE'
    assert not any('sealed by the key of the cell' in text for text in texts)
    says = 'not sound' if how == 'forged' else 'were not checked'
    assert len([text for text in texts if says in text]) == 1


def test_report_shows_who_ordered_what_before_after_and_why(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Ordered(
        order='hold', reason='handover', operator='A. Person', before='EXECUTE', after='HELD'
    )
    held = replace(site, folder=site.make(tmp_path / 'held', (started(), order, CLOSE)))
    texts = drawn(held, monkeypatch)
    place = texts.index('hold')
    assert texts[place - 1] == to_second(START_S + 1)
    assert texts[place : place + 5] == ['hold', 'A. Person', 'EXECUTE', 'HELD', 'handover']


# --- forged, replayed, moved ----------------------------------------------------------------


def forge(site: Site, entry: Signature, *, folder: Path | None = None) -> VerifyResult:
    """Append a signature as someone would who writes a sound chain and the checkpoints too."""
    folder = site.folder if folder is None else folder
    witness = Anchor(state=site.state, folder=folder)
    with open_record(folder, witness=witness) as record:
        record.append(entry, at_s=START_S + 100.0, actor=entry.signer)
    return site.verify(folder)


def bound(site: Site, entry: Signature) -> Signature:
    """Return a signature bound to the record as it is, as one by hand would be."""
    with open_record(site.folder) as record:
        return replace(
            entry, record=record.first_hash, entries=record.length, head=record.head_hash
        )


def test_signature_of_another_record_is_found(site: Site, tmp_path: Path) -> None:
    other = site.make(tmp_path / 'other', (replace(started(), seed=2), CLOSE))
    made = site.sign('olga', Meaning.PERFORMED, folder=other)
    result = forge(site, made)
    assert result.problem is Problem.MOVED_SIGNATURE
    assert result.broken_sequence == len(WHOLE) + 1
    assert 'Olga Operator (olga) signed another record' in result.detail


def test_signature_that_is_used_again_in_its_own_record_is_found(site: Site) -> None:
    made = site.sign('olga', Meaning.PERFORMED)
    result = forge(site, made)
    assert result.problem is Problem.MOVED_SIGNATURE
    assert result.broken_sequence == len(WHOLE) + 2


def test_signature_that_the_cell_did_not_seal_is_found(site: Site) -> None:
    key = cell_key(site.state).public.key_id
    entry = replace(bound(site, signature('olga', Meaning.PERFORMED)), key=key, seal='AAAA')
    assert forge(site, entry).problem is Problem.FORGED_SIGNATURE


def test_seal_on_other_words_or_of_another_time_is_found(site: Site, tmp_path: Path) -> None:
    key = cell_key(site.state)
    entry = bound(site, signature('olga', Meaning.PERFORMED))
    right = sealed(entry, at_s=START_S + 100.0, key=key)
    for name, change in (
        ('time', sealed(entry, at_s=START_S, key=key)),
        ('name', replace(right, printed_name='Olga Other')),
        ('reason', replace(right, reason='another')),
        ('signer', replace(right, signer='sven')),
    ):
        # On a cell of its own: two ends of one record are found by the checkpoints already.
        twin = replace(site, home=tmp_path / name, folder=tmp_path / f'{name}_run')
        shutil.copytree(site.home, twin.home)
        shutil.copytree(site.folder, twin.folder)
        assert forge(twin, change).problem is Problem.FORGED_SIGNATURE, name
    assert forge(site, right).sound


def test_seal_by_another_key_is_found(site: Site, tmp_path: Path) -> None:
    entry = bound(site, signature('olga', Meaning.PERFORMED))
    forged = sealed(entry, at_s=START_S + 100.0, key=cell_key(tmp_path / 'forger'))
    assert forge(site, forged).problem is Problem.OTHER_KEY


@pytest.mark.parametrize(
    ('entry', 'says'),
    [
        (signature('petra', Meaning.RELEASED), 'released comes after approved'),
        (replace(signature('olga', Meaning.PERFORMED), role='quality'), 'quality may not sign'),
    ],
)
def test_sealed_signature_out_of_order_is_found(site: Site, entry: Signature, says: str) -> None:
    made = sealed(bound(site, entry), at_s=START_S + 100.0, key=cell_key(site.state))
    result = forge(site, made)
    assert result.problem is Problem.OUT_OF_SEQUENCE
    assert says in result.detail


@pytest.mark.parametrize('field', ['meaning', 'role'])
def test_meaning_or_role_that_there_is_not_is_found(site: Site, field: str) -> None:
    entry = replace(signature('olga', Meaning.PERFORMED), **{field: 'magic'})  # type: ignore[arg-type]
    made = sealed(bound(site, entry), at_s=START_S + 100.0, key=cell_key(site.state))
    assert forge(site, made).problem is Problem.FORGED_SIGNATURE


def test_signatures_that_are_cut_off_are_found(released: Site, tmp_path: Path) -> None:
    """The release taken away, as if it had never been: the checkpoint knows it."""
    short = tmp_path / 'short'
    shutil.copytree(released.folder, short)
    (short / RECORD_FILE).unlink()
    with BatchRecord.create(short / RECORD_FILE) as record:
        for item in BatchRecord.open(released.folder / RECORD_FILE).entries()[:-1]:
            record.append(item.entry, at_s=item.at_s, actor=item.actor)
    result = released.verify(short)
    assert result.problem is Problem.TRUNCATED
    assert result.broken_sequence == len(WHOLE) + len(ORDER)


def test_without_any_key_the_seals_are_told_to_be_unchecked(
    released: Site, tmp_path: Path
) -> None:
    alone = tmp_path / 'alone'
    shutil.copytree(released.folder, alone)
    for name in (COPY_FILE, PUBLIC_FILE):
        (alone / name).unlink()
    result = verify(alone / RECORD_FILE, home=tmp_path / 'none')
    assert result.sound
    assert UNSEALED in result.notes
