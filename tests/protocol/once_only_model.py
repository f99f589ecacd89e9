"""The whole protocol in the model: an orchestrator, a device, messages between them, a person.

One intention of the recipe, that the strokes of `STROKES` are made, is pursued by one operation
and, where that has failed, by another one under a new id. Messages may be lost, delayed,
doubled and overtake each other; a goal may come to a device that was started again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .device_model import (
    ANOTHER,
    FIRST,
    STROKES,
    Device,
    Rules,
    Told,
    Work,
    cancelled,
    clears,
    comes,
    dies,
    goes_on,
    refuses,
    starts,
)

OPERATIONS = 2
GONE, DONE, SPENT = 'gone', 'done', 'spent'
ENDS = (GONE, DONE, SPENT)
"""The orchestrator is dead, has recorded the intention as done, has tried `OPERATIONS` times."""

FAULTS = ('the device is killed', 'power cut', 'another disk', 'all that is', 'the orchestrator')
"""How the names of the moves begin that nobody may need."""


class Orchestrator(NamedTuple):
    """Where the batch stands: what it does now, for which operation, and what it recorded.

    `doing`: `send`, `wait`, `ask`, `settle`, `look`, or one of `ENDS`.
    """

    doing: str = 'send'
    which: int = 0
    wants: tuple[int, int] = (STROKES, 0)
    seen: str = ''
    """The journal that the device told last."""
    sent_to: tuple[str, str] = ('', '')
    """The journal that the device had told when an operation was first sent."""
    recorded: str = '--'
    """Outcomes: `F` done, `R` refused, `U` unknown, `L` contact lost, `-` none yet."""
    given_up: int = -1
    """The operation that was given up and may still begin."""
    cleared: bool = True


class State(NamedTuple):
    """Everything at one moment; messages in flight stay there until they are lost."""

    device: Device = Device()
    boss: Orchestrator = Orchestrator()
    goals: frozenset[tuple[int, str]] = frozenset()
    cancels: frozenset[int] = frozenset()
    answers: frozenset[tuple[int, str]] = frozenset()


def is_fault(name: str) -> bool:
    """Return whether a move is a fault."""
    return name.startswith(FAULTS)


def start(rules: Rules) -> State:
    """Return the first state; ids that are not fresh were used by an earlier batch."""
    if rules.fresh_ids:
        return State()
    return State(device=Device(named=True, disk='F-', cache='F-'))


class Model:
    """The moves of every party under some rules, and what must hold."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = Rules() if rules is None else rules
        self.device_moves: dict[Device, dict[str, Told]] = {}
        """Every move of the device that is possible, by the device before it and its name."""

    def moves(self, state: State) -> Iterator[tuple[str, State]]:
        """Yield every move that is possible."""
        for told in self._device(state):
            self.device_moves.setdefault(state.device, {}).setdefault(told.name, told)
            answers = state.answers
            if told.answer is not None and self._awaited(state.boss, told.answer[0]):
                answers |= {told.answer}
            yield told.name, state._replace(device=told.after, answers=answers)
        for name, after in self._boss(state):
            yield name, self._pruned(after)
        if state.goals or state.answers or state.cancels:
            none: frozenset[tuple[int, str]] = frozenset()
            lost = state._replace(goals=none, answers=none, cancels=frozenset())
            yield 'all that is in flight is lost', lost

    def _awaited(self, boss: Orchestrator, which: int) -> bool:
        return boss.given_up == which or (boss.doing == 'wait' and boss.which == which)

    def _pruned(self, state: State) -> State:
        """Return the state without answers that nobody reads any more."""
        boss = state.boss
        kept = frozenset(item for item in state.answers if self._awaited(boss, item[0]))
        return state._replace(answers=kept)

    def _device(self, state: State) -> Iterator[Told]:
        device, rules = state.device, self.rules
        for which, mark in sorted(state.goals):
            yield from comes(device, rules, which, mark, state.boss.wants[which])
        for which in sorted(state.cancels):
            yield from cancelled(device, which)
        yield from goes_on(device, rules)
        yield from refuses(device)
        yield from clears(device)
        yield from dies(device, rules)
        yield from starts(device, rules)

    def _boss(self, state: State) -> Iterator[tuple[str, State]]:
        boss = state.boss
        if boss.doing in ENDS:
            return
        yield 'the orchestrator dies', state._replace(boss=boss._replace(doing=GONE))
        if state.device.up and boss.seen != state.device.journal:
            seen = boss._replace(seen=state.device.journal)
            yield f'journal {seen.seen} is told', state._replace(boss=seen)
        if boss.doing == 'send' and boss.seen:
            sent_to = list(boss.sent_to)
            sent_to[boss.which] = boss.seen
            waiting = boss._replace(doing='wait', sent_to=(sent_to[0], sent_to[1]))
            yield f'goal {boss.which + 1} is sent', self._sent(state, waiting, boss.which)
        elif boss.doing == 'wait':
            yield from self._waits(state)
        elif boss.doing == 'ask':
            yield from self._asks(state)
        elif boss.doing == 'settle':
            yield from self._settles(state)
        elif boss.doing == 'look':
            yield self._looked(state)

    def _sent(self, state: State, boss: Orchestrator, which: int) -> State:
        first = boss.sent_to[which]
        mark = first if self.rules.first_journal else boss.seen
        return state._replace(boss=boss, goals=state.goals | {(which, mark)})

    def _waits(self, state: State) -> Iterator[tuple[str, State]]:
        boss = state.boss
        which = boss.which
        for _, letter in sorted(item for item in state.answers if item[0] == which):
            yield f'outcome {letter} of {which + 1} is recorded', self._ended(state, letter)
        if boss.seen == boss.sent_to[which] or not self.rules.first_journal:
            again = self._sent(state, boss, which)
            if again != state:
                yield f'goal {which + 1} is sent again', again
        else:
            yield 'another journal: outcome U is recorded', self._ended(state, 'U')
        yield f'operation {which + 1} is given up', self._ended(state, 'L')

    def _ended(self, state: State, letter: str) -> State:
        """Return the state after an outcome is recorded."""
        boss = state.boss
        which = boss.which
        letters = list(boss.recorded)
        letters[which] = letter
        boss = boss._replace(recorded=''.join(letters))
        if letter == 'L' and self.rules.settle_given_up:
            boss = boss._replace(given_up=which)
        if letter == 'F':
            boss = boss._replace(doing=DONE)
        elif letter == 'R':
            boss = _repeated(boss, boss.wants[which])
        elif self.rules.suppose_done:
            boss = boss._replace(doing=DONE)
        elif not self.rules.look_after_unknown:
            boss = _repeated(boss, boss.wants[which])
        else:
            boss = boss._replace(doing='ask', cleared=letter != 'U')
        return state._replace(boss=boss)

    def _asks(self, state: State) -> Iterator[tuple[str, State]]:
        """A person has looked and says: go on. What is Held is cleared first."""
        boss = state.boss
        if boss.cleared or (state.device.up and not state.device.held):
            after = boss._replace(doing='settle', cleared=True)
            yield 'a person answers: retry', state._replace(boss=after)

    def _settles(self, state: State) -> Iterator[tuple[str, State]]:
        boss = state.boss
        which = boss.given_up
        if which < 0:
            yield 'nothing may begin late', state._replace(boss=boss._replace(doing='look'))
            return
        if boss.seen != boss.sent_to[which]:
            dropped = boss._replace(given_up=-1)
            yield 'given up: another journal would refuse it', state._replace(boss=dropped)
            return
        again = self._sent(state, boss, which)
        again = again._replace(cancels=again.cancels | {which})
        if again != state:
            yield f'goal {which + 1} is sent again and cancelled', again
        if any(item[0] == which for item in state.answers):
            settled = boss._replace(given_up=-1)
            yield f'what was given up is settled: {which + 1}', state._replace(boss=settled)

    def _looked(self, state: State) -> tuple[str, State]:
        """By weight, image or position: what is there is seen, whoever has brought it."""
        boss, made = state.boss, sum(state.device.strokes)
        if made >= STROKES:
            after = state._replace(boss=boss._replace(doing=DONE))
            return 'looked: it is done', after
        after = state._replace(boss=_repeated(boss, STROKES - made))
        return f'looked: {made} of {STROKES} strokes are made', after

    # --- what must hold -----------------------------------------------------------------------

    def breaks(self, state: State) -> str:
        """Return what does not hold; empty when all does."""
        device, boss = state.device, state.boss
        made = sum(device.strokes)
        if self.overdone(state):
            return self.overdone(state)
        if boss.doing == DONE and made < STROKES:
            return f'recorded as done, and {made} of {STROKES} strokes are made'
        for which in range(OPERATIONS):
            what = self._untrue(device, boss, which)
            if what:
                return what
        if device.up and 'S' in device.known and device.work is None and not device.held:
            return 'the device knows of an unknown outcome and is not Held'
        return ''

    def overdone(self, state: State) -> str:
        """Return that more has been moved than was intended; empty when it has not."""
        made = sum(state.device.strokes)
        return f'{made} strokes are made of {STROKES} that were wanted' if made > STROKES else ''

    def _untrue(self, device: Device, boss: Orchestrator, which: int) -> str:
        """Return what is wrong about the outcome that was recorded of an operation."""
        letter, strokes = boss.recorded[which], device.strokes[which]
        if letter == 'R' and strokes:
            return f'operation {which + 1} is recorded as refused and was begun'
        if letter == 'F' and strokes != boss.wants[which]:
            return f'operation {which + 1} is recorded as done and was not'
        same = device.journal == boss.sent_to[which] == FIRST
        if letter in 'FR' and same and device.disk[which] != letter:
            return f'operation {which + 1} was told {letter}, and no disk knows it'
        if letter in 'FR' and not device.named:
            return f'operation {which + 1} was told {letter}, and a power cut may lose its journal'
        return ''

    def ends(self, state: State) -> bool:
        """Return whether the batch has come to an end, and the device to rest."""
        device = state.device
        rests = device.up and device.work is None and device.refusing is None
        return state.boss.doing in ENDS and rests and not (device.held or device.clearing)


def _repeated(boss: Orchestrator, wants: int) -> Orchestrator:
    """Return the orchestrator about to do what is left, under the next id."""
    which = boss.which + 1
    if which == OPERATIONS:
        return boss._replace(doing=SPENT)
    return boss._replace(doing='send', which=which, wants=(boss.wants[0], wants))


__all__ = ['ANOTHER', 'Model', 'State', 'Work', 'start']
