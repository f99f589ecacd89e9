"""The id of a goal says for which journal it was sent, and nothing where it was not said."""

from __future__ import annotations

import uuid

import pytest
from unique_identifier_msgs.msg import UUID

from medicell_ros.goal_ids import goal_id, mark_in, was_cancelled

MARK = bytes(range(250, 256))


def test_a_mark_is_read_from_the_id_that_it_was_put_into() -> None:
    first, second = goal_id(MARK), goal_id(MARK)
    assert mark_in(first) == mark_in(second) == MARK
    assert bytes(first.uuid) != bytes(second.uuid)
    assert uuid.UUID(bytes=bytes(first.uuid)).version == 8
    assert uuid.UUID(bytes=bytes(first.uuid)).variant == uuid.RFC_4122


def test_an_id_without_a_mark_is_for_any_journal() -> None:
    assert mark_in(goal_id(b'')) == b''
    assert mark_in(UUID(uuid=list(uuid.uuid4().bytes))) == b''
    assert mark_in(UUID()) == b''


def test_a_mark_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match='mark has 2 bytes; must have 6'):
        goal_id(b'ab')


@pytest.mark.parametrize('mark', [MARK, b''])
def test_a_goal_that_is_not_to_begin_says_so_and_its_mark(mark: bytes) -> None:
    made = goal_id(mark, cancelled=True)
    assert was_cancelled(made)
    assert mark_in(made) == mark
    assert uuid.UUID(bytes=bytes(made.uuid)).version == 8
    assert uuid.UUID(bytes=bytes(made.uuid)).variant == uuid.RFC_4122


def test_any_other_goal_is_to_begin() -> None:
    for made in (goal_id(MARK), goal_id(b''), UUID(uuid=list(uuid.uuid4().bytes)), UUID()):
        assert not was_cancelled(made)
