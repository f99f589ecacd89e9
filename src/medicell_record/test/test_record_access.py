"""Each action as each role, with right, wrong, old, locked and replayed credentials."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from medicell_core.clock import WallClock
from medicell_core.errors import ErrorCode, InputError
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.access.passwords import Credentials, PasswordKeeper, Policy
from medicell_record.access.permissions import PERMISSIONS, Action, UserRole, role_for
from medicell_record.access.person_key import Cost
from medicell_record.access.proving import DAY_S

QUICK = PasswordKeeper(Cost(passes=1, memory_kib=8, lanes=1))
"""Guesses cost nothing in these tests."""
ADMIN = Credentials(user_id='admin', password='an honest start')
FIRST, NEW = 'given by admin', 'correct horse battery'
WHY = 'as the test asks'
ALLOWED = {
    UserRole.OPERATOR: 'start_batch answer_question hold_batch resume_batch clear_device'
    ' sign_performed change_own_password',
    UserRole.SUPERVISOR: 'start_batch answer_question hold_batch resume_batch abort_batch'
    ' clear_device sign_performed sign_reviewed change_own_password',
    UserRole.QUALITY: 'hold_batch sign_reviewed sign_approved sign_rejected close_deviation'
    ' enter_result sign_recalled change_own_password',
    UserRole.QUALIFIED_PERSON: 'sign_rejected sign_released sign_recalled change_own_password',
    UserRole.PHYSICIAN: 'sign_requested change_own_password',
    UserRole.MAINTENANCE: 'hold_batch clear_device change_own_password',
    UserRole.ADMINISTRATOR: 'manage_accounts change_own_password',
}
"""What each role may do, written down a second time: a change must be made twice."""


class StoodClock(WallClock):
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s = 1e9

    def now_s(self) -> float:
        return self.at_s


@pytest.fixture
def clock() -> StoodClock:
    return StoodClock()


@pytest.fixture
def accounts(tmp_path: Path, clock: StoodClock) -> Iterator[Accounts]:
    with Accounts.create(
        tmp_path / 'cell' / ACCOUNTS_FILE, ADMIN, 'Ada Admin', clock=clock, keeper=QUICK
    ) as made:
        yield made


def person(accounts: Accounts, user_id: str, *roles: UserRole) -> Credentials:
    """Return the credentials of an account that is ready to be used."""
    if UserRole.ADMINISTRATOR in roles and user_id == 'admin':
        return ADMIN
    given = Credentials(user_id=user_id, password=FIRST)
    accounts.add(ADMIN, given, f'Person {user_id}', roles)
    accounts.change_password(given, NEW)
    return replace(given, password=NEW)


def refusal_of(accounts: Accounts, given: Credentials, action: Action) -> Refusal | None:
    try:
        accounts.authorise(given, action, 'subject')
    except AccessRefused as error:
        return error.refusal
    return None


# --- the table ------------------------------------------------------------------------------


def test_table_names_every_action_and_no_role_is_without_any() -> None:
    assert set(PERMISSIONS) == set(Action)
    assert set(ALLOWED) == set(UserRole)
    assert set().union(*PERMISSIONS.values()) == set(UserRole)


@pytest.mark.parametrize('role', UserRole)
def test_each_role_may_do_what_the_table_allows_and_nothing_else(
    accounts: Accounts, role: UserRole
) -> None:
    given = person(accounts, 'someone', role)
    for action in Action:
        allowed = str(action) in ALLOWED[role].split()
        expected = None if allowed else Refusal.NOT_PERMITTED
        assert refusal_of(accounts, given, action) is expected, action
        assert (role_for(action, [role]) is role) is allowed


@pytest.mark.parametrize('role', UserRole)
@pytest.mark.parametrize('action', Action)
def test_each_action_is_refused_each_role_with_credentials_that_do_not_hold(
    accounts: Accounts, clock: StoodClock, role: UserRole, action: Action
) -> None:
    given = person(accounts, 'someone', role)
    wrong = replace(given, password='not the password')
    assert refusal_of(accounts, wrong, action) is Refusal.WRONG_CREDENTIALS
    nobody = replace(given, user_id='nobody')
    assert refusal_of(accounts, nobody, action) is Refusal.WRONG_CREDENTIALS
    # Old: from before the change.
    old = replace(given, password=FIRST)
    assert refusal_of(accounts, old, action) is Refusal.WRONG_CREDENTIALS
    # Replayed: the proof of one act for a second one.
    if role in PERMISSIONS[action]:
        proof = accounts.prove(given, action, 'batch 1')
        for other in (set(Action) - {action}, {action}):
            for another in other:
                with pytest.raises(AccessRefused) as caught:
                    accounts.redeem(proof, another, 'batch 2')
                assert caught.value.refusal is Refusal.PROOF_UNKNOWN
        assert accounts.redeem(proof, action, 'batch 1').user_id == 'someone'
        with pytest.raises(AccessRefused) as caught:
            accounts.redeem(proof, action, 'batch 1')
        assert caught.value.refusal is Refusal.PROOF_USED
    # Expired.
    clock.at_s += (accounts.policy.expiry_days + 1) * DAY_S
    if role in PERMISSIONS[action] and action is not Action.CHANGE_OWN_PASSWORD:
        assert refusal_of(accounts, given, action) is Refusal.PASSWORD_EXPIRED
    # Locked, whatever comes then, the right password too.
    for _ in range(accounts.policy.max_failures):
        refusal_of(accounts, wrong, action)
    assert refusal_of(accounts, given, action) is Refusal.ACCOUNT_LOCKED


# --- a proof --------------------------------------------------------------------------------


def test_proof_is_old_after_its_time(accounts: Accounts, clock: StoodClock) -> None:
    for wait_s, refused in ((accounts.policy.proof_s, False), (accounts.policy.proof_s + 1, True)):
        proof = accounts.prove(ADMIN, Action.MANAGE_ACCOUNTS, 'x')
        clock.at_s += wait_s
        if not refused:
            accounts.redeem(proof, Action.MANAGE_ACCOUNTS, 'x')
            continue
        with pytest.raises(AccessRefused) as caught:
            accounts.redeem(proof, Action.MANAGE_ACCOUNTS, 'x')
        assert caught.value.refusal is Refusal.PROOF_EXPIRED


def test_proof_that_nobody_gave_or_of_somebody_else_is_refused(accounts: Accounts) -> None:
    proof = accounts.prove(ADMIN, Action.MANAGE_ACCOUNTS, 'x')
    person(accounts, 'other', UserRole.OPERATOR)
    for forged in (replace(proof, nonce='00' * 16), replace(proof, user_id='other')):
        with pytest.raises(AccessRefused) as caught:
            accounts.redeem(forged, Action.MANAGE_ACCOUNTS, 'x')
        assert caught.value.refusal is Refusal.PROOF_UNKNOWN


@pytest.mark.parametrize('how', ['locked', 'disabled', 'roles'])
def test_proof_holds_no_longer_than_its_account(accounts: Accounts, how: str) -> None:
    given = person(accounts, 'op', UserRole.OPERATOR)
    proof = accounts.prove(given, Action.START_BATCH, 'x')
    if how == 'locked':
        for _ in range(accounts.policy.max_failures):
            refusal_of(accounts, replace(given, password='wrong'), Action.START_BATCH)
    elif how == 'disabled':
        accounts.disable(ADMIN, 'op', WHY)
    else:
        accounts.set_roles(ADMIN, 'op', [UserRole.MAINTENANCE], WHY)
    with pytest.raises(AccessRefused) as caught:
        accounts.redeem(proof, Action.START_BATCH, 'x')
    assert caught.value.refusal in (
        Refusal.ACCOUNT_LOCKED,
        Refusal.ACCOUNT_DISABLED,
        Refusal.NOT_PERMITTED,
    )


# --- lockout --------------------------------------------------------------------------------


def test_account_is_locked_after_so_many_failures_and_not_before(accounts: Accounts) -> None:
    given = person(accounts, 'op', UserRole.OPERATOR)
    wrong = replace(given, password='wrong')
    for _ in range(accounts.policy.max_failures - 1):
        assert refusal_of(accounts, wrong, Action.START_BATCH) is Refusal.WRONG_CREDENTIALS
    assert refusal_of(accounts, given, Action.START_BATCH) is None
    # A right one forgives what was wrong before.
    for _ in range(accounts.policy.max_failures):
        assert refusal_of(accounts, wrong, Action.START_BATCH) is Refusal.WRONG_CREDENTIALS
    assert refusal_of(accounts, wrong, Action.START_BATCH) is Refusal.ACCOUNT_LOCKED
    assert refusal_of(accounts, given, Action.START_BATCH) is Refusal.ACCOUNT_LOCKED


def test_lock_ends_by_itself_and_the_next_wrong_password_brings_it_back(
    accounts: Accounts, clock: StoodClock
) -> None:
    """The only administrator, too, whom nobody else could let in again."""
    wrong = replace(ADMIN, password='wrong')
    for _ in range(accounts.policy.max_failures):
        assert refusal_of(accounts, wrong, Action.MANAGE_ACCOUNTS) is Refusal.WRONG_CREDENTIALS
    clock.at_s += accounts.policy.lock_s - 1.0
    assert refusal_of(accounts, ADMIN, Action.MANAGE_ACCOUNTS) is Refusal.ACCOUNT_LOCKED
    clock.at_s += 1.0
    assert refusal_of(accounts, wrong, Action.MANAGE_ACCOUNTS) is Refusal.WRONG_CREDENTIALS
    assert refusal_of(accounts, ADMIN, Action.MANAGE_ACCOUNTS) is Refusal.ACCOUNT_LOCKED
    clock.at_s += accounts.policy.lock_s
    assert refusal_of(accounts, ADMIN, Action.MANAGE_ACCOUNTS) is None
    assert refusal_of(accounts, wrong, Action.MANAGE_ACCOUNTS) is Refusal.WRONG_CREDENTIALS
    assert refusal_of(accounts, ADMIN, Action.MANAGE_ACCOUNTS) is None


def test_accounts_from_before_locks_ended_have_the_rule_of_today(
    accounts: Accounts, clock: StoodClock, tmp_path: Path
) -> None:
    path = tmp_path / 'cell' / ACCOUNTS_FILE
    accounts.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE policy SET rules = json_remove(rules, '$.lock_s')")
    with Accounts.open(path, clock=clock, keeper=QUICK) as opened:
        assert opened.policy.lock_s == Policy().lock_s


def test_locked_account_is_opened_by_an_administrator_with_another_password(
    accounts: Accounts,
) -> None:
    given = person(accounts, 'op', UserRole.OPERATOR)
    for _ in range(accounts.policy.max_failures):
        refusal_of(accounts, replace(given, password='wrong'), Action.START_BATCH)
    again = replace(given, password='once more unto the breach')
    accounts.unlock(ADMIN, again, WHY)
    assert refusal_of(accounts, again, Action.START_BATCH) is Refusal.PASSWORD_NOT_OWN
    assert refusal_of(accounts, given, Action.START_BATCH) is Refusal.WRONG_CREDENTIALS
    accounts.change_password(again, 'a password of my own')
    mine = replace(given, password='a password of my own')
    assert refusal_of(accounts, mine, Action.START_BATCH) is None


def test_guesses_side_by_side_count_each(
    tmp_path: Path, accounts: Accounts, clock: StoodClock
) -> None:
    given = person(accounts, 'op', UserRole.OPERATOR)
    found: list[Refusal | None] = []

    def guess() -> None:
        path = tmp_path / 'cell' / ACCOUNTS_FILE
        with Accounts.open(path, clock=clock, keeper=QUICK) as mine:
            found.extend(
                refusal_of(mine, replace(given, password='wrong'), Action.START_BATCH)
                for _ in range(3)
            )

    threads = [threading.Thread(target=guess) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert found.count(Refusal.WRONG_CREDENTIALS) <= accounts.policy.max_failures
    assert refusal_of(accounts, given, Action.START_BATCH) is Refusal.ACCOUNT_LOCKED


# --- passwords ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('password', 'says'),
    [
        ('short', '5 characters; must be at least 12'),
        ('', '0 characters'),
        ('aaaaaaaaaaaaaaaa', 'it repeats itself'),
        ('i am Someone else', 'holds the identifier'),
        (FIRST, 'it was used before'),
    ],
)
def test_weak_or_former_password_is_refused(accounts: Accounts, password: str, says: str) -> None:
    given = person(accounts, 'someone', UserRole.OPERATOR)
    with pytest.raises(AccessRefused, match=says) as caught:
        accounts.change_password(given, password)
    assert caught.value.refusal is Refusal.PASSWORD_TOO_WEAK
    assert refusal_of(accounts, given, Action.START_BATCH) is None


def test_password_from_an_administrator_is_good_for_nothing_but_its_change(
    accounts: Accounts,
) -> None:
    given = Credentials(user_id='op', password=FIRST)
    accounts.add(ADMIN, given, 'Olga Operator', [UserRole.OPERATOR])
    assert refusal_of(accounts, given, Action.START_BATCH) is Refusal.PASSWORD_NOT_OWN
    accounts.change_password(given, NEW)
    assert refusal_of(accounts, replace(given, password=NEW), Action.START_BATCH) is None


def test_expired_password_can_be_changed_by_its_owner(
    accounts: Accounts, clock: StoodClock
) -> None:
    given = person(accounts, 'op', UserRole.OPERATOR)
    clock.at_s += accounts.policy.expiry_days * DAY_S
    assert refusal_of(accounts, given, Action.START_BATCH) is None
    clock.at_s += DAY_S
    assert refusal_of(accounts, given, Action.START_BATCH) is Refusal.PASSWORD_EXPIRED
    accounts.change_password(given, 'another one of mine')
    again = replace(given, password='another one of mine')
    assert refusal_of(accounts, again, Action.START_BATCH) is None


def test_no_password_stands_in_the_file_or_in_a_text(tmp_path: Path, accounts: Accounts) -> None:
    given = person(accounts, 'op', UserRole.OPERATOR)
    for account in accounts.all():
        assert account.password.startswith('$ed25519$argon2id$')
        assert 'argon2' not in repr(account)
    assert NEW not in repr(given)
    content = (tmp_path / 'cell' / ACCOUNTS_FILE).read_bytes()
    assert not any(item.encode() in content for item in (NEW, FIRST, ADMIN.password))


@pytest.mark.parametrize(
    'rule',
    [
        {'max_failures': 0},
        {'expiry_days': 0.0},
        {'min_length': 7},
        {'remembered': -1},
        {'proof_s': 0.0},
        {'expiry_days': float('nan')},
    ],
    ids=lambda rule: next(iter(rule)),
)
def test_rule_that_keeps_nobody_out_is_refused(rule: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f'{next(iter(rule))} is '):
        Policy(**rule)  # type: ignore[arg-type]


def test_rules_are_kept_with_the_accounts(tmp_path: Path) -> None:
    rules = Policy(max_failures=2, expiry_days=30.0)
    path = tmp_path / ACCOUNTS_FILE
    Accounts.create(path, ADMIN, 'Ada Admin', policy=rules, keeper=QUICK).close()
    with Accounts.open(path, keeper=QUICK) as again:
        assert again.policy == rules


# --- the accounts ---------------------------------------------------------------------------


def test_file_is_for_its_user_alone_and_made_once(tmp_path: Path, accounts: Accounts) -> None:
    path = tmp_path / 'cell' / ACCOUNTS_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InputError, match='has its accounts already'):
        Accounts.create(path, ADMIN, 'Eve', keeper=QUICK)


def test_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / ACCOUNTS_FILE
    with pytest.raises(InputError, match='the cell has no accounts yet'):
        Accounts.open(path)
    path.write_text('nothing')
    with pytest.raises(InputError, match='these are no accounts'):
        Accounts.open(path)


@pytest.mark.parametrize(
    ('user_id', 'name', 'roles', 'says'),
    [
        ('Op', 'O', [UserRole.OPERATOR], 'must match'),
        ('op', ' ', [UserRole.OPERATOR], 'printed name'),
        ('op', 'O\n  signed', [UserRole.OPERATOR], r"printed name has the letter '\\n'"),
        ('op', 'O' * 101, [UserRole.OPERATOR], 'has 101 letters; must be 100 at most'),
        ('op', 'O', [], 'at least one role'),
        ('op', 'O', [UserRole.ADMINISTRATOR, UserRole.QUALITY], 'goes with no other role'),
        ('admin', 'A', [UserRole.OPERATOR], 'there is such an account'),
    ],
)
def test_account_that_cannot_be_is_refused(
    accounts: Accounts, user_id: str, name: str, roles: list[UserRole], says: str
) -> None:
    before = accounts.all()
    with pytest.raises(AccessRefused, match=says):
        accounts.add(ADMIN, Credentials(user_id=user_id, password=FIRST), name, roles)
    assert [item.user_id for item in accounts.all()] == [item.user_id for item in before]


def test_last_administrator_stays(accounts: Accounts) -> None:
    with pytest.raises(AccessRefused, match='no administrator would be left'):
        accounts.disable(ADMIN, 'admin', WHY)
    with pytest.raises(AccessRefused, match='no administrator would be left'):
        accounts.set_roles(ADMIN, 'admin', [UserRole.OPERATOR], WHY)
    second = person(accounts, 'second', UserRole.ADMINISTRATOR)
    accounts.disable(second, 'admin', WHY)
    assert refusal_of(accounts, ADMIN, Action.MANAGE_ACCOUNTS) is Refusal.ACCOUNT_DISABLED


def test_identifier_is_never_given_again(tmp_path: Path, accounts: Accounts) -> None:
    person(accounts, 'op', UserRole.OPERATOR)
    accounts.disable(ADMIN, 'op', WHY)
    with pytest.raises(AccessRefused) as caught:
        accounts.add(ADMIN, Credentials(user_id='op', password=FIRST), 'X', [UserRole.OPERATOR])
    assert caught.value.refusal is Refusal.ACCOUNT_EXISTS
    with pytest.raises(AccessRefused) as caught:
        accounts.unlock(ADMIN, Credentials(user_id='op', password=FIRST), WHY)
    assert caught.value.refusal is Refusal.ACCOUNT_DISABLED
    database = sqlite3.connect(tmp_path / 'cell' / ACCOUNTS_FILE)
    with pytest.raises(sqlite3.IntegrityError, match='never given to anybody else'):
        database.execute("DELETE FROM account WHERE user_id = 'op'")
    database.close()


def test_change_without_a_reason_or_of_nobody_is_refused(accounts: Accounts) -> None:
    person(accounts, 'op', UserRole.OPERATOR)
    with pytest.raises(AccessRefused, match='a reason must be given'):
        accounts.disable(ADMIN, 'op', '')
    with pytest.raises(AccessRefused, match='there is no such account: nobody') as caught:
        accounts.disable(ADMIN, 'nobody', WHY)
    assert caught.value.refusal is Refusal.ACCOUNT_UNKNOWN
    assert caught.value.code is ErrorCode.ACCOUNT_UNKNOWN


def test_history_says_who_changed_what_from_what_to_what_and_why(
    tmp_path: Path, accounts: Accounts
) -> None:
    given = person(accounts, 'op', UserRole.OPERATOR)
    accounts.set_roles(ADMIN, 'op', [UserRole.SUPERVISOR], WHY)
    last = accounts.history()[-1]
    assert (last.who, last.what, last.subject, last.why) == ('admin', 'roles', 'op', WHY)
    assert (last.before, last.after) == ('Person op; operator', 'Person op; supervisor')
    refusal_of(accounts, replace(given, password='wrong'), Action.START_BATCH)
    assert accounts.history()[-1].after == 'wrong credentials'
    database = sqlite3.connect(tmp_path / 'cell' / ACCOUNTS_FILE)
    for statement in ("UPDATE history SET who = 'eve'", 'DELETE FROM history'):
        with pytest.raises(sqlite3.IntegrityError, match='append-only'):
            database.execute(statement)
    database.close()


# --- two people at once ---------------------------------------------------------------------


class Interrupted(PasswordKeeper):
    """Hashes as others do, while somebody else does something to the same accounts."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__(Cost(passes=1, memory_kib=8, lanes=1))
        self._meanwhile = meanwhile

    def hash(self, password: str) -> str:
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        return super().hash(password)


