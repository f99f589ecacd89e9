"""Commands of people: taken from who may and proves it, for what was signed, and once."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from signing_site import ADMIN, CLOSE, GIVEN, PASSWORD, PEOPLE, QUICK
from synthetic_batch import START_S, started

from medicell_core.clock import WallClock
from medicell_core.entries import Answer, CommandProof, Entry, Ordered
from medicell_core.errors import ErrorCode, InputError
from medicell_record.access.accounts import Accounts
from medicell_record.access.commands import MOST_CHALLENGES, PersonCommand, ProvedCommands
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.access.passwords import Credentials
from medicell_record.access.permissions import Action, UserRole
from medicell_record.access.person_key import Cost, KeptKey, person_key
from medicell_record.access.proving import DAY_S
from medicell_record.checking.problems import Problem
from medicell_record.record import BatchRecord
from medicell_record.verify import VerifyResult, report_text, verify

COMMANDS: dict[Action, tuple[str, dict[str, str | int]]] = {
    Action.START_BATCH: (
        'StartBatch',
        {
            'recipe': 'r',
            'recipe_yaml': 'name: r',
            'patient_yaml': 'weight: 1',
            'out_dir': 'o',
            'seed': 1,
        },
    ),
    Action.HOLD_BATCH: ('HoldBatch', {'reason': 'handover'}),
    Action.RESUME_BATCH: ('ResumeBatch', {'reason': 'taken over'}),
    Action.ABORT_BATCH: ('AbortBatch', {'reason': 'over'}),
    Action.ANSWER_QUESTION: (
        'AnswerQuestion',
        {'question_id': 'Q-1', 'choice': 'retry', 'reason': 'seen'},
    ),
}
ALLOWED = {
    UserRole.OPERATOR: {'StartBatch', 'HoldBatch', 'ResumeBatch', 'AnswerQuestion'},
    UserRole.SUPERVISOR: {service for service, _ in COMMANDS.values()},
    UserRole.QUALITY: {'HoldBatch'},
    UserRole.MAINTENANCE: {'HoldBatch'},
}
"""Which role may give which command, written down a second time; the others none."""
USER_OF = {role: user_id for user_id, (_, role) in PEOPLE.items()} | {
    UserRole.ADMINISTRATOR: 'admin'
}


class Watch(WallClock):
    """A wall clock, and a steady one, that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s = 1e9

    def now_s(self) -> float:
        return self.at_s


@dataclass
class Door:
    """A cell's accounts, and what takes the commands of its people."""

    path: Path
    watch: Watch
    accounts: Accounts
    commands: ProvedCommands

    def again(self) -> ProvedCommands:
        """Return what takes commands as another process has it."""
        return ProvedCommands(self.path, clock=self.watch, steady_s=self.watch.now_s, keeper=QUICK)

    def give(
        self,
        user_id: str,
        action: Action,
        *,
        password: str = PASSWORD,
        nonce: str = '',
        sent: PersonCommand | None = None,
        sent_nonce: str = '',
    ) -> CommandProof:
        """Give a command; `sent` is what arrives instead of what was signed."""
        challenge = self.commands.challenge(user_id)
        signed_nonce = nonce or challenge.nonce
        made = command(user_id, action)
        key = person_key(password, challenge.salt, Cost(passes=1, memory_kib=8, lanes=1))
        return self.commands.prove(
            sent or made,
            action,
            nonce=sent_nonce or signed_nonce,
            signature=key.sign(made.text(signed_nonce)),
        )

    def refusal(self, *words: str | Action, **options: object) -> Refusal | None:
        try:
            self.give(*words, **options)  # type: ignore[arg-type]
        except AccessRefused as error:
            return error.refusal
        return None


def command(user_id: str, action: Action) -> PersonCommand:
    service, fields = COMMANDS[action]
    return PersonCommand(service=service, fields={**fields, 'operator_name': user_id})


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    path, watch = tmp_path / ACCOUNTS_FILE, Watch()
    with Accounts.create(path, ADMIN, 'Ada Admin', clock=watch, keeper=QUICK) as accounts:
        for user_id, (name, role) in PEOPLE.items():
            given = Credentials(user_id=user_id, password=GIVEN)
            accounts.add(ADMIN, given, name, [role])
            accounts.change_password(given, PASSWORD)
        made = Door(path, watch, accounts, None)  # type: ignore[arg-type]
        made.commands = made.again()
        yield made


