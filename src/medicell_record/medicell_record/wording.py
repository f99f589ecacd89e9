"""What people write into a record: one line each, that cannot pass for another's."""

from __future__ import annotations

MOST_LETTERS = 2000
"""Of a reason or a reference."""
MOST_OF_NAME = 100


def why_not_written(text: str, *, most: int = MOST_LETTERS) -> str:
    """Return why a text cannot be taken into a record, naming the letter; empty when it can."""
    if len(text) > most:
        return f'has {len(text)} letters; must be {most} at most'
    for letter in text:
        if not letter.isprintable():
            return f'has the letter {letter!a}, which cannot be printed; must be one line of text'
    return ''
