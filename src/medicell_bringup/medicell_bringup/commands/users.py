"""`medicell users`: the accounts of a cell, and who changed them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from medicell_bringup.people import (
    UsersAction,
    ask_new_password,
    ask_password,
)
from medicell_bringup.shipped import cell_file_of
from medicell_core.errors import ErrorCode, InputError
from medicell_devices.cell_config import load_cell
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import ACCOUNTS_FILE, Account
from medicell_record.access.passwords import Credentials, Policy
from medicell_record.access.permissions import UserRole
from medicell_record.access.proving import MINUTE_S
from medicell_record.anchor.keys import cell_key
from medicell_record.anchor.place import cell_state
from medicell_record.checking.checkpoints import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersOptions:
    """What `medicell users` was told."""

    action: UsersAction
    user: str
    name: str
    roles: list[UserRole]
    by: str
    reason: str
    max_failures: int | None
    expiry_days: float | None
    config: Path
    state: Path | None


def users(options: UsersOptions) -> int:
    """Do what was asked; raises InputError, or AccessRefused with the reason."""
    state = state_of(options.config, options.state)
    if options.action is UsersAction.INIT:
        return _init(options, state)
    with Accounts.open(state / ACCOUNTS_FILE) as accounts:
        _ACTIONS[options.action](accounts, options, state)
    return 0


def state_of(config: Path, state: Path | None) -> Path:
    """Return the state folder of the cell that a configuration names."""
    return cell_state(load_cell(cell_file_of(config), drivers_of=()).cell, state)


def ask_credentials(user_id: str) -> Credentials:
    """Return somebody's two components: the identifier given, and the password asked for."""
    return Credentials(user_id=user_id, password=ask_password(f'password of {user_id}'))


def _init(options: UsersOptions, state: Path) -> int:
    user = _needed('USER', options.user)
    name = _needed('--name', options.name)
    rules = Policy()
    try:
        if options.max_failures is not None:
            rules = replace(rules, max_failures=options.max_failures)
        if options.expiry_days is not None:
            rules = replace(rules, expiry_days=options.expiry_days)
    except ValueError as error:
        raise InputError(ErrorCode.INVALID_GOAL, str(error)) from error
    path = state / ACCOUNTS_FILE
    if path.exists():
        raise InputError(
            ErrorCode.RECORD_EXISTS, 'the cell has its accounts already', file=str(path)
        )
    first = Credentials(user_id=user, password=ask_new_password(f'new password of {user}'))
    Accounts.create(path, first, name, policy=rules).close()
    Console().print(f'{user} is the administrator of the cell {state.name}', highlight=False)
    return 0


def _list(accounts: Accounts, _: UsersOptions, state: Path) -> None:
    console = Console()
    rules = accounts.policy
    console.print(
        f'cell {state.name}, key {cell_key(state).public.key_id}; locked for '
        f'{rules.lock_s / MINUTE_S:g} min after {rules.max_failures} wrong passwords; a password '
        f'holds for {rules.expiry_days:g} days',
        highlight=False,
        soft_wrap=True,
    )
    table = Table('user', 'printed name', 'roles', 'state', box=None, padding=(0, 3, 0, 0))
    for account in accounts.all():
        roles = ', '.join(str(role) for role in account.roles)
        table.add_row(account.user_id, account.printed_name, roles, _state(account, accounts))
    console.print(table, highlight=False)


def _state(account: Account, accounts: Accounts) -> str:
    if account.disabled:
        return 'disabled'
    if accounts.is_locked(account):
        return 'locked'
    return 'must change the password' if account.must_change else 'in use'


def _add(accounts: Accounts, options: UsersOptions, _: Path) -> None:
    user, name = _needed('USER', options.user), _needed('--name', options.name)
    by = _administrator(options)
    first = ask_new_password(f'first password of {user}')
    new = Credentials(user_id=user, password=first)
    accounts.add(by, new, name, options.roles)
    Console().print(
        f'{user} is there; `./medicell users password {user}` comes before anything else',
        highlight=False,
        soft_wrap=True,
    )


def _roles(accounts: Accounts, options: UsersOptions, _: Path) -> None:
    user = _needed('USER', options.user)
    accounts.set_roles(_administrator(options), user, options.roles, options.reason)


def _password(accounts: Accounts, options: UsersOptions, _: Path) -> None:
    user = _needed('USER', options.user)
    given = Credentials(user_id=user, password=ask_password(f'password of {user} until now'))
    accounts.change_password(given, ask_new_password(f'new password of {user}'))


def _unlock(accounts: Accounts, options: UsersOptions, _: Path) -> None:
    user = _needed('USER', options.user)
    by = _administrator(options)
    new = Credentials(user_id=user, password=ask_new_password(f'first password of {user}'))
    accounts.unlock(by, new, options.reason)


def _disable(accounts: Accounts, options: UsersOptions, _: Path) -> None:
    user = _needed('USER', options.user)
    accounts.disable(_administrator(options), user, options.reason)


def _history(accounts: Accounts, _: UsersOptions, __: Path) -> None:
    for item in accounts.history():
        changed = ' -> '.join(text for text in (item.before, item.after) if text)
        why = f' ({item.why})' if item.why else ''
        Console().print(
            f'{moment(item.at_s)}  {item.who} {item.what} {item.subject}: {changed}{why}',
            highlight=False,
            soft_wrap=True,
            markup=False,
        )


_ACTIONS: dict[UsersAction, Callable[[Accounts, UsersOptions, Path], None]] = {
    UsersAction.LIST: _list,
    UsersAction.ADD: _add,
    UsersAction.ROLES: _roles,
    UsersAction.PASSWORD: _password,
    UsersAction.UNLOCK: _unlock,
    UsersAction.DISABLE: _disable,
    UsersAction.HISTORY: _history,
}


def _administrator(options: UsersOptions) -> Credentials:
    return ask_credentials(_needed('--as', options.by))


def _needed(name: str, value: str) -> str:
    if not value:
        raise InputError(ErrorCode.INVALID_GOAL, 'must be given', field=name)
    return value
