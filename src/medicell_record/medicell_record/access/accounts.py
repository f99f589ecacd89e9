"""The accounts of a cell: who is who, and what an administrator changes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from medicell_core.clock import Clock
from medicell_record.access.database import Account, AccountsFile, Change
from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.access.passwords import Credentials, PasswordKeeper, Policy
from medicell_record.access.permissions import ALONE, Action, UserRole
from medicell_record.access.proving import People
from medicell_record.wording import MOST_OF_NAME, why_not_written

USER_ID = re.compile(r'[a-z][a-z0-9_.-]{1,31}')


class Accounts(People):
    """The accounts in a file, and what changes them; whatever changes stands in the history."""

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

    def all(self) -> list[Account]:
        """Return all accounts by identifier."""
        return self._file.all()

    def history(self) -> list[Change]:
        """Return what was changed and refused, the oldest first."""
        return self._file.history()

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

    def _managed(self, by: Credentials, user_id: str, why: str) -> Account:
        self.authorise(by, Action.MANAGE_ACCOUNTS, user_id)
        account = self._file.find(user_id)
        if account is None:
            raise AccessRefused(Refusal.ACCOUNT_UNKNOWN, user_id)
        if account.disabled:
            raise AccessRefused(Refusal.ACCOUNT_DISABLED, user_id)
        if not why:
            raise AccessRefused(Refusal.ACCOUNT_INVALID, 'a reason must be given')
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
                raise AccessRefused(Refusal.ACCOUNT_DISABLED, known.user_id)
            after = change(before)
            self._file.put(after)
            admins = [
                item for item in self._file.all() if ALONE in item.roles and not item.disabled
            ]
            if not admins:
                raise AccessRefused(Refusal.ACCOUNT_INVALID, 'no administrator would be left')
            changed = {'before': _told(before), 'after': _told(after)}
            self._note(who, what, after.user_id, **changed, why=why)


def _check_account(user_id: str, printed_name: str, roles: Sequence[UserRole]) -> None:
    if not USER_ID.fullmatch(user_id):
        raise AccessRefused(
            Refusal.ACCOUNT_INVALID, f'identifier {user_id!r}: must match {USER_ID.pattern}'
        )
    if not printed_name.strip():
        raise AccessRefused(
            Refusal.ACCOUNT_INVALID, f'{user_id}: the printed name must not be empty'
        )
    if wrong := why_not_written(printed_name, most=MOST_OF_NAME):
        raise AccessRefused(Refusal.ACCOUNT_INVALID, f'{user_id}: the printed name {wrong}')
    if not roles:
        raise AccessRefused(Refusal.ACCOUNT_INVALID, f'{user_id}: needs at least one role')
    if ALONE in roles and len(roles) > 1:
        raise AccessRefused(Refusal.ACCOUNT_INVALID, f'{user_id}: {ALONE} goes with no other role')


def _told(account: Account) -> str:
    """Return what the history says of an account; never anything of its password."""
    parts = [account.printed_name, ', '.join(str(role) for role in account.roles)]
    parts += [name for name, is_so in (('disabled', account.disabled),) if is_so]
    return '; '.join(parts)
