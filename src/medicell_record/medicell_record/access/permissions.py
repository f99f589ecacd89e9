"""The table of permissions: which role may do what, as data; nothing else grants anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from medicell_core.enums import TextEnum


class UserRole(TextEnum):
    """The roles of people at a cell."""

    OPERATOR = 'operator'
    SUPERVISOR = 'supervisor'
    QUALITY = 'quality'
    QUALIFIED_PERSON = 'qualified_person'
    PHYSICIAN = 'physician'
    MAINTENANCE = 'maintenance'
    ADMINISTRATOR = 'administrator'


class Action(TextEnum):
    """What people do that is not open to everybody."""

    START_BATCH = 'start_batch'
    ANSWER_QUESTION = 'answer_question'
    HOLD_BATCH = 'hold_batch'
    RESUME_BATCH = 'resume_batch'
    ABORT_BATCH = 'abort_batch'
    CLEAR_DEVICE = 'clear_device'
    SIGN_PERFORMED = 'sign_performed'
    SIGN_REVIEWED = 'sign_reviewed'
    SIGN_APPROVED = 'sign_approved'
    SIGN_REJECTED = 'sign_rejected'
    SIGN_REQUESTED = 'sign_requested'
    SIGN_RELEASED = 'sign_released'
    SIGN_RECALLED = 'sign_recalled'
    CLOSE_DEVIATION = 'close_deviation'
    ENTER_RESULT = 'enter_result'
    MANAGE_ACCOUNTS = 'manage_accounts'
    CHANGE_OWN_PASSWORD = 'change_own_password'


_MAKE = frozenset({UserRole.OPERATOR, UserRole.SUPERVISOR})
_JUDGE = frozenset({UserRole.QUALITY, UserRole.QUALIFIED_PERSON})

PERMISSIONS: Mapping[Action, frozenset[UserRole]] = {
    Action.START_BATCH: _MAKE,
    Action.ANSWER_QUESTION: _MAKE,
    # To stop is safe for the product and for people: whoever stands at the cell may.
    Action.HOLD_BATCH: _MAKE | {UserRole.QUALITY, UserRole.MAINTENANCE},
    Action.RESUME_BATCH: _MAKE,
    Action.ABORT_BATCH: frozenset({UserRole.SUPERVISOR}),
    Action.CLEAR_DEVICE: _MAKE | {UserRole.MAINTENANCE},
    Action.SIGN_PERFORMED: _MAKE,
    Action.SIGN_REVIEWED: frozenset({UserRole.SUPERVISOR, UserRole.QUALITY}),
    Action.SIGN_APPROVED: frozenset({UserRole.QUALITY}),
    Action.SIGN_REJECTED: _JUDGE,
    Action.SIGN_REQUESTED: frozenset({UserRole.PHYSICIAN}),
    Action.SIGN_RELEASED: frozenset({UserRole.QUALIFIED_PERSON}),
    # Whoever of them learns first that a product is bad calls it back.
    Action.SIGN_RECALLED: _JUDGE,
    Action.CLOSE_DEVIATION: frozenset({UserRole.QUALITY}),
    Action.ENTER_RESULT: frozenset({UserRole.QUALITY}),
    # Who hands out roles has no part in making or judging a product.
    Action.MANAGE_ACCOUNTS: frozenset({UserRole.ADMINISTRATOR}),
    Action.CHANGE_OWN_PASSWORD: frozenset(UserRole),
}
"""Every action with the roles that may do it."""

ALONE = UserRole.ADMINISTRATOR
"""The role that goes with no other one: who hands out roles judges nothing."""


def role_for(action: Action, roles: Collection[UserRole]) -> UserRole | None:
    """Return the role by which a person of these roles may do something, or None."""
    return next((role for role in UserRole if role in roles and role in PERMISSIONS[action]), None)