def beside(
    accounts: Accounts, tmp_path: Path, clock: StoodClock, meanwhile: Callable[[Accounts], None]
) -> Accounts:
    """Return the same accounts in another process, whose first hash takes that long."""
    keeper = Interrupted(lambda: meanwhile(accounts))
    return Accounts.open(tmp_path / 'cell' / ACCOUNTS_FILE, clock=clock, keeper=keeper)


def test_roles_that_were_taken_while_a_password_was_hashed_stay_taken(
    accounts: Accounts, clock: StoodClock, tmp_path: Path
) -> None:
    op = person(accounts, 'op', UserRole.SUPERVISOR)

    def meanwhile(others: Accounts) -> None:
        others.set_roles(ADMIN, 'op', [UserRole.OPERATOR], WHY)

    with beside(accounts, tmp_path, clock, meanwhile) as own:
        own.change_password(op, 'another password')
    assert {item.user_id: item.roles for item in accounts.all()}['op'] == (UserRole.OPERATOR,)
    new = replace(op, password='another password')
    assert refusal_of(accounts, new, Action.SIGN_PERFORMED) is None


@pytest.mark.parametrize(
    ('how', 'refusal'),
    [('disabled', Refusal.ACCOUNT_DISABLED), ('password', Refusal.WRONG_CREDENTIALS)],
)
def test_account_that_was_closed_while_a_password_was_hashed_stays_closed(
    accounts: Accounts, clock: StoodClock, tmp_path: Path, how: str, refusal: Refusal
) -> None:
    op = person(accounts, 'op', UserRole.OPERATOR)

    def meanwhile(others: Accounts) -> None:
        if how == 'disabled':
            others.disable(ADMIN, 'op', WHY)
        else:
            others.unlock(ADMIN, replace(op, password='let in once more'), WHY)

    own = beside(accounts, tmp_path, clock, meanwhile)
    with own, pytest.raises(AccessRefused) as caught:
        own.change_password(op, 'another password')
    assert caught.value.refusal is refusal
    new = replace(op, password='another password')
    assert refusal_of(accounts, new, Action.SIGN_PERFORMED) in (refusal, Refusal.WRONG_CREDENTIALS)


def test_account_that_was_made_while_a_password_was_hashed_is_not_overwritten(
    accounts: Accounts, clock: StoodClock, tmp_path: Path
) -> None:
    new = Credentials(user_id='op', password=FIRST)

    def meanwhile(others: Accounts) -> None:
        others.add(ADMIN, new, 'The first', [UserRole.OPERATOR])

    own = beside(accounts, tmp_path, clock, meanwhile)
    with own, pytest.raises(AccessRefused) as caught:
        own.add(ADMIN, new, 'The second', [UserRole.QUALITY])
    assert caught.value.refusal is Refusal.ACCOUNT_EXISTS
    assert {item.user_id: item.printed_name for item in accounts.all()}['op'] == 'The first'