def test_each_refusal_has_an_error_code_of_its_own() -> None:
    assert [AccessRefused(item).code.name for item in Refusal] == [item.name for item in Refusal]
    assert len({ErrorCode[item.name] for item in Refusal}) == len(Refusal)


# --- who may do what --------------------------------------------------------------------------


@pytest.mark.parametrize('role', UserRole)
def test_each_role_gives_the_commands_that_the_table_allows_and_no_other(
    door: Door, role: UserRole
) -> None:
    user_id = USER_OF[role]
    password = ADMIN.password if user_id == 'admin' else PASSWORD
    for action, (service, _) in COMMANDS.items():
        allowed = service in ALLOWED.get(role, ())
        expected = None if allowed else Refusal.NOT_PERMITTED
        assert door.refusal(user_id, action, password=password) is expected, action
    told = [item.what for item in door.accounts.history() if item.who == user_id]
    assert told.count('refused') == len(COMMANDS) - len(ALLOWED.get(role, ()))


@pytest.mark.parametrize('action', COMMANDS)
def test_each_command_is_refused_with_credentials_that_do_not_hold(
    door: Door, action: Action
) -> None:
    user_id = 'sven'
    assert door.refusal(user_id, action, password='wrong') is Refusal.WRONG_CREDENTIALS
    assert door.refusal(user_id, action, password=GIVEN) is Refusal.WRONG_CREDENTIALS
    assert door.refusal('nobody', action) is Refusal.WRONG_CREDENTIALS
    door.watch.at_s += door.accounts.policy.expiry_days * DAY_S + DAY_S
    assert door.refusal(user_id, action) is Refusal.PASSWORD_EXPIRED
    given = Credentials(user_id=user_id, password='given once more')
    door.accounts.unlock(replace(ADMIN, password=fresh_admin(door)), given, 'as the test asks')
    given_again = door.refusal(user_id, action, password=given.password)
    assert given_again is Refusal.PASSWORD_NOT_OWN
    door.accounts.change_password(given, 'a password of my own')
    assert door.refusal(user_id, action) is Refusal.WRONG_CREDENTIALS
    assert door.refusal(user_id, action, password='a password of my own') is None
    for _ in range(door.accounts.policy.max_failures):
        assert door.refusal(user_id, action, password='wrong') is Refusal.WRONG_CREDENTIALS
    locked = door.refusal(user_id, action, password='a password of my own')
    assert locked is Refusal.ACCOUNT_LOCKED
    door.accounts.disable(replace(ADMIN, password=NEXT), user_id, 'as the test asks')
    assert door.refusal(user_id, action) is Refusal.ACCOUNT_DISABLED


NEXT = 'another honest start'


def fresh_admin(door: Door) -> str:
    """Return the administrator's new password, after the old one has expired."""
    door.accounts.change_password(ADMIN, NEXT)
    return NEXT


# --- once, soon, and for what was signed ------------------------------------------------------


@pytest.mark.parametrize('action', COMMANDS)
def test_command_is_taken_once(door: Door, action: Action) -> None:
    challenge = door.commands.challenge('sven')
    assert door.refusal('sven', action, nonce=challenge.nonce) is None
    assert door.refusal('sven', action, nonce=challenge.nonce) is Refusal.PROOF_USED


def test_refused_command_has_used_its_challenge_up(door: Door) -> None:
    nonce = door.commands.challenge('sven').nonce
    wrong = door.refusal('sven', Action.HOLD_BATCH, nonce=nonce, password='wrong')
    assert wrong is Refusal.WRONG_CREDENTIALS
    assert door.refusal('sven', Action.HOLD_BATCH, nonce=nonce) is Refusal.PROOF_USED


def test_challenge_of_long_ago_of_another_or_of_another_process_is_refused(door: Door) -> None:
    nonce = door.commands.challenge('sven').nonce
    door.watch.at_s += door.accounts.policy.proof_s
    assert door.refusal('sven', Action.HOLD_BATCH, nonce=nonce) is None
    nonce = door.commands.challenge('sven').nonce
    door.watch.at_s += door.accounts.policy.proof_s + 1.0
    assert door.refusal('sven', Action.HOLD_BATCH, nonce=nonce) is Refusal.PROOF_EXPIRED
    of_another = door.commands.challenge('olga').nonce
    assert door.refusal('sven', Action.HOLD_BATCH, nonce=of_another) is Refusal.PROOF_UNKNOWN
    nonce = door.commands.challenge('sven').nonce
    door.commands = door.again()
    assert door.refusal('sven', Action.HOLD_BATCH, nonce=nonce) is Refusal.PROOF_UNKNOWN


