"""What commands ask people at the terminal: passwords, which are never shown nor stored."""

from __future__ import annotations

import getpass
import sys

from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode, InputError


class UsersAction(TextEnum):
    """What `medicell users` does."""

    LIST = 'list'
    INIT = 'init'
    ADD = 'add'
    ROLES = 'roles'
    PASSWORD = 'password'
    UNLOCK = 'unlock'
    DISABLE = 'disable'
    HISTORY = 'history'


class Order(TextEnum):
    """What `medicell command` tells a batch."""

    HOLD = 'hold'
    RESUME = 'resume'
    ABORT = 'abort'
    ANSWER = 'answer'


def ask_password(question: str) -> str:
    """Return a password typed at the terminal unseen, or the next line of what is piped in.

    Raises InputError where there is neither.
    """
    if sys.stdin.isatty():
        return getpass.getpass(f'{question}: ')
    line = sys.stdin.readline()
    if not line:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'{question}: nobody answers, there is no terminal'
        )
    return line.rstrip('\n')


def ask_new_password(question: str) -> str:
    """Return a new password typed twice alike; raises InputError otherwise."""
    first = ask_password(question)
    if ask_password(f'{question}, once more') != first:
        raise InputError(ErrorCode.INVALID_GOAL, f'{question}: the two are not alike')
    return first
