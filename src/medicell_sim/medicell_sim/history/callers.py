"""What other processes have asked of a world and may not have heard, and who takes its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medicell_core.serialise import from_json, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A numbered call of a node, of which one of those that had its name.

    `oldest` is the first of its calls whose answer it still awaits.
    """

    node: str
    incarnation: int
    call: int
    oldest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call came to, and when: a result as JSON, or an error's code and text."""

    verb: str
    now_s: float
    result_json: str = ''
    error_code: int = 0
    error_msg: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An owner of time, the call with which it asked for its turn, and when that comes."""

    asked: Asked
    until_s: float


class Callers:
    """Answers that may not have arrived, and owners that have not ended; by node and by owner."""

    def __init__(self) -> None:
        self.turns: dict[str, Turn] = {}
        self._answers: dict[str, dict[int, tuple[Asked, Answer]]] = {}

    def answers(self) -> list[tuple[Asked, Answer]]:
        """Return the answers that callers may still ask for."""
        return [kept for known in self._answers.values() for kept in known.values()]

    def answer(self, asked: Asked, answer: Answer) -> None:
        """Keep an answer; what its caller awaits no more is forgotten."""
        known = self._answers.get(asked.node, {})
        self._answers[asked.node] = {
            number: kept
            for number, kept in known.items()
            if number >= asked.oldest and kept[0].incarnation == asked.incarnation
        }
        self._answers[asked.node][asked.call] = (asked, answer)

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            'answers': [[to_json(asked), to_json(answer)] for asked, answer in self.answers()],
            'turns': {owner: to_json(turn) for owner, turn in self.turns.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Know what `state` told of."""
        self._answers = {}
        for asked, answer in state['answers']:
            made = from_json(Asked, asked)
            kept = self._answers.setdefault(made.node, {})
            kept[made.call] = (made, from_json(Answer, answer))
        self.turns = {owner: from_json(Turn, turn) for owner, turn in state['turns'].items()}
