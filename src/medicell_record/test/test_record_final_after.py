"""A test is final when its time has passed: no negative result, and so no release, before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from signing_site import CLOSE, Site, site_at, write_people
from synthetic_batch import PRODUCTS, START_S, started
from test_record_decisions import WAITING

from medicell_core.clock import WallClock
from medicell_core.entries import BatchStarted, Signature
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.anchor.anchor import Anchor
from medicell_record.anchor.keys import cell_key
from medicell_record.place import open_record
from medicell_record.release.specification import evaluate, load_specification
from medicell_record.signing.meanings import Meaning
from medicell_record.signing.seal import sealed

DAY_S = 86_400.0
FOURTEEN = replace(WAITING, final_after_days=14.0)
CLOSED_S = START_S + 2.0
"""When the third entry of a made-up batch was written."""


class Day(WallClock):
    """A clock that stands at a day after the end of the batch."""

    def __init__(self, days: float) -> None:
        super().__init__()
        self._days = days

    def now_s(self) -> float:
        return CLOSED_S + self._days * DAY_S


@pytest.fixture(scope='module')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp('state')
    write_people(home)
    return home


def approved(tmp_path: Path, people: Path, begun: BatchStarted) -> AbstractContextManager[Site]:
    return site_at(tmp_path, people, (begun, FOURTEEN, CLOSE))


@pytest.fixture
def made(tmp_path: Path, people: Path) -> Iterator[Site]:
    """A batch that was made on devices."""
    begun = started()
    devices = [replace(node, simulated=False) for node in begun.nodes]
    with approved(tmp_path, people, replace(begun, nodes=devices)) as site:
        judge(site)
        yield site


@pytest.fixture
def rehearsed(tmp_path: Path, people: Path) -> Iterator[Site]:
    """A batch that was made on simulated devices."""
    with approved(tmp_path, people, started()) as site:
        judge(site)
        yield site


def judge(site: Site) -> None:
    for user_id, meaning in (
        ('olga', Meaning.PERFORMED),
        ('sven', Meaning.REVIEWED),
        ('quinn', Meaning.APPROVED),
    ):
        site.sign(user_id, meaning)


def enter(site: Site, result: str, *, clock: Day | None = None, days: float = 0.0) -> Signature:
    return site.sign(
        'quinn',
        Meaning.TESTED,
        'Sterility',
        result=result,
        reference='LAB-7',
        clock=clock,
        days=days,
    )


def refused(error: pytest.ExceptionInfo[MedicellError]) -> str:
    assert error.value.code is ErrorCode.NOT_ALLOWED_IN_STATE
    return error.value.message


def test_negative_result_before_its_time_is_refused_with_test_value_and_limit(made: Site) -> None:
    with pytest.raises(MedicellError) as caught:
        enter(made, 'negative', clock=Day(13.94))
    assert refused(caught) == (
        'not signed: Sterility is final 14 d after the end, 13.9 d have passed: it cannot be '
        'negative yet'
    )
    assert enter(made, 'negative', clock=Day(14.0)).result == 'negative'
    made.sign('petra', Meaning.RELEASED, clock=Day(14.1))
    assert made.verify().sound


def test_release_before_that_time_is_refused_with_test_value_and_limit(made: Site) -> None:
    with pytest.raises(MedicellError) as caught:
        made.sign('petra', Meaning.RELEASED, clock=Day(3.0))
    assert refused(caught) == (
        'not signed: final results are awaited: Sterility is final 14 d after the end, 3.0 d have '
        'passed'
    )
    with pytest.raises(MedicellError, match=r'final results are awaited: Sterility$'):
        made.sign('petra', Meaning.RELEASED, clock=Day(15.0))


def test_positive_result_is_taken_at_any_time(made: Site) -> None:
    assert enter(made, 'positive', clock=Day(1.5)).result == 'positive'


def test_days_of_a_batch_on_devices_are_told_by_the_clock_alone(made: Site) -> None:
    with pytest.raises(InputError, match='days: are told of a rehearsal alone') as caught:
        enter(made, 'negative', clock=Day(1.0), days=14.0)
    assert caught.value.code is ErrorCode.INVALID_GOAL


def test_days_of_a_rehearsal_are_those_that_are_told(rehearsed: Site) -> None:
    with pytest.raises(MedicellError, match=r'14 d after the end, 0\.0 d have passed'):
        enter(rehearsed, 'negative')
    with pytest.raises(MedicellError, match=r'14 d after the end, 3\.5 d have passed'):
        enter(rehearsed, 'negative', days=3.5)
    assert enter(rehearsed, 'negative', days=14.0).days == 14.0
    rehearsed.sign('petra', Meaning.RELEASED)
    assert rehearsed.verify().sound


@pytest.mark.parametrize('days', [-1.0, float('nan'), float('inf')])
def test_days_that_are_none_are_refused(rehearsed: Site, days: float) -> None:
    with pytest.raises(InputError, match='must be finite, and 0 or more'):
        enter(rehearsed, 'negative', days=days)


def test_early_result_that_was_written_by_hand_is_found(made: Site) -> None:
    at_s = CLOSED_S + 2 * DAY_S
    with open_record(made.folder, witness=Anchor(state=made.state, folder=made.folder)) as record:
        entry = Signature(
            signature_id='MC/S',
            signer='quinn',
            printed_name='Quinn Quality',
            role='quality',
            meaning='tested',
            subject='Sterility',
            reason='',
            record=record.first_hash,
            entries=record.length,
            head=record.head_hash,
            key='',
            result='negative',
            reference='LAB-7',
        )
        record.append(sealed(entry, at_s=at_s, key=cell_key(made.state)), at_s=at_s, actor='quinn')
    checked = made.verify()
    assert not checked.sound
    assert 'Sterility is final 14 d after the end, 2.0 d have passed' in checked.detail


@pytest.mark.parametrize('product', ['cd19_car_t', 'cd20_car_t'])
def test_shipped_products_say_when_sterility_is_final(product: str) -> None:
    lines = evaluate(load_specification(PRODUCTS / f'{product}.yaml'), {})
    days = {line.test: line.final_after_days for line in lines if line.final}
    assert days['Sterility'] == 14.0
    assert all(days.values())


@pytest.mark.parametrize(
    ('old', 'new', 'words'),
    [
        ('final_after: 14 d', 'final_after: 14', 'must be like `14 d` or `36 h`, not 14'),
        ('final_after: 14 d', 'final_after: -14 d', "not '-14 d'"),
        ('final_after: 14 d', 'final_after: two weeks', "not 'two weeks'"),
        ('    stage: final\n', '', 'needs `stage: final`'),
    ],
)
def test_time_that_is_none_is_refused_with_its_field(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / 'cd19_car_t.yaml'
    text = (PRODUCTS / path.name).read_text('utf-8')
    assert old in text
    path.write_text(text.replace(old, new), 'utf-8')
    with pytest.raises(InputError) as caught:
        load_specification(path)
    assert caught.value.field.endswith('].final_after')
    assert words in caught.value.message


def test_hours_are_parts_of_days(tmp_path: Path) -> None:
    path = tmp_path / 'cd19_car_t.yaml'
    text = (PRODUCTS / path.name).read_text('utf-8')
    path.write_text(text.replace('final_after: 14 d', 'final_after: 36 h'), 'utf-8')
    (line,) = [item for item in load_specification(path).tests if item.final]
    assert line.final_after_days == 1.5
