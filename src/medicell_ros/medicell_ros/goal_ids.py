"""The id of an action's goal, which can say for which journal it was sent, and if cancelled."""

from __future__ import annotations

import uuid

from unique_identifier_msgs.msg import UUID

MARK_BYTES = 6
"""The mark of a journal fills `custom_a` of a UUID of version 8 (RFC 9562, 5.8)."""

TAG = b'\x8c\x4a'
"""The version, and a number by which the id is known to be one of these; ids of version 4, which
rclpy makes, never have it; with the variant, one of 262,144 ids of random bytes does."""

CANCELLED_TAG = b'\x8c\x4b'
"""The same of a goal that is not to begin: it was cancelled before it was sent."""

ANY = bytes(MARK_BYTES)
"""Stands in such an id for no mark."""

VARIANT = 0x80


def goal_id(mark: bytes, *, cancelled: bool = False) -> UUID:
    """Return a new id of a goal, for the journal with this mark; for any journal if it is empty.

    A `cancelled` one is not to begin. Raises ValueError for a mark of another length.
    """
    random = uuid.uuid4().bytes
    if not mark and not cancelled:
        return UUID(uuid=list(random))
    mark = mark or ANY
    if len(mark) != MARK_BYTES:
        raise ValueError(f'mark has {len(mark)} bytes; must have {MARK_BYTES}')
    # The last 8 bytes of a version 4 begin with the same variant, and are random.
    return UUID(uuid=list(mark + (CANCELLED_TAG if cancelled else TAG) + random[8:]))


def mark_in(goal: UUID) -> bytes:
    """Return the mark of the journal that a goal was sent for; empty if it names none."""
    mark = bytes(goal.uuid)[:MARK_BYTES]
    return mark if _tag_in(goal) == TAG or (was_cancelled(goal) and mark != ANY) else b''


def was_cancelled(goal: UUID) -> bool:
    """Return whether a goal was cancelled before it was sent."""
    return _tag_in(goal) == CANCELLED_TAG


def _tag_in(goal: UUID) -> bytes:
    data = bytes(goal.uuid)
    return data[MARK_BYTES : MARK_BYTES + 2] if data[8] & 0xC0 == VARIANT else b''
