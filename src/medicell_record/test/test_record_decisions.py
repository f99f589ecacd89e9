"""The decision table, in every combination, and every way through it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from signing_site import CLOSE, DEVIATIONS, deviation, intent, signature
from synthetic_batch import started

from medicell_core.entries import Entry, LabelsReconciled, ReleaseTest, Signature
from medicell_record.access.permissions import UserRole
from medicell_record.signing.decisions import (
    DECISIONS,
    Chain,
    Condition,
    Deviations,
    Fact,
    Finals,
    Labels,
    Limits,
    Stage,
    refusing_fact,
)
from medicell_record.signing.meanings import BATCH, Meaning
from medicell_record.signing.rules import why_not
from medicell_record.signing.standing import condition_of

WHO = {
    Meaning.PERFORMED: 'operator supervisor',
    Meaning.REVIEWED: 'supervisor quality',
    Meaning.APPROVED: 'quality',
    Meaning.REJECTED: 'quality qualified_person',
    Meaning.REQUESTED: 'physician',
    Meaning.RELEASED_CONDITIONALLY: 'qualified_person',
    Meaning.RELEASED_OUT_OF_SPECIFICATION: 'qualified_person',
    Meaning.RELEASED: 'qualified_person',
    Meaning.RECALLED: 'quality qualified_person',
    Meaning.NOTIFIED: 'quality qualified_person',
    Meaning.CLOSED: 'quality',
    Meaning.TESTED: 'quality',
}
CONDITIONS = [
    Condition(
        stage=stage, chain=chain, limits=limits, deviations=devs, labels=labels, finals=finals
    )
    for stage, chain, limits, devs, labels, finals in itertools.product(
        Stage, Chain, Limits, Deviations, Labels, Finals
    )
]
GONE = ('released_conditionally', 'released_out_of_specification', 'released')


def may(now: Condition, meaning: Meaning, role: UserRole) -> bool:
    """Say it a second time, in sentences: a change of the table must be made twice."""
    if role not in WHO[meaning].split() or now.chain == 'broken':
        return False
    whole = now.deviations == 'closed'
    good = whole and now.limits == 'met' and now.labels == 'reconciled'
    return {
        Meaning.PERFORMED: now.stage == 'unsigned',
        Meaning.REVIEWED: now.stage == 'performed',
        Meaning.APPROVED: now.stage == 'reviewed' and whole,
        Meaning.REJECTED: now.stage in ('reviewed', 'approved', 'requested'),
        Meaning.REQUESTED: now.stage == 'approved' and whole and now.limits == 'missed',
        Meaning.RELEASED_CONDITIONALLY: now.stage == 'approved'
        and good
        and now.finals == 'pending',
        Meaning.RELEASED_OUT_OF_SPECIFICATION: now.stage == 'requested'
        and whole
        and now.limits == 'missed',
        Meaning.RELEASED: now.stage in ('approved', 'released_conditionally')
        and good
        and now.finals == 'negative',
        Meaning.RECALLED: now.stage in GONE,
        Meaning.NOTIFIED: now.stage in (*GONE, 'recalled'),
        Meaning.CLOSED: now.stage in ('performed', 'reviewed', 'approved', 'requested'),
        Meaning.TESTED: now.stage not in ('unsigned', 'rejected'),
    }[meaning]


def test_table_has_a_row_for_every_meaning() -> None:
    assert set(DECISIONS) == set(Meaning) == set(WHO)
    assert len(CONDITIONS) == 960


@pytest.mark.parametrize('meaning', Meaning)
def test_every_combination_is_allowed_or_refused_as_the_sentences_say(meaning: Meaning) -> None:
    wrong = [
        (now, role)
        for now in CONDITIONS
        for role in UserRole
        if (refusing_fact(now, meaning, role) is None) is not may(now, meaning, role)
    ]
    assert wrong == []


@pytest.mark.parametrize('meaning', Meaning)
def test_fact_that_is_named_refuses_whatever_else_is_so(meaning: Meaning) -> None:
    role = UserRole(WHO[meaning].split()[0])
    named = {
        (fact, getattr(now, fact))
        for now in CONDITIONS
        if (fact := refusing_fact(now, meaning, role))
    }
    assert named
    for fact, value in named:
        alike = [now for now in CONDITIONS if getattr(now, fact) == value]
        assert not any(may(now, meaning, role) for now in alike)


@pytest.mark.parametrize('meaning', Meaning)
def test_role_that_may_not_is_told_so_first(meaning: Meaning) -> None:
    others = [role for role in UserRole if role not in WHO[meaning].split()]
    assert others
    found = {refusing_fact(now, meaning, role) for now in CONDITIONS for role in others}
    assert found == {Fact.ROLE}


# --- every way through it, with real entries ------------------------------------------------

WAITING = ReleaseTest(
    test='Sterility',
    value=0.0,
    unit='',
    limit='negative',
    method='growth to date',
    passed=True,
    source='s',
    final=True,
    waivable=True,
)
LOW = replace(
    WAITING, test='Viability', value=60.0, unit='%', limit='≥ 70', passed=False, final=False
)
MIXED_UP = replace(LOW, test='Identity', waivable=False)
LOST = LabelsReconciled(printed=3, used=2, destroyed=0, unaccounted=1, detail='vial_1')
MISSED = replace(CLOSE, outcome='failed_limits')
BATCHES: dict[str, tuple[Entry, ...]] = {
    'good': (started(), deviation(DEVIATIONS[0]), CLOSE),
    'good, awaited': (started(), WAITING, CLOSE),
    'missed': (started(), LOW, MISSED),
    'missed, awaited': (started(), LOW, WAITING, MISSED),
    'mixed up': (started(), MIXED_UP, WAITING, MISSED),
    'labels lost': (started(), LOST, replace(LOW, test='Label reconciliation'), MISSED),
    'held': (started(), replace(CLOSE, outcome='held')),
    'aborted': (started(), replace(CLOSE, outcome='aborted')),
    'given up': (started(), MISSED),
}
SIGNERS = {
    Meaning.PERFORMED: 'olga',
    Meaning.REVIEWED: 'sven',
    Meaning.CLOSED: 'quinn',
    Meaning.APPROVED: 'quinn',
    Meaning.TESTED: 'quentin',
    Meaning.REQUESTED: 'phil',
    Meaning.REJECTED: 'petra',
    Meaning.RELEASED_CONDITIONALLY: 'petra',
    Meaning.RELEASED_OUT_OF_SPECIFICATION: 'petra',
    Meaning.RELEASED: 'petra',
    Meaning.RECALLED: 'petra',
    Meaning.NOTIFIED: 'quinn',
}
REACHED: dict[str, set[str]] = {
    'good': {'unsigned performed reviewed approved rejected released recalled'},
    'good, awaited': {
        'unsigned performed reviewed approved rejected released recalled',
        'released_conditionally requested released_out_of_specification',
    },
    'missed': {
        'unsigned performed reviewed approved rejected recalled',
        'requested released_out_of_specification',
    },
    'mixed up': {'unsigned performed reviewed approved rejected'},
    'held': {'unsigned performed reviewed approved rejected'},
}
REACHED |= {
    'missed, awaited': REACHED['missed'],
    'labels lost': REACHED['missed'],
    'aborted': REACHED['held'],
    'given up': REACHED['held'],
}


def final_result(result: str, test: str = 'Sterility') -> Signature:
    return replace(signature('quentin', Meaning.TESTED, test), result=result, reference='LAB-1')


def wanted() -> Iterator[Signature]:
    for meaning, user_id in SIGNERS.items():
        if meaning is Meaning.TESTED:
            yield from (final_result('negative'), final_result('positive'))
        else:
            subject = DEVIATIONS[0] if meaning is Meaning.CLOSED else BATCH
            yield signature(user_id, meaning, subject)


def refused(entries: list[Entry], made: Signature) -> str:
    given = intent(made.signer, Meaning(made.meaning), made.subject)
    return why_not(entries, replace(given, result=made.result, reference=made.reference))


def ways(batch: tuple[Entry, ...]) -> list[tuple[Signature, ...]]:
    """Return every way of signing on, but for telling somebody twice."""
    found: list[tuple[Signature, ...]] = [()]
    for way in found:
        for made in wanted():
            told_twice = made.meaning == Meaning.NOTIFIED and made in way
            if not told_twice and not refused([*batch, *way], made):
                found.append((*way, made))
    return found


@pytest.mark.parametrize('name', BATCHES)
def test_every_way_through_ends_where_it_may_and_nowhere_else(name: str) -> None:
    batch = BATCHES[name]
    reached = set()
    for way in ways(batch):
        now = condition_of([*batch, *way])
        reached.add(str(now.stage))
        said = [(item.meaning, item.result) for item in way]
        meanings = [item.meaning for item in way]
        if 'released' in meanings or 'released_conditionally' in meanings:
            let_go = next(i for i, item in enumerate(meanings) if item in GONE)
            assert name.startswith('good')
            assert ('tested', 'positive') not in said[:let_go]
        if 'released' in meanings and 'awaited' in name:
            assert ('tested', 'negative') in said[: meanings.index('released')]
        if 'released_out_of_specification' in meanings:
            place = meanings.index('released_out_of_specification')
            assert meanings[place - 1] == 'requested', 'nothing is learnt in between'
            assert name != 'good'
        if 'rejected' in meanings:
            assert meanings[-1] == 'rejected'
        assert not {'recalled', 'notified'} & {*meanings} or {*GONE} & {*meanings}
    assert reached == {stage for stages in REACHED[name] for stage in stages.split()}


# --- what the table leaves to the rules -----------------------------------------------------

TO_APPROVED = tuple(
    signature(SIGNERS[item], item)
    for item in (Meaning.PERFORMED, Meaning.REVIEWED, Meaning.APPROVED)
)


def test_first_stage_waits_for_nothing_and_the_second_for_the_final_result() -> None:
    entries: list[Entry] = [*BATCHES['good, awaited'], *TO_APPROVED]
    said = refused(entries, signature('petra', Meaning.RELEASED))
    assert said == 'final results are awaited: Sterility'
    entries.append(signature('petra', Meaning.RELEASED_CONDITIONALLY))
    assert refused(entries, signature('petra', Meaning.RELEASED)) == said
    entries.append(final_result('negative'))
    assert refused(entries, signature('petra', Meaning.RELEASED)) == ''


def test_batch_of_which_nothing_is_awaited_is_not_released_conditionally() -> None:
    entries = [*BATCHES['good, awaited'], *TO_APPROVED, final_result('negative')]
    said = refused(entries, signature('petra', Meaning.RELEASED_CONDITIONALLY))
    assert said == 'no final result is awaited'


def test_positive_result_after_the_first_stage_bars_the_second() -> None:
    conditionally = signature('petra', Meaning.RELEASED_CONDITIONALLY)
    entries = [*BATCHES['good, awaited'], *TO_APPROVED, conditionally, final_result('positive')]
    said = refused(entries, signature('petra', Meaning.RELEASED))
    assert said == 'missed: Sterility; recall the product'
    assert refused(entries, signature('petra', Meaning.RECALLED)) == ''


def test_result_after_the_request_takes_it_back() -> None:
    entries = [*BATCHES['missed, awaited'], *TO_APPROVED, signature('phil', Meaning.REQUESTED)]
    let_go = signature('petra', Meaning.RELEASED_OUT_OF_SPECIFICATION)
    assert refused(entries, let_go) == ''
    entries.append(final_result('positive'))
    assert refused(entries, let_go) == (
        'released_out_of_specification comes after requested, which nobody has signed since the '
        'last final result'
    )
    entries.append(signature('phil', Meaning.REQUESTED))
    assert refused(entries, let_go) == ''


@pytest.mark.parametrize(
    ('name', 'meaning', 'says'),
    [
        ('good', Meaning.REQUESTED, 'every limit is met: nothing is to be released out of'),
        ('missed', Meaning.RELEASED, 'missed: Viability; it can be released out of'),
        ('missed, awaited', Meaning.RELEASED_CONDITIONALLY, 'missed: Viability; it can be'),
        ('missed', Meaning.RELEASED_OUT_OF_SPECIFICATION, 'comes after requested, which nobody'),
        ('mixed up', Meaning.REQUESTED, 'missed: Identity; not all of it can be waived'),
        ('labels lost', Meaning.RELEASED, 'missed: Label reconciliation'),
        ('held', Meaning.REQUESTED, 'its outcome is held: there is no product to release'),
        ('given up', Meaning.REQUESTED, 'its outcome is failed_limits: there is no product'),
        ('good', Meaning.RECALLED, 'recalled comes after released_conditionally or '),
    ],
)
def test_refusal_says_what_is_the_matter(name: str, meaning: Meaning, says: str) -> None:
    done = signature('quinn', Meaning.CLOSED, DEVIATIONS[0])
    entries = [*BATCHES[name], *TO_APPROVED, done]
    assert says in refused(entries, signature(SIGNERS[meaning], meaning))


def test_labels_that_are_not_accounted_for_bar_a_release_by_themselves() -> None:
    entries = [started(), LOST, CLOSE, *TO_APPROVED]
    said = refused(entries, signature('petra', Meaning.RELEASED))
    assert said == 'not every label that was printed is accounted for'


@pytest.mark.parametrize(
    ('made', 'says'),
    [
        (final_result('clean'), "Sterility: the result is 'clean'; must be negative or positive"),
        (
            replace(final_result('negative'), reference=' '),
            "the laboratory's reference must be given",
        ),
        (
            final_result('negative', 'Viability'),
            'Viability has no final result; those that have are St',
        ),
        (
            replace(signature('sven', Meaning.REVIEWED), result='negative'),
            'reviewed has no result and no reference',
        ),
    ],
)
def test_final_result_is_of_an_awaited_test_with_a_reference(made: Signature, says: str) -> None:
    entries = [*BATCHES['missed, awaited'], TO_APPROVED[0]]
    assert says in refused(entries, made)


def test_bad_result_may_follow_a_good_one_and_never_back() -> None:
    entries = [*BATCHES['good, awaited'], TO_APPROVED[0], final_result('negative')]
    assert refused(entries, final_result('negative')) == 'Sterility is known to be negative'
    assert refused(entries, final_result('positive')) == ''
    entries.append(final_result('positive'))
    for result in ('negative', 'positive'):
        assert refused(entries, final_result(result)) == 'Sterility is known to be positive'


@pytest.mark.parametrize(
    ('before', 'meaning', 'name'),
    [
        (Meaning.REQUESTED, Meaning.RELEASED_OUT_OF_SPECIFICATION, 'missed'),
        (Meaning.TESTED, Meaning.RELEASED, 'good, awaited'),
    ],
)
def test_who_asks_or_tests_does_not_release(before: Meaning, meaning: Meaning, name: str) -> None:
    first = final_result('negative') if before is Meaning.TESTED else signature('phil', before)
    own = replace(first, signer='petra', printed_name='Petra Person')
    entries = [*BATCHES[name], *TO_APPROVED]
    assert refused([*entries, first], signature('petra', meaning)) == ''
    said = refused([*entries, own], signature('petra', meaning))
    assert said == f'Petra Person has signed {before}: {meaning} is for another'


@pytest.mark.parametrize(
    ('meaning', 'name'),
    [
        (Meaning.REQUESTED, 'missed'),
        (Meaning.RELEASED_OUT_OF_SPECIFICATION, 'missed'),
        (Meaning.RECALLED, 'good'),
        (Meaning.NOTIFIED, 'good'),
    ],
)
def test_request_exception_recall_and_notice_need_a_reason(meaning: Meaning, name: str) -> None:
    done = signature('quinn', Meaning.CLOSED, DEVIATIONS[0])
    last = {'missed': Meaning.REQUESTED, 'good': Meaning.RELEASED}[name]
    entries: list[Entry] = [*BATCHES[name], *TO_APPROVED, done]
    if last is not meaning:
        entries.append(signature(SIGNERS[last], last))
    given = intent(SIGNERS[meaning], meaning, reason=' ')
    assert why_not(entries, given) == f'{meaning}: a reason must be given'
    assert why_not(entries, replace(given, reason='because')) == ''


def test_record_that_is_not_sound_takes_nothing() -> None:
    batch = BATCHES['good']
    assert why_not(batch, intent('olga', Meaning.PERFORMED)) == ''
    said = why_not(batch, intent('olga', Meaning.PERFORMED), sound=False)
    assert said == 'the record is not sound'
