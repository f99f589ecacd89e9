"""Who somebody is, proved each time anew: by identifier and password, or by their signature."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from medicell_core.clock import Clock, WallClock
from medicell_core.closing import Closing
from medicell_record.access.database import Account, AccountsFile, Change
from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.access.passwords import Credentials, PasswordKeeper, Policy
from medicell_record.access.permissions import Action, UserRole, role_for
from medicell_record.access.person_key import KeptKey
from medicell_record.anchor.keys import PublicKey

DAY_S = 86_400.0
MINUTE_S = 60.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Who has signed a command, and by which key."""

    person: Person
    key: PublicKey


_Self = TypeVar('_Self', bound='People')


class People(Closing):
    """The people of a file of accounts, who prove who they are; by the rules that stand in it.

    Whatever is refused raises AccessRefused; what is refused for its credentials stands in the
    history.
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
    def open(
        cls: type[_Self],
        path: Path,
        *,
        clock: Clock | None = None,
        keeper: PasswordKeeper | None = None,
    ) -> _Self:
        """Open the accounts of a cell; raises InputError when it has none."""
        return cls(AccountsFile.open(path), clock=clock, keeper=keeper)

    @property
    def policy(self) -> Policy:
        """The rules."""
        return self._policy

    def is_locked(self, account: Account) -> bool:
        """Whether too many wrong passwords were given for an account, the last not long ago.

        When the lock has ended one more may be tried: a wrong one locks it again at once.
        """
        age_s = abs(self._clock.now_s() - account.failed_at_s)
        return account.failures >= self._policy.max_failures and age_s < self._policy.lock_s

    def prove(self, given: Credentials, action: Action, subject: str) -> Proof:
        """Return the proof that somebody may do one thing to one subject, once and soon."""
        account = self._authenticated(given)
        self._check_may(account, action, subject)
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

    def salt_of(self, user_id: str) -> str:
        """Return the salt of somebody's key; one that is made up for who is not known."""
        account = self._file.find(user_id)
        if account is None:
            return self._keeper.salt_of_nobody(user_id)
        kept = KeptKey.parse(account.password)
        if kept is None or self._keeper.is_former(account.password):
            raise AccessRefused(Refusal.ACCOUNT_WITHOUT_KEY, _takes_another(user_id))
        return kept.salt

    def prove_signed(self, user_id: str, text: str, signature: str, action: Action) -> Signed:
        """Return who has signed a text (base64) by the key of their password, and may do that.

        A wrong signature counts as a wrong password does.
        """
        key = None
        with self._file.writing():
            account = self._file.find(user_id)
            if account is not None:
                account = self._usable(user_id)
                key = _key_that_signed(account, text, signature)
                failed = replace(
                    account, failures=account.failures + 1, failed_at_s=self._clock.now_s()
                )
                self._file.put(failed if key is None else replace(account, failures=0))
                if key is None:
                    self._note(user_id, 'refused', str(action), after='wrong signature')
        if account is None or key is None:
            raise AccessRefused(Refusal.WRONG_CREDENTIALS)
        role = self._check_may(account, action, str(action))
        person = Person(user_id=user_id, printed_name=account.printed_name, role=role)
        return Signed(person=person, key=key)

    def _check_may(self, account: Account, action: Action, subject: str) -> UserRole:
        """Return the role by which somebody may who is known by now."""
        if action is not Action.CHANGE_OWN_PASSWORD:
            self._check_password_current(account)
        role = role_for(action, account.roles)
        if role is None:
            self._note(account.user_id, 'refused', subject, after=str(action))
            roles = ', '.join(str(role) for role in account.roles)
            raise AccessRefused(Refusal.NOT_PERMITTED, f'{action} to {roles} ({account.user_id})')
        return role

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
        assert known is not None
        kept = known.password
        if self._keeper.is_former(kept):
            kept = self._keeper.hash(given.password)
        with self._file.writing():
            found = self._file.find(given.user_id)
            if found is None or found.password != known.password:
                # Another password was set while this one was looked at.
                raise AccessRefused(Refusal.WRONG_CREDENTIALS)
            right = replace(found, failures=0, password=kept)
            self._file.put(right)
        return right

    def _usable(self, user_id: str) -> Account:
        account = self._file.find(user_id)
        if account is None:
            raise AccessRefused(Refusal.ACCOUNT_UNKNOWN, user_id)
        if account.disabled:
            raise AccessRefused(Refusal.ACCOUNT_DISABLED, user_id)
        if self.is_locked(account):
            limit, minutes = self._policy.max_failures, self._policy.lock_s / MINUTE_S
            raise AccessRefused(
                Refusal.ACCOUNT_LOCKED,
                f'{user_id}: {account.failures} wrong passwords, at most {limit}; for '
                f'{minutes:g} min after the last one',
            )
        return account

    def _check_password_current(self, account: Account) -> None:
        hint = _takes_another(account.user_id)
        if account.must_change:
            raise AccessRefused(Refusal.PASSWORD_NOT_OWN, hint)
        age_days = (self._clock.now_s() - account.changed_at_s) / DAY_S
        if age_days > self._policy.expiry_days:
            said = f'{age_days:.0f} days, at most {self._policy.expiry_days:g}; {hint}'
            raise AccessRefused(Refusal.PASSWORD_EXPIRED, said)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

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


def _key_that_signed(account: Account, text: str, signature: str) -> PublicKey | None:
    """Return the key of an account if it has signed a text."""
    kept = KeptKey.parse(account.password)
    if kept is None or not kept.public_key.has_signed(signature, text):
        return None
    return kept.public_key


def _takes_another(user_id: str) -> str:
    return f'`./medicell users password {user_id}` takes another'
