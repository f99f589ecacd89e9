"""The id of an action's goal, which can say for which journal the goal was sent."""

from __future__ import annotations

import uuid

from unique_identifier_msgs.msg import UUID

MARK_BYTES = 6
"""The mark of a journal fills `custom_a` of a UUID of version 8 (RFC 9562, 5.8)."""

TAG = b'\x8c\x4a'
"""The version, and a number by which the id is known to be one of these; ids of version 4, which
rclpy makes, never have it; with the variant, one of 262,144 ids of random bytes does."""

VARIANT = 0x80


def goal_id(mark: bytes) -> UUID:
    """Return a new id of a goal, for the journal with this mark; for any journal if it is empty.

    Raises ValueError for a mark of another length.
    """
    random = uuid.uuid4().bytes
    if not mark:
        return UUID(uuid=list(random))
    if len(mark) != MARK_BYTES:
        raise ValueError(f'mark has {len(mark)} bytes; must have {MARK_BYTES}')
    # The last 8 bytes of a version 4 begin with the same variant, and are random.
    return UUID(uuid=list(mark + TAG + random[8:]))


def mark_in(goal: UUID) -> bytes:
    """Return the mark of the journal that a goal was sent for; empty if it names none."""
    data = bytes(goal.uuid)
    named = data[MARK_BYTES : MARK_BYTES + 2] == TAG and data[8] & 0xC0 == VARIANT
    return data[:MARK_BYTES] if named else b''
