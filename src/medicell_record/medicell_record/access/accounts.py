"""The accounts of a cell: who is who, proved by identifier and password, each time anew."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medicell_core.clock import Clock, WallClock
from medicell_core.closing import Closing
from medicell_record.access.database import Account, AccountsFile, Change
from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.access.passwords import Credentials, PasswordKeeper, Policy
from medicell_record.access.permissions import ALONE, Action, UserRole, role_for
from medicell_record.wording import MOST_OF_NAME, why_not_written

DAY_S = 86_400.0
MINUTE_S = 60.0
USER_ID = re.compile(r'[a-z][a-z0-9_.-]{1,31}')
NONCE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Both components were right just now, for one action on one subject; good for one use."""

    nonce: str
    user_id: str
    action: Action
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who has proved to be allowed, and the role by which the table says so."""

    user_id: str
    printed_name: str
    role: UserRole


class Accounts(Closing):
    """The accounts in a file, by the rules that stand in it.

    Whatever is refused raises AccessRefused; what is refused for its credentials, and whatever
    changes, stands in the history.
    """

    def __init__(
        self,
        file: AccountsFile,
        *,
        clock: Clock | None = None,
        keeper: PasswordKeeper | None = None,
    ) -> None:
        self._file = file
        self._policy = file.policy()
        self._clock = WallClock() if clock is None else clock
        self._keeper = PasswordKeeper() if keeper is None else keeper

    @classmethod
    def create(
        cls,
        path: Path,
        first: Credentials,
        printed_name: str,
        *,
        policy: Policy | None = None,
        clock: Clock | None = None,
        keeper: PasswordKeeper | None = None,
    ) -> Accounts:
        """Make the accounts with their first administrator; no other one comes from nothing."""
        rules = Policy() if policy is None else policy
        keeper = PasswordKeeper() if keeper is None else keeper
        _check_account(first.user_id, printed_name, (ALONE,))
        keeper.check_new(first.password, policy=rules, user_id=first.user_id, former=())
        made = cls(AccountsFile.create(path, rules), clock=clock, keeper=keeper)
        made._put_new(first, printed_name, (ALONE,), by=first.user_id, must_change=False)
        return made

    @classmethod
    def open(
        cls, path: Path, *, clock: Clock | None = None, keeper: PasswordKeeper | None = None
    ) -> Accounts:
        """Open the accounts of a cell; raises InputError when it has none."""
        return cls(AccountsFile.open(path), clock=clock, keeper=keeper)

    @property
    def policy(self) -> Policy:
        """The rules."""
        return self._policy

    def all(self) -> list[Account]:
        """Return all accounts by identifier."""
        return self._file.all()

    def history(self) -> list[Change]:
        """Return what was changed and refused, the oldest first."""
        return self._file.history()

    def is_locked(self, account: Account) -> bool:
        """Whether too many wrong passwords were given for an account, the last not long ago.

        When the lock has ended one more may be tried: a wrong one locks it again at once.
        """
        age_s = abs(self._clock.now_s() - account.failed_at_s)
        return account.failures >= self._policy.max_failures and age_s < self._policy.lock_s

    # --- who somebody is ----------------------------------------------------------------------

    def prove(self, given: Credentials, action: Action, subject: str) -> Proof:
        """Return the proof that somebody may do one thing to one subject, once and soon."""
        account = self._authenticated(given)
        if action is not Action.CHANGE_OWN_PASSWORD:
            self._check_password_current(account)
        if role_for(action, account.roles) is None:
            self._note(account.user_id, 'refused', subject, after=str(action))
            roles = ', '.join(str(role) for role in account.roles)
            raise AccessRefused(Refusal.NOT_PERMITTED, f'{action} to {roles} ({account.user_id})')
        proof = Proof(
            nonce=secrets.token_hex(NONCE_BYTES),
            user_id=account.user_id,
            action=action,
            subject=subject,
        )
        with self._file.writing():
            self._file.add_proof(proof.nonce, proof.user_id, action, subject, self._clock.now_s())
        return proof

    def redeem(self, proof: Proof, action: Action, subject: str) -> Person:
        """Use a proof for what it was given for; raises for a used, old or foreign one."""
        with self._file.writing():
            known = self._file.proof(proof.nonce)
            wanted = (proof.user_id, str(action), subject)
            if known is None or (known['user_id'], known['action'], known['subject']) != wanted:
                raise AccessRefused(Refusal.PROOF_UNKNOWN, f'not of {action} on {subject}')
            if known['used']:
                raise AccessRefused(Refusal.PROOF_USED, f'{action} on {subject}')
            age_s = self._clock.now_s() - known['at_s']
            if not 0.0 <= age_s <= self._policy.proof_s:
                limit_s = self._policy.proof_s
                raise AccessRefused(Refusal.PROOF_EXPIRED, f'{age_s:.0f} s; at most {limit_s:g} s')
            account = self._usable(proof.user_id)
            role = role_for(action, account.roles)
            if role is None:
                raise AccessRefused(Refusal.NOT_PERMITTED, f'{action} ({account.user_id})')
            self._file.use_proof(proof.nonce)
        return Person(user_id=account.user_id, printed_name=account.printed_name, role=role)

    def authorise(self, given: Credentials, action: Action, subject: str) -> Person:
        """Prove and use the proof at once."""
        return self.redeem(self.prove(given, action, subject), action, subject)

    # --- what an administrator does -------------------------------------------------------------

    def add(
        self,
        by: Credentials,
        new: Credentials,
        printed_name: str,
        roles: Sequence[UserRole],
    ) -> None:
        """Make an account; its password must be changed before it can be used."""
        self.authorise(by, Action.MANAGE_ACCOUNTS, new.user_id)
        _check_account(new.user_id, printed_name, roles)
        if self._file.find(new.user_id) is not None:
            raise AccessRefused(Refusal.ACCOUNT_EXISTS, new.user_id)
        self._keeper.check_new(new.password, policy=self._policy, user_id=new.user_id, former=())
        self._put_new(new, printed_name, roles, by=by.user_id, must_change=True)

    def set_roles(
        self, by: Credentials, user_id: str, roles: Sequence[UserRole], why: str
    ) -> None:
        """Give an account other roles."""
        before = self._managed(by, user_id, why)
        _check_account(user_id, before.printed_name, roles)

        def change(account: Account) -> Account:
            return replace(account, roles=tuple(roles))

        self._change(before, change, by.user_id, 'roles', why)

    def disable(self, by: Credentials, user_id: str, why: str) -> None:
        """Close an account for ever; its identifier is never given to anybody else."""
        before = self._managed(by, user_id, why)

        def change(account: Account) -> Account:
            return replace(account, disabled=True)

        self._change(before, change, by.user_id, 'disabled', why)

    def unlock(self, by: Credentials, new: Credentials, why: str) -> None:
        """Open an account again, with a password that must be changed before it is used."""
        before = self._managed(by, new.user_id, why)
        change = self._to_password(before, new.password, must_change=True)
        self._change(before, change, by.user_id, 'unlocked', why)

    def change_password(self, given: Credentials, password: str) -> None:
        """Give oneself another password; the one before is never right again."""
        self.authorise(given, Action.CHANGE_OWN_PASSWORD, given.user_id)
        before = self._usable(given.user_id)
        change = self._to_password(before, password, must_change=False)
        self._change(before, change, given.user_id, 'password', 'own choice')

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    # --- how it is done -------------------------------------------------------------------------

    def _authenticated(self, given: Credentials) -> Account:
        """Return the account whose both components are right; each wrong one counts.

        It counts before the password is looked at: guesses side by side count each.
        """
        known = self._file.find(given.user_id)
        if known is not None:
            known = self._usable(given.user_id)
            with self._file.writing():
                known = self._usable(given.user_id)
                now_s = self._clock.now_s()
                self._file.put(replace(known, failures=known.failures + 1, failed_at_s=now_s))
        if not self._keeper.holds(None if known is None else known.password, given.password):
            self._note(given.user_id, 'refused', given.user_id, after='wrong credentials')
            raise AccessRefused(Refusal.WRONG_CREDENTIALS)
        with self._file.writing():
            found = self._file.find(given.user_id)
            assert known is not None
            if found is None or found.password != known.password:
                # Another password was set while this one was looked at.
                raise AccessRefused(Refusal.WRONG_CREDENTIALS)
            self._file.put(replace(found, failures=0))
        return replace(found, failures=0)

    def _usable(self, user_id: str) -> Account:
        account = self._file.find(user_id)
        if account is None:
            raise AccessRefused(Refusal.NO_SUCH_ACCOUNT, user_id)
        if account.disabled:
            raise AccessRefused(Refusal.DISABLED, user_id)
        if self.is_locked(account):
            limit, minutes = self._policy.max_failures, self._policy.lock_s / MINUTE_S
            raise AccessRefused(
                Refusal.LOCKED,
                f'{user_id}: {account.failures} wrong passwords, at most {limit}; for '
                f'{minutes:g} min after the last one',
            )
        return account

    def _check_password_current(self, account: Account) -> None:
        hint = f'`./medicell users password {account.user_id}` takes another'
        if account.must_change:
            raise AccessRefused(Refusal.MUST_CHANGE, hint)
        age_days = (self._clock.now_s() - account.changed_at_s) / DAY_S
        if age_days > self._policy.expiry_days:
            limit = self._policy.expiry_days
            raise AccessRefused(Refusal.EXPIRED, f'{age_days:.0f} days, at most {limit:g}; {hint}')

    def _managed(self, by: Credentials, user_id: str, why: str) -> Account:
        self.authorise(by, Action.MANAGE_ACCOUNTS, user_id)
        account = self._file.find(user_id)
        if account is None:
            raise AccessRefused(Refusal.NO_SUCH_ACCOUNT, user_id)
        if account.disabled:
            raise AccessRefused(Refusal.DISABLED, user_id)
        if not why:
            raise AccessRefused(Refusal.BAD_ACCOUNT, 'a reason must be given')
        return account

    def _to_password(
        self, account: Account, password: str, *, must_change: bool
    ) -> Callable[[Account], Account]:
        """Return what gives an account a new password; checked and hashed here, which takes long.

        Raises AccessRefused for one that the rules do not take.
        """
        former = (account.password, *account.former)[: self._policy.remembered]
        self._keeper.check_new(
            password, policy=self._policy, user_id=account.user_id, former=former
        )
        hashed = self._keeper.hash(password)

        def change(now: Account) -> Account:
            if now.password != account.password:
                detail = f'{now.user_id}: another password was set meanwhile'
                raise AccessRefused(Refusal.WRONG_CREDENTIALS, detail)
            return replace(
                now,
                password=hashed,
                former=former,
                changed_at_s=self._clock.now_s(),
                must_change=must_change,
                failures=0,
            )

        return change

    def _put_new(
        self,
        new: Credentials,
        printed_name: str,
        roles: Sequence[UserRole],
        *,
        by: str,
        must_change: bool,
    ) -> None:
        account = Account(
            user_id=new.user_id,
            printed_name=printed_name,
            roles=tuple(roles),
            password=self._keeper.hash(new.password),
            former=(),
            changed_at_s=self._clock.now_s(),
            must_change=must_change,
        )
        with self._file.writing():
            if self._file.find(new.user_id) is not None:
                raise AccessRefused(Refusal.ACCOUNT_EXISTS, new.user_id)
            self._file.put(account)
            self._note(by, 'added', new.user_id, after=_told(account))

    def _change(
        self,
        known: Account,
        change: Callable[[Account], Account],
        who: str,
        what: str,
        why: str,
    ) -> None:
        """Change an account as it is now: hashes take long, others may have been quicker."""
        with self._file.writing():
            before = self._file.find(known.user_id)
            if before is None or before.disabled:
                raise AccessRefused(Refusal.DISABLED, known.user_id)
            after = change(before)
            self._file.put(after)
            admins = [
                item for item in self._file.all() if ALONE in item.roles and not item.disabled
            ]
            if not admins:
                raise AccessRefused(Refusal.BAD_ACCOUNT, 'no administrator would be left')
            changed = {'before': _told(before), 'after': _told(after)}
            self._note(who, what, after.user_id, **changed, why=why)

    def _note(
        self,
        who: str,
        what: str,
        subject: str,
        *,
        before: str = '',
        after: str = '',
        why: str = '',
    ) -> None:
        self._file.note(
            Change(
                at_s=self._clock.now_s(),
                who=who,
                what=what,
                subject=subject,
                before=before,
                after=after,
                why=why,
            )
        )


def _check_account(user_id: str, printed_name: str, roles: Sequence[UserRole]) -> None:
    if not USER_ID.fullmatch(user_id):
        raise AccessRefused(
            Refusal.BAD_ACCOUNT, f'identifier {user_id!r}: must match {USER_ID.pattern}'
        )
    if not printed_name.strip():
        raise AccessRefused(Refusal.BAD_ACCOUNT, f'{user_id}: the printed name must not be empty')
    if wrong := why_not_written(printed_name, most=MOST_OF_NAME):
        raise AccessRefused(Refusal.BAD_ACCOUNT, f'{user_id}: the printed name {wrong}')
    if not roles:
        raise AccessRefused(Refusal.BAD_ACCOUNT, f'{user_id}: needs at least one role')
    if ALONE in roles and len(roles) > 1:
        raise AccessRefused(Refusal.BAD_ACCOUNT, f'{user_id}: {ALONE} goes with no other role')


def _told(account: Account) -> str:
    """Return what the history says of an account; never anything of its password."""
    parts = [account.printed_name, ', '.join(str(role) for role in account.roles)]
    parts += [name for name, is_so in (('disabled', account.disabled),) if is_so]
    return '; '.join(parts)