def test_command_without_a_proof_is_refused(door: Door) -> None:
    with pytest.raises(AccessRefused, match="not proved: HoldBatch by 'sven'") as caught:
        door.commands.prove(
            command('sven', Action.HOLD_BATCH), Action.HOLD_BATCH, nonce='', signature=''
        )
    assert caught.value.refusal is Refusal.PROOF_MISSING


@pytest.mark.parametrize('action', COMMANDS)
def test_command_that_was_altered_on_its_way_is_refused(door: Door, action: Action) -> None:
    made = command('sven', action)
    others = [replace(made, service='ResumeBatch' if made.service == 'HoldBatch' else 'HoldBatch')]
    for name, value in made.fields.items():
        if name != 'operator_name':
            other = value + 1 if isinstance(value, int) else f'{value}x'
            others.append(replace(made, fields={**made.fields, name: other}))
    others.append(replace(made, fields={**made.fields, 'more': ''}))
    for sent in others:
        # A right one between them, so that the account is not locked meanwhile.
        assert door.refusal('sven', action, sent=sent) is Refusal.WRONG_CREDENTIALS, sent
        assert door.refusal('sven', action) is None
    another = door.commands.challenge('sven').nonce
    assert door.refusal('sven', action, sent_nonce=another) is Refusal.WRONG_CREDENTIALS
    by_another = replace(made, fields={**made.fields, 'operator_name': 'olga'})
    assert door.refusal('sven', action, sent=by_another) is Refusal.PROOF_UNKNOWN


def test_wrong_signatures_lock_the_account_and_stand_in_its_history(door: Door) -> None:
    for _ in range(door.accounts.policy.max_failures):
        door.refusal('sven', Action.HOLD_BATCH, password='wrong')
    told = door.accounts.history()[-1]
    assert (told.who, told.subject, told.after) == ('sven', 'hold_batch', 'wrong signature')
    assert door.refusal('sven', Action.HOLD_BATCH) is Refusal.ACCOUNT_LOCKED
    with pytest.raises(AccessRefused, match='locked'):
        door.accounts.authorise(
            Credentials(user_id='sven', password=PASSWORD), Action.SIGN_PERFORMED, 'x'
        )


def test_challenges_tell_nobody_who_has_an_account_and_are_kept_in_bounds(door: Door) -> None:
    first, second = (door.commands.challenge('nobody') for _ in range(2))
    assert first.salt == second.salt != door.commands.challenge('no.one').salt
    assert len(first.salt) == len(door.commands.challenge('sven').salt)
    oldest = door.commands.challenge('sven').nonce
    for _ in range(MOST_CHALLENGES):
        door.commands.challenge('nobody')
    assert door.refusal('sven', Action.HOLD_BATCH, nonce=oldest) is Refusal.PROOF_UNKNOWN
    before = len(door.accounts.history())
    assert door.refusal('nobody', Action.HOLD_BATCH) is Refusal.WRONG_CREDENTIALS
    assert len(door.accounts.history()) == before


def test_cell_without_accounts_takes_no_commands(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='users init'):
        ProvedCommands(tmp_path / ACCOUNTS_FILE)


# --- the key ----------------------------------------------------------------------------------


def test_key_is_that_of_the_interface_by_other_means() -> None:
    """The public key that `openssl pkey` makes of the 32 bytes that Argon2id gives."""
    key = person_key('correct horse battery', 'AAECAwQFBgcICQoLDA0ODw==')
    assert str(key.public) == 'rlkDaPfo55Esbi4W5niAO++dyUQ7XZITbTUv+NcgU+w='
    made = PersonCommand(
        service='StartBatch', fields={'operator_name': 'olga', 'seed': -1, 'recipe_yaml': 'ä\n'}
    )
    assert made.text('00ff') == (
        '["medicell command, format 1","00ff","StartBatch",{"operator_name":"olga",'
        '"recipe_yaml":"ac6f010e65c9ea739dbdaa21427edd5ef60c6d461ef4d619c003e3ab62453a56",'
        '"seed":-1}]'
    )


