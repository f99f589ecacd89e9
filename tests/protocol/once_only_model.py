"""The whole protocol in the model: an orchestrator, a device, messages between them, a person.

One intention of the recipe, that the strokes of `STROKES` are made, is pursued by one operation
and, where that has failed, by another one under a new id. Messages may be lost, delayed,
doubled and overtake each other; a goal may come to a device that was started again. The
orchestrator may die between any two of its steps, as often as it likes, and is taken up again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .device_model import (
    FIRST,
    STROKES,
    Device,
    Goal,
    Rules,
    Told,
    clears,
    comes,
    dies,
    goes_on,
    refuses,
    starts,
)
from .orchestrator_model import (
    ASK,
    BOTH,
    DONE,
    ENDS,
    GOAL,
    LOOK,
    PLAN,
    Orchestrator,
    commanded,
    died,
    ended,
    has_told,
    noted,
    repeated,
    taken_up,
)

DEATHS = ('the orchestrator dies', 'the second: the orchestrator dies')
DEVICE_FAULTS = ('the device is killed', 'power cut', 'another disk', 'all that is')
FAULTS = (*DEATHS, *DEVICE_FAULTS)
"""How the names of the moves begin that nobody may need."""

Moves = Iterator[tuple[str, 'State']]


class State(NamedTuple):
    """Everything at one moment; messages in flight stay there until they are lost."""

    device: Device = Device()
    boss: Orchestrator = Orchestrator()
    other: Orchestrator | None = None
    """A second process that makes the same batch; only where nothing prevents it."""
    goals: frozenset[Goal] = frozenset()
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
    """The moves of every party under some rules, and what must hold.

    Moves whose names begin as one of `without` are left out.
    """

    def __init__(self, rules: Rules | None = None, *, without: tuple[str, ...] = ()) -> None:
        self.rules = Rules() if rules is None else rules
        self._without = without
        self._met: dict[tuple[Device, frozenset[Goal]], tuple[Told, ...]] = {}
        self.device_moves: dict[Device, dict[str, Told]] = {}
        """Every move of the device that is possible, by the device before it and its name."""

    def moves(self, state: State) -> Moves:
        """Yield every move that is possible."""
        for move in self._moves(state):
            if not move[0].startswith(self._without):
                yield move

    def _moves(self, state: State) -> Moves:
        for told in self._device(state):
            answers = state.answers
            if told.answer is not None and self._awaited(state, told.answer[0]):
                answers |= {told.answer}
            yield told.name, state._replace(device=told.after, answers=answers)
        for name, after in self.orchestrator_moves(state):
            yield name, self._pruned(after)
        yield from self._others(state)
        if state.goals or state.answers:
            yield (
                'all that is in flight is lost',
                state._replace(goals=frozenset(), answers=frozenset()),
            )

    def _awaited(self, state: State, which: int) -> bool:
        other = state.other
        return state.boss.awaits(which) or (other is not None and other.awaits(which))

    def _pruned(self, state: State) -> State:
        """Return the state without answers that nobody reads any more."""
        kept = frozenset(item for item in state.answers if self._awaited(state, item[0]))
        return state._replace(answers=kept)

    def _device(self, state: State) -> tuple[Told, ...]:
        """Return the device's moves; what has sent the messages makes no difference to them."""
        met = (state.device, state.goals)
        if met not in self._met:
            self._met[met] = tuple(self._device_moves(*met))
            of_device = self.device_moves.setdefault(state.device, {})
            for move in self._met[met]:
                of_device.setdefault(move.name, move)
        return self._met[met]

    def _device_moves(self, device: Device, goals: frozenset[Goal]) -> Iterator[Told]:
        for goal in sorted(goals):
            yield from comes(device, self.rules, goal)
        yield from goes_on(device, self.rules)
        yield from refuses(device)
        yield from clears(device)
        yield from dies(device, self.rules)
        yield from starts(device, self.rules)

    # --- the orchestrator ---------------------------------------------------------------------

    def orchestrator_moves(self, state: State) -> Moves:
        """Yield every move of the orchestrator that is possible."""
        boss = state.boss
        if not boss.up:
            after = state._replace(boss=taken_up(boss, self.rules))
            yield 'the batch is taken up again', after
            return
        yield 'the orchestrator dies', state._replace(boss=died(boss, self.rules))
        if state.device.up and boss.seen != state.device.journal:
            journal = state.device.journal
            yield f'journal {journal} is told', state._replace(boss=has_told(boss, journal))
        yield from self._settles(state)
        if boss.doing == PLAN:
            name = f'command {boss.which + 1} is recorded'
            yield name, state._replace(boss=commanded(boss, self.rules))
        elif boss.doing == GOAL and boss.sent_to[boss.which]:
            yield from self._pursues(state)
        elif boss.doing == GOAL:
            yield from self._begins(state)
        elif boss.doing == ASK:
            yield from self._asks(state)
        elif boss.doing == LOOK and (boss.looks or not boss.given_up):
            yield self._looked(state)

    def _others(self, state: State) -> Moves:
        """Let a second process take the batch up while the first one lives, and do what it may."""
        if self.rules.one_orchestrator:
            return
        if state.other is None:
            second = taken_up(died(state.boss, self.rules), self.rules)
            yield 'a second orchestrator takes it up', state._replace(other=second)
        else:
            swapped = state._replace(boss=state.other, other=state.boss)
            for name, after in self.orchestrator_moves(swapped):
                back = after._replace(boss=after.other, other=after.boss)
                yield f'the second: {name}', self._pruned(back)

    def _begins(self, state: State) -> Moves:
        """An operation that was not sent waits until it may be, or is given up."""
        boss = state.boss
        if boss.seen and not boss.given_up:
            name = f'goal {boss.which + 1} is noted for journal {boss.seen}'
            yield name, state._replace(boss=noted(boss))
        yield f'operation {boss.which + 1} is given up unsent', self._ended(state, 'L')

    def _pursues(self, state: State) -> Moves:
        """An operation that may have been sent is sent again until an outcome is known."""
        boss = state.boss
        which = boss.which
        for _, letter in sorted(item for item in state.answers if item[0] == which):
            yield f'outcome {letter} of {which + 1} is recorded', self._ended(state, letter)
        if boss.seen and (boss.seen == boss.sent_to[which] or not self.rules.first_journal):
            sent = self._sent(state, which)
            if sent != state:
                yield f'goal {which + 1} is sent', sent
        elif boss.seen:
            yield 'another journal: outcome U is recorded', self._ended(state, 'U')
        yield f'operation {which + 1} is given up', self._ended(state, 'L')

    def _sent(self, state: State, which: int) -> State:
        boss = state.boss
        journal = boss.sent_to[which] if self.rules.first_journal else boss.seen
        return state._replace(goals=state.goals | {Goal(which, journal, boss.wants[which])})

    def _ended(self, state: State, letter: str) -> State:
        return state._replace(boss=ended(state.boss, letter, self.rules))

    def _asks(self, state: State) -> Moves:
        """A person has looked and says: go on. What is Held is cleared first."""
        boss = state.boss
        if boss.cleared or (state.device.up and not state.device.held):
            after = boss._replace(doing=LOOK, cleared=True)
            yield 'a person answers: retry', state._replace(boss=after)

    def _settles(self, state: State) -> Moves:
        """What was given up is sent again, and cancelled, until an answer has come."""
        boss = state.boss
        for which in sorted(boss.given_up):
            settled = state._replace(boss=boss._replace(given_up=boss.given_up - {which}))
            journal = boss.sent_to[which]
            if boss.seen and boss.seen != journal:
                yield f'given up: another journal would refuse {which + 1}', settled
            elif boss.seen:
                begins = not self.rules.settle_as_cancelled
                again = Goal(which, journal, boss.wants[which], begins=begins)
                sent = state._replace(goals=state.goals | {again})
                if sent != state:
                    yield f'goal {which + 1} is sent again as cancelled', sent
            if any(item[0] == which for item in state.answers):
                yield f'what was given up is settled: {which + 1}', settled

    def _looked(self, state: State) -> tuple[str, State]:
        """By weight, image or position: what is there is seen, whoever has brought it."""
        boss, made = state.boss, sum(state.device.strokes)
        if made >= STROKES:
            after = state._replace(boss=boss._replace(doing=DONE, looks=False))
            return 'looked: it is done', after
        after = state._replace(boss=repeated(boss, STROKES - made))
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
        for which in BOTH:
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
        if letter == 'F' and (boss.doing != DONE or boss.which != which):
            return f'operation {which + 1} is recorded as done and another one follows'
        same = device.journal == boss.sent_to[which] == FIRST
        if letter in 'FR' and same and device.disk[which] != letter:
            return f'operation {which + 1} was told {letter}, and no disk knows it'
        if letter in 'FR' and not device.named:
            return f'operation {which + 1} was told {letter}, and a power cut may lose its journal'
        return ''

    def ends(self, state: State) -> bool:
        """Return whether the batch has come to an end, and the device to rest."""
        device, boss = state.device, state.boss
        rests = device.up and device.work is None and device.refusing is None
        over = boss.up and boss.doing in ENDS and not boss.given_up
        return over and rests and not (device.held or device.clearing)
