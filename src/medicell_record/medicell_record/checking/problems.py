"""What can be wrong with a record, and where."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.enums import TextEnum


class Problem(TextEnum):
    """What can be wrong with a record."""

    NONE = 'none'
    NOT_A_RECORD = 'not a record'
    ALTERED = 'altered'
    MISSING = 'missing'
    REORDERED = 'reordered'
    WRONG_PREVIOUS_HASH = 'wrong previous hash'
    AFTER_CLOSE = 'entry after the close'
    TRUNCATED = 'truncated'
    LONGER = 'longer than expected'
    DAMAGED = 'damaged file'
    GUARDS_MISSING = 'append-only guards missing'
    REWRITTEN = 'written anew'
    OTHER_RECORD = 'another record'
    OLDER_COPY = 'older copy'
    FORKED = 'two ends'
    CHECKPOINT_ALTERED = 'altered checkpoint'
    OTHER_KEY = 'other key'
    FORGED_COMMAND = 'forged command'
    FORGED_SIGNATURE = 'forged signature'
    MOVED_SIGNATURE = 'signature of something else'
    OUT_OF_SEQUENCE = 'signature out of sequence'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A problem, the first entry that it touches (None where it is none), and words for people."""

    problem: Problem
    sequence: int | None
    detail: str
