"""Release in two stages, out of specification and back again: signed, sealed, shown, archived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from signing_site import (
    ADMIN,
    BATCH,
    PASSWORD,
    PEOPLE,
    Site,
    drawn,
    signature,
    site_at,
    write_people,
)
from test_record_decisions import BATCHES

from medicell_core.entries import ReleaseTest, Signature
from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.anchor.keys import cell_key
from medicell_record.canonical import canonical_json
from medicell_record.place import open_record
from medicell_record.record import decode_entry, encode_entry
from medicell_record.signing.meanings import Meaning
from medicell_record.signing.seal import PURPOSE, is_sealed, sealed
from medicell_record.signing.standing import alarms
from medicell_record.verify import report_text

NORMAL = (('olga', Meaning.PERFORMED), ('sven', Meaning.REVIEWED), ('quinn', Meaning.APPROVED))
Sign = tuple[str, Meaning]
STEPS: dict[str, tuple[Sign, ...]] = {
    'good, awaited': (*NORMAL, ('petra', Meaning.RELEASED_CONDITIONALLY)),
    'missed, awaited': (
        *NORMAL,
        ('phil', Meaning.REQUESTED),
        ('petra', Meaning.RELEASED_OUT_OF_SPECIFICATION),
    ),
}


@pytest.fixture(scope='module')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp('state')
    write_people(home)
    return home


@pytest.fixture(params=STEPS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def let_go(name: str, people: Path, tmp_path: Path) -> Iterator[Site]:
    """A batch that is released, and of which a final result is awaited."""
    with site_at(tmp_path, people, BATCHES[name]) as site:
        for user_id, meaning in STEPS[name]:
            site.sign(user_id, meaning)
        yield site


def enter(site: Site, result: str, reference: str = 'LAB-7') -> Signature:
    return site.sign('quinn', Meaning.TESTED, 'Sterility', result=result, reference=reference)


@pytest.mark.parametrize('name', ['good, awaited'], indirect=True)
def test_batch_is_released_in_two_stages_and_shows_each(
    let_go: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = drawn(let_go, monkeypatch)
    assert texts[0] == 'RELEASED CONDITIONALLY by Petra Person'
    assert 'Final results that are awaited: Sterility.' in texts
    assert [text.split()[0] for text in texts if ' by: ' in text] == ['Released']
    made = enter(let_go, 'negative')
    assert (made.result, made.reference, made.role) == ('negative', 'LAB-7', 'quality')
    let_go.sign('petra', Meaning.RELEASED)
    texts = drawn(let_go, monkeypatch)
    assert texts[0] == 'RELEASED by Petra Person'
    assert 'negative; LAB-7; looked at' in texts
    assert not [text for text in texts if 'awaited:' in text or ' by: ' in text]
    result = let_go.verify()
    assert result.sound
    assert 'signed: Sterility tested: negative (LAB-7) by Quinn Quality' in report_text(result)


def test_positive_result_after_a_release_is_an_alarm_until_the_product_is_recalled(
    let_go: Site, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(let_go, 'positive')
    texts = drawn(let_go, monkeypatch)
    assert texts[0] == 'POSITIVE AFTER RELEASE by Petra Person'
    assert (
        'Sterility is positive (LAB-7) after the release: recall the product, notify the '
        'physician.'
    ) in texts
    assert not [text for text in texts if ' by: ' in text]
    says = {
        'good, awaited': 'not signed: missed: Sterility; recall the product',
        'missed, awaited': 'not signed: Petra Person has signed released_out_of_specification: ',
    }[name]
    with pytest.raises(MedicellError, match=says) as caught:
        let_go.sign('petra', Meaning.RELEASED)
    assert caught.value.code is ErrorCode.NOT_ALLOWED_IN_STATE
    let_go.sign('quinn', Meaning.NOTIFIED, reason='Dr. Phil by telephone')
    (alarm,) = alarms(let_go.entries())
    assert str(alarm).endswith('after the release: recall the product')
    let_go.sign('petra', Meaning.RECALLED, reason='not given yet, fetched back')
    let_go.sign('quinn', Meaning.NOTIFIED, reason='the authority in writing')
    (alarm,) = alarms(let_go.entries())
    assert str(alarm).endswith(
        '(LAB-7) after the release: the product is recalled, and somebody was notified'
    )
    assert drawn(let_go, monkeypatch)[0] == 'RECALLED by Petra Person'
    assert let_go.verify().sound


@pytest.mark.parametrize('name', ['missed, awaited'], indirect=True)
def test_product_that_was_recalled_already_is_not_to_be_recalled_for_a_later_result(
    let_go: Site,
) -> None:
    let_go.sign('petra', Meaning.NOTIFIED, reason='of a doubt about another batch')
    let_go.sign('petra', Meaning.RECALLED, reason='of that doubt')
    enter(let_go, 'positive')
    (alarm,) = alarms(let_go.entries())
    assert str(alarm).endswith('after the release: notify the physician')


@pytest.mark.parametrize('name', ['missed, awaited'], indirect=True)
def test_release_out_of_specification_binds_to_the_request(
    let_go: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_record(let_go.folder) as record:
        asked, released = (item for item in list(record)[-2:] if isinstance(item.entry, Signature))
        hashes = [item.hash for item in record.hashed_entries()]
    assert isinstance(asked.entry, Signature)
    assert isinstance(released.entry, Signature)
    assert (asked.entry.meaning, asked.entry.role) == ('requested', 'physician')
    assert (released.entry.entries, released.entry.head) == (asked.sequence, hashes[-2])
    assert drawn(let_go, monkeypatch)[0] == 'RELEASED OUT OF SPECIFICATION by Petra Person'


def test_report_of_a_batch_that_misses_a_limit_has_a_block_for_the_physician(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site_at(tmp_path, people, BATCHES['missed']) as site:
        texts = drawn(site, monkeypatch)
    blocks = [text.split()[0] for text in texts if ' by: ' in text]
    assert blocks == ['Made', 'Checked', 'Approved', 'Requested', 'Released']


def test_report_of_a_positive_final_result_before_any_release_says_that_limits_are_not_met(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site_at(tmp_path, people, BATCHES['good, awaited']) as site:
        texts = drawn(site, monkeypatch)
        assert texts[0] == 'READY FOR RELEASE'
        assert [text for text in texts if 'tests are met to date.' in text]
        for user_id, meaning in NORMAL:
            site.sign(user_id, meaning)
        enter(site, 'positive')
        texts = drawn(site, monkeypatch)
    assert texts[0] == 'MADE, LIMITS NOT MET'
    assert 'Not met: Sterility.' in texts
    assert not [text for text in texts if 'tests are met' in text]


ALLOWED: dict[Meaning, tuple[str, tuple[Sign, ...], set[str]]] = {
    Meaning.REQUESTED: ('missed', NORMAL, {'phil'}),
    Meaning.RELEASED_CONDITIONALLY: ('good, awaited', NORMAL, {'petra'}),
    Meaning.RELEASED_OUT_OF_SPECIFICATION: (
        'missed',
        (*NORMAL, ('phil', Meaning.REQUESTED)),
        {'petra'},
    ),
    Meaning.RECALLED: ('good, awaited', STEPS['good, awaited'], {'quinn', 'quentin', 'petra'}),
    Meaning.NOTIFIED: ('good, awaited', STEPS['good, awaited'], {'quinn', 'quentin', 'petra'}),
    Meaning.TESTED: ('good, awaited', NORMAL, {'quinn', 'quentin'}),
}


@pytest.mark.parametrize('meaning', ALLOWED)
def test_each_further_meaning_is_signed_by_its_roles_with_both_components(
    meaning: Meaning, people: Path, tmp_path: Path
) -> None:
    batch, steps, allowed = ALLOWED[meaning]
    subject, result, reference = BATCH, '', ''
    if meaning is Meaning.TESTED:
        subject, result, reference = 'Sterility', 'negative', 'LAB-7'
    with site_at(tmp_path, people, BATCHES[batch]) as site:
        for user_id, before in steps:
            site.sign(user_id, before)

        def sign(user_id: str, password: str) -> Signature:
            return site.sign(
                user_id, meaning, subject, password=password, result=result, reference=reference
            )

        for user_id in sorted({*PEOPLE, 'admin'} - allowed):
            with pytest.raises(AccessRefused) as caught:
                sign(user_id, ADMIN.password if user_id == 'admin' else PASSWORD)
            assert caught.value.refusal is Refusal.NOT_PERMITTED, user_id
        who = min(allowed)
        with pytest.raises(AccessRefused) as caught:
            sign(who, 'wrong')
        assert caught.value.refusal is Refusal.WRONG_CREDENTIALS
        assert sign(who, PASSWORD).signer == who
        assert site.verify().sound


# --- older records --------------------------------------------------------------------------


def test_older_entries_are_read_as_what_they_said() -> None:
    fields: dict[str, Any] = asdict(signature('olga', Meaning.PERFORMED))
    del fields['result'], fields['reference']
    assert decode_entry('Signature', canonical_json(fields)) == signature(
        'olga', Meaning.PERFORMED
    )
    test = next(entry for entry in BATCHES['missed'] if isinstance(entry, ReleaseTest))
    fields = asdict(test)
    del fields['final'], fields['waivable']
    older = decode_entry('ReleaseTest', canonical_json(fields))
    assert older == replace(test, waivable=False), 'nobody judged whether it can be waived'


def test_seal_holds_on_the_signature_as_it_was_recorded(tmp_path: Path) -> None:
    key = cell_key(tmp_path / 'cell')
    made = sealed(signature('olga', Meaning.PERFORMED), at_s=5.0, key=key)
    assert is_sealed(encode_entry(made), at_s=5.0, key=key.public)
    fields = asdict(made)
    del fields['result'], fields['reference']
    fields['seal'] = key.sign(canonical_json([PURPOSE, 5.0, {**fields, 'seal': ''}]))
    older = canonical_json(fields)
    assert is_sealed(older, at_s=5.0, key=key.public)
    assert not is_sealed(canonical_json({**fields, 'result': ''}), at_s=5.0, key=key.public)
    assert not is_sealed(older, at_s=6.0, key=key.public)
    del fields['seal']
    assert not is_sealed(canonical_json(fields), at_s=5.0, key=key.public)
