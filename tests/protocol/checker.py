"""Breadth-first search of all states of a model: what is broken, by which shortest way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored(Generic[S]):
    """All states that can be reached, each with how it was reached first."""

    came_from: dict[S, tuple[S, str] | None]
    broken: Broken | None

    def trace(self, state: S) -> tuple[str, ...]:
        return _trace(self.came_from, state)


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
    came_from: dict[S, tuple[S, str] | None] = {start: None}
    before: dict[S, list[S]] = {start: []}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        what = breaks(state)
        if what:
            broken = Broken(what=what, trace=_trace(came_from, state))
            return Explored(came_from=came_from, broken=broken)
        for name, after in moves(state):
            if after not in came_from:
                came_from[after] = (state, name)
                before[after] = []
                queue.append(after)
            if not is_fault(name):
                before[after].append(state)
    return Explored(came_from=came_from, broken=_stuck(came_from, before, ends))


def _stuck(
    came_from: dict[S, tuple[S, str] | None],
    before: dict[S, list[S]],
    ends: Callable[[S], bool],
) -> Broken | None:
    """Return the first state from which no end can be reached."""
    queue = deque(state for state in came_from if ends(state))
    can_end = set(queue)
    while queue:
        for state in before[queue.popleft()]:
            if state not in can_end:
                can_end.add(state)
                queue.append(state)
    for state in came_from:
        if state not in can_end:
            return Broken(what='no end can be reached any more', trace=_trace(came_from, state))
    return None


def _trace(came_from: dict[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    steps: list[str] = []
    link = came_from[state]
    while link is not None:
        steps.append(link[1])
        link = came_from[link[0]]
    return tuple(reversed(steps))