def test_account_from_before_keys_gets_one_with_its_next_password_or_signature(
    door: Door,
) -> None:
    former = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with closing(sqlite3.connect(door.path)) as database, database:
        database.execute("UPDATE account SET password = ? WHERE user_id = 'olga'", [former])
    assert door.refusal('olga', Action.HOLD_BATCH) is Refusal.ACCOUNT_WITHOUT_KEY
    olga = Credentials(user_id='olga', password=PASSWORD)
    with pytest.raises(AccessRefused, match='identifier or password is wrong'):
        door.accounts.authorise(replace(olga, password='no'), Action.SIGN_PERFORMED, 'x')
    assert door.refusal('olga', Action.HOLD_BATCH) is Refusal.ACCOUNT_WITHOUT_KEY
    door.accounts.authorise(olga, Action.SIGN_PERFORMED, 'x')
    assert door.refusal('olga', Action.HOLD_BATCH) is None


def test_neither_password_nor_private_key_is_in_the_accounts(door: Door) -> None:
    account = next(item for item in door.accounts.all() if item.user_id == 'olga')
    kept = KeptKey.parse(account.password)
    assert kept is not None
    private = person_key(PASSWORD, kept.salt, kept.cost).private.private_bytes_raw()
    content = door.path.read_bytes()
    assert PASSWORD.encode() not in content
    assert private not in content
    assert private.hex().encode() not in content


# --- in the record ----------------------------------------------------------------------------


def recorded(door: Door, tmp_path: Path, *entries: Entry) -> VerifyResult:
    path = tmp_path / 'record.sqlite'
    path.unlink(missing_ok=True)
    with BatchRecord.create(path) as record:
        for number, entry in enumerate(entries):
            record.append(entry, at_s=START_S + number, actor='orchestrator')
    return verify(path, home=tmp_path / 'state')


def test_proved_commands_are_told_and_an_altered_one_is_found(door: Door, tmp_path: Path) -> None:
    begun = replace(
        started(),
        operator='olga',
        seed=1,
        recipe_sha256=hashlib.sha256(b'name: r').hexdigest(),
        proof=door.give('olga', Action.START_BATCH),
    )
    held = Ordered(
        order='hold',
        reason='handover',
        operator='sven',
        proof=door.give('sven', Action.HOLD_BATCH),
    )
    answered = Answer(
        question_id='Q-1',
        choice='retry',
        operator='olga',
        reason='seen',
        proof=door.give('olga', Action.ANSWER_QUESTION),
    )
    whole = (begun, held, answered, CLOSE)
    result = recorded(door, tmp_path, *whole)
    assert result.sound, result.detail
    assert result.commands == (
        'proved: StartBatch by Olga Operator (olga), operator, entry 1',
        'proved: HoldBatch by Sven Supervisor (sven), supervisor, entry 2',
        'proved: AnswerQuestion by Olga Operator (olga), operator, entry 3',
    )
    assert held.proof is not None
    other_key = str(person_key('x', 'AAECAwQFBgcICQoLDA0ODw==', QUICK_COST).public)
    altered: tuple[tuple[int, Entry, str], ...] = (
        (0, replace(begun, operator='sven'), "operator_name 'olga', not 'sven'"),
        (0, replace(begun, seed=2), 'seed 1, not 2'),
        (0, replace(begun, recipe_sha256='0' * 64), "not '0000"),
        (1, replace(held, reason='other'), "reason 'handover', not 'other'"),
        (1, replace(held, order='abort'), 'signed for HoldBatch, not for AbortBatch'),
        (1, replace(held, proof=replace(held.proof, key=other_key)), 'not signed by the key'),
        (1, replace(held, proof=replace(held.proof, key='?')), 'is not proved'),
        (1, replace(held, proof=replace(held.proof, signature='AAAA')), 'not signed by the key'),
        (2, replace(answered, choice='abort'), "choice 'retry', not 'abort'"),
        (2, held, 'stands there twice'),
    )
    for place, entry, says in altered:
        wrong = (*whole[:place], entry, *whole[place + 1 :])
        result = recorded(door, tmp_path, *wrong)
        assert result.problem is Problem.FORGED_COMMAND, says
        assert result.broken_sequence == place + 1
        assert says in result.detail


def test_record_tells_that_nobody_was_proved(door: Door, tmp_path: Path) -> None:
    order = Ordered(order='hold', reason='x', operator='A. Person')
    result = recorded(door, tmp_path, replace(started(), operator='medicell run'), order, CLOSE)
    assert result.sound
    told = 'commands by name alone, of nobody who was proved: 2'
    assert result.commands == (told,)
    assert told in report_text(result)


QUICK_COST = Cost(passes=1, memory_kib=8, lanes=1)
