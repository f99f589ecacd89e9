"""Accounts, signatures and the report that shows them, by the commands that people type."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_batch import write_batch

from medicell_bringup import cli
from medicell_core.entries import Deviation, Signature
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.anchor.anchor import Anchor
from medicell_record.anchor.place import cell_state
from medicell_record.place import RECORD_FILE
from medicell_record.record import BatchRecord

ADMIN, FIRST, PASSWORD = 'an honest start', 'given by the admin', 'correct horse battery'
PEOPLE = {
    'olga': ('Olga Operator', 'operator'),
    'sven': ('Sven Supervisor', 'supervisor'),
    'quinn': ('Quinn Quality', 'quality'),
    'petra': ('Petra Person', 'qualified_person'),
}

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Return what runs a command while somebody types these lines."""

    def run(*words: str, lines: tuple[str, ...] = ()) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'stdin', io.StringIO(''.join(f'{line}\n' for line in lines)))
        code = cli.main(list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def home(tmp_path: Path, typed: Type) -> str:
    """A cell with its first administrator."""
    state = str(tmp_path / 'state')
    words = ('users', 'init', 'ada', '--name', 'Ada Admin', '--state', state)
    assert typed(*words, lines=(ADMIN, ADMIN))[0] == 0
    return state


def people(typed: Type, home: str, *names: str) -> None:
    for user in names:
        name, role = PEOPLE[user]
        words = ('users', 'add', user, '--name', name, '--role', role, '--as', 'ada')
        assert typed(*words, '--state', home, lines=(ADMIN, FIRST, FIRST))[0] == 0
        lines = (FIRST, PASSWORD, PASSWORD)
        assert typed('users', 'password', user, '--state', home, lines=lines)[0] == 0


def test_first_administrator_is_made_once_by_a_password_typed_twice(
    tmp_path: Path, typed: Type
) -> None:
    state = str(tmp_path / 'state')
    words = ('users', 'init', 'ada', '--name', 'Ada Admin', '--state', state)
    assert typed(*words)[2] == (
        'medicell: new password of ada: nobody answers, there is no terminal\n'
    )
    code, _, said = typed(*words, lines=(ADMIN, 'another one'))
    assert (code, said) == (2, 'medicell: new password of ada: the two are not alike\n')
    assert not Path(state).exists()
    code, said, _ = typed(*words, '--max-failures', '3', lines=(ADMIN, ADMIN))
    assert (code, said) == (0, 'ada is the administrator of the cell cell_1\n')
    code, _, said = typed(*words, lines=(ADMIN, ADMIN))
    assert code == 2
    assert 'the cell has its accounts already' in said
    with Accounts.open(cell_state('cell_1', state) / ACCOUNTS_FILE) as accounts:
        assert accounts.policy.max_failures == 3


def test_rule_that_keeps_nobody_out_is_one_line(tmp_path: Path, typed: Type) -> None:
    words = ('users', 'init', 'ada', '--name', 'A', '--state', str(tmp_path))
    code, _, said = typed(*words, '--max-failures', '0', lines=(ADMIN, ADMIN))
    assert (code, said) == (2, 'medicell: max_failures is 0; must be at least 1\n')


def test_cell_without_accounts_says_how_to_make_the_first(tmp_path: Path, typed: Type) -> None:
    code, _, said = typed('users', '--state', str(tmp_path))
    assert code == 2
    assert '`./medicell users init` makes the first one' in said


def test_accounts_are_added_changed_unlocked_and_disabled(home: str, typed: Type) -> None:
    people(typed, home, 'olga')
    reason = ('--as', 'ada', '--reason', 'new tasks', '--state', home)
    words = ('users', 'roles', 'olga', '--role', 'quality', *reason)
    assert typed(*words, lines=(ADMIN,))[0] == 0
    assert 'quality' in typed('users', '--state', home)[1]
    assert (
        typed(
            'users', 'unlock', 'olga', *reason, lines=(ADMIN, 'once more unto', 'once more unto')
        )[0]
        == 0
    )
    assert 'must change the password' in typed('users', 'list', '--state', home)[1]
    assert typed('users', 'disable', 'olga', *reason, lines=(ADMIN,))[0] == 0
    assert 'disabled' in typed('users', 'list', '--state', home)[1]
    told = typed('users', 'history', '--state', home)[1]
    assert 'roles' in told
    assert 'new tasks' in told


def test_nobody_but_an_administrator_adds_people(home: str, typed: Type) -> None:
    people(typed, home, 'quinn')
    words = ('users', 'add', 'eve', '--name', 'E', '--role', 'quality', '--as', 'quinn')
    code, _, said = typed(*words, '--state', home, lines=(PASSWORD, FIRST, FIRST))
    assert code == 1
    assert 'not permitted: manage_accounts to quality (quinn)' in said


def test_wrong_password_is_one_line_and_shown_nowhere(home: str, typed: Type) -> None:
    words = ('users', 'disable', 'ada', '--as', 'ada', '--reason', 'x', '--state', home)
    code, out, said = typed(*words, lines=('not my password',))
    assert code == 1
    assert said.endswith('identifier or password is wrong\n')
    assert 'not my' not in out + said


@pytest.fixture
def batch(tmp_path: Path, home: str) -> Path:
    """The folder of a batch that is ready for release, with its deviations."""
    folder = tmp_path / 'run'
    folder.mkdir()
    anchor = Anchor(state=cell_state('cell_1', home), folder=folder)
    with BatchRecord.create(folder / RECORD_FILE, witness=anchor) as record:
        write_batch(record)
    return folder


def test_batch_is_signed_to_its_release_and_the_report_shows_it(
    home: str, batch: Path, typed: Type
) -> None:
    people(typed, home, *PEOPLE)
    told = typed('sign', str(batch), '--state', home)[1]
    assert 'can be signed next: performed' in told
    deviations = [line.split(':')[1].strip() for line in told.splitlines() if line[:4] == 'open']
    assert deviations

    def sign(user: str, *words: str) -> tuple[int, str, str]:
        return typed('sign', str(batch), *words, '--as', user, '--state', home, lines=(PASSWORD,))

    code, _, said = sign('petra', 'released')
    assert code == 1
    assert not (batch / 'certificate.pdf').exists()
    assert 'released comes after approved' in said
    assert sign('olga', 'performed')[0] == 0
    assert sign('sven', 'reviewed')[0] == 0
    assert 'open deviations' in sign('quinn', 'approved')[2]
    for number in deviations:
        short = number.rpartition('/')[2]
        words = ('closed', '--deviation', short, '--reason', 'no harm to the product')
        assert sign('quinn', *words)[0] == 0
    assert sign('quinn', 'approved')[0] == 0
    told = typed('sign', str(batch), '--state', home)[1]
    assert 'awaited: final result of Sterility\nstage: approved\n' in told
    assert 'final results are awaited: Sterility' in sign('petra', 'released')[2]
    assert sign('petra', 'released_conditionally')[0] == 0
    entered = ('tested', '--test', 'Sterility', '--result', 'negative', '--reference', 'LAB [/7]')
    entered += ('--days', '14')
    said = sign('quinn', *entered)[1]
    assert ': Sterility tested: negative (LAB [/7]) by Quinn Quality (quality)' in said
    code, said, _ = sign('petra', 'released')
    assert code == 0
    assert 'MC-2026-0001/S' in said
    assert ': batch released by Petra Person (qualified_person)' in said
    assert said.endswith(f'shown by {batch / "report.pdf"} and {batch / "certificate.pdf"}\n')
    assert (batch / 'certificate.pdf').read_bytes().startswith(b'%PDF-1.7')
    assert (batch / 'report.pdf').stat().st_size > 10_000
    (batch / 'certificate.pdf').unlink()
    told = typed('sign', str(batch), '--state', home)[1]
    assert (batch / 'certificate.pdf').is_file(), 'as after a drawing that was broken off'
    assert told.endswith('stage: released\ncan be signed next: recalled, notified\n')
    code, said, _ = typed('verify', str(batch), '--state', home)
    assert code == 0
    assert 'signed: batch released by Petra Person (petra), qualified_person, on ' in said
    with BatchRecord.open(batch / RECORD_FILE) as record:
        assert len(record.entries(Signature)) == 6 + len(deviations)


def test_positive_result_after_the_first_stage_is_an_alarm(
    home: str, batch: Path, typed: Type
) -> None:
    people(typed, home, *PEOPLE)

    def sign(user: str, *words: str) -> int:
        words = ('sign', str(batch), *words, '--as', user, '--state', home)
        return typed(*words, lines=(PASSWORD,))[0]

    with BatchRecord.open(batch / RECORD_FILE, read_only=True) as record:
        deviations = [
            item.entry.deviation_id for item in record if isinstance(item.entry, Deviation)
        ]
    closed = [('closed', '--deviation', item, '--reason', 'x') for item in deviations]
    entered = ('tested', '--test', 'Sterility', '--result', 'positive', '--reference', 'LAB-7')
    assert sign('olga', 'performed') == sign('sven', 'reviewed') == 0
    assert [sign('quinn', *words) for words in closed] == [0] * len(closed)
    assert sign('quinn', 'approved') == sign('petra', 'released_conditionally') == 0
    assert sign('quinn', *entered) == 0
    told = typed('sign', str(batch), '--state', home)[1]
    assert 'ALARM: Sterility is positive (LAB-7) after the release: recall the product' in told
    assert 'stage: released_conditionally\ncan be signed next: recalled, notified\n' in told
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('medicell_bringup.commands.sign.write_report', no_room)
        with pytest.raises(OSError, match='no room'):
            sign('petra', 'recalled', '--reason', 'fetched [b]back[/b] [/x]')
    assert not (batch / 'certificate.pdf').exists(), 'it says that the batch is released'
    assert 'stage: recalled\n' in typed('sign', str(batch), '--state', home)[1]
    assert (batch / 'certificate.pdf').is_file()


def no_room(*given: object, **named: object) -> None:
    raise OSError('no room')


def test_record_that_is_not_sound_has_no_stage(home: str, batch: Path, typed: Type) -> None:
    (batch / 'checkpoints.jsonl').write_text('{}\n')
    code, said, _ = typed('sign', str(batch), '--state', home)
    assert code == 3
    assert ': BROKEN\n' in said
    assert 'stage' not in said


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        (('none', 'performed', '--as', 'olga'), 'none: there is no such folder'),
        (('{batch}', 'performed'), '--as: must be given'),
        (
            ('{batch}', 'closed', '--as', 'olga', '--deviation', 'D099'),
            '--deviation: the record has no deviation D099',
        ),
        (('{batch}', 'blessed', '--as', 'olga'), "Invalid value for 'MEANING'"),
    ],
)
def test_wrong_input_of_a_signature_is_one_line(
    words: tuple[str, ...], says: str, home: str, batch: Path, typed: Type
) -> None:
    given = [word.format(batch=batch) for word in words]
    code, out, said = typed('sign', *given, '--state', home, lines=(PASSWORD,))
    assert (code, out) == (2, '')
    assert says in said
    assert said.count('\n') == 1
