"""Breadth-first search of all states of a model: what is broken, by which shortest way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

S = TypeVar('S')
Moves = Callable[[S], Iterable[tuple[str, S]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What does not hold, and the shortest way to it."""

    what: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        lines = (f'{number:3}. {step}' for number, step in enumerate(self.trace, start=1))
        return '\n'.join((f'broken: {self.what}', *lines))


class Reached(NamedTuple):
    """As which one a state was reached, and from which other one by which move."""

    number: int
    before: Any
    move: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored(Generic[S]):
    """All states that can be reached, each with how it was reached first, in their order."""

    states: dict[S, Reached]
    broken: Broken | None


def explore(
    start: S,
    moves: Moves[S],
    *,
    breaks: Callable[[S], str],
    ends: Callable[[S], bool],
    is_fault: Callable[[str], bool],
) -> Explored[S]:
    """Visit every state; stop at the first that `breaks`, then look whether all can end.

    Breadth first, so that the way told is a shortest one. An end must be reachable from every
    state without another move that `is_fault`.
    """
    states: dict[S, Reached] = {start: Reached(0, None, '')}
    leads_on: list[list[int]] = [[]]
    """For each state, from which ones a move that is no fault leads to it."""
    queue = deque([start])
    number = -1
    while queue:
        state = queue.popleft()
        number += 1
        what = breaks(state)
        if what:
            return Explored(states=states, broken=_broken(what, states, state))
        for name, after in moves(state):
            reached = states.get(after)
            if reached is None:
                reached = states[after] = Reached(len(states), state, name)
                leads_on.append([])
                queue.append(after)
            if not is_fault(name):
                leads_on[reached.number].append(number)
    return Explored(states=states, broken=_stuck(states, leads_on, ends))


def _stuck(
    states: dict[S, Reached], leads_on: list[list[int]], ends: Callable[[S], bool]
) -> Broken | None:
    """Return the first state from which no end can be reached."""
    can_end = [ends(state) for state in states]
    queue = deque(number for number, is_end in enumerate(can_end) if is_end)
    while queue:
        for number in leads_on[queue.popleft()]:
            if not can_end[number]:
                can_end[number] = True
                queue.append(number)
    for state, reached in states.items():
        if not can_end[reached.number]:
            return _broken('no end can be reached any more', states, state)
    return None


def _broken(what: str, states: dict[S, Reached], state: S) -> Broken:
    steps: list[str] = []
    reached = states[state]
    while reached.move:
        steps.append(reached.move)
        reached = states[reached.before]
    return Broken(what=what, trace=tuple(reversed(steps)))
