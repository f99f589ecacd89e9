"""The real record, note and pursuits of an orchestrator, taken up where the model's has died."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from medicell_core.cell import LostContact, OnSend, untold
from medicell_core.entries import Command, Completed, Entry, PhaseStarted
from medicell_core.errors import ErrorCode
from medicell_core.operations import Mix, MixResult, Operation, Outcome, Role, Weigh, WeighResult
from medicell_core.serialise import to_json
from medicell_core.states import PackMLState
from medicell_orchestrator.pursuing import Contact, Next, Pursuit
from medicell_orchestrator.resuming.cell import RecordedCell
from medicell_orchestrator.resuming.history import History
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_record.record import RecordedEntry

from .device_model import Device
from .once_only_model import Model, State
from .orchestrator_model import BOTH, DONE, GOAL, LOOK, PLAN, Orchestrator

ROLE = Role.FLUID_HANDLER
NOW_S, PATIENCE_S = 1000.0, 30.0
CODES = {
    'F': ErrorCode.OK,
    'R': ErrorCode.DEVICE_BUSY,
    'C': ErrorCode.CANCELLED,
    'U': ErrorCode.OUTCOME_UNKNOWN,
    'L': ErrorCode.COMMUNICATION_LOST,
}
GOALS = {
    f'goal {which + 1}': Mix(
        operation_id=f'B@t/a/b/c#{2 * which + 1}',
        batch_id='B',
        container='B.bag',
        duration_s=1.0,
    )
    for which in BOTH
}
LOOKS = {
    f'look {which + 1}': Weigh(
        operation_id=f'B@t/a/b/c#{2 * which + 2}', batch_id='B', container='B.bag'
    )
    for which in BOTH
}
NAMES = {goal.operation_id: name for name, goal in [*GOALS.items(), *LOOKS.items()]}

Steps = dict[str, Next]
"""What is done next about each goal, by its name; one given up has a `~` before it."""


@dataclass
class PursuingCell:
    """The pursuits of a cell, without the messages that they lead to."""

    pursued: dict[str, Pursuit] = field(default_factory=dict)
    given_up: dict[str, Pursuit] = field(default_factory=dict)

    def start(self, role: Role, goal: Operation, *, on_send: OnSend = untold) -> None:
        """Pursue a new goal."""
        self.pursued[goal.operation_id] = _pursuit(goal)

    def take_up(
        self, role: Role, goal: Operation, *, journal: str, lost: bool, cancelled: bool
    ) -> None:
        """Pursue a goal that may have been sent."""
        item = _pursuit(goal)
        item.take_up(journal)
        item.cancel_wanted = cancelled
        if lost:
            item.give_up()
        kept = self.given_up if lost else self.pursued
        kept[goal.operation_id] = item

    def next(self, journal: str) -> Steps:
        """Return what is done when the device has told its journal."""
        contact = Contact(
            role=ROLE,
            alive=True,
            epoch=1,
            journal=f'journal {journal}',
            sequence=1,
            state=PackMLState.IDLE,
            told=True,
        )
        after = next(iter(self.given_up), '')
        found: Steps = {}
        for sign, items in (('~', self.given_up), ('', self.pursued)):
            for key, item in items.items():
                step = item.next(contact, NOW_S, ready=True, after=after)
                found[sign + NAMES[key]] = step
                assert item.cancel_wanted is (sign == '~')
        return found

    def now_s(self) -> float:
        """Return the time."""
        return NOW_S

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return nothing: no answer comes."""
        return None

    def lost(self) -> tuple[LostContact, ...]:
        """Return nothing: the device is in contact."""
        return ()

    def cancel(self, operation_id: str) -> None:
        """Cancel nothing: no hold is ordered."""
        raise AssertionError(operation_id)

    def stop(self, reason: str) -> None:
        """Stop nothing: nobody aborts."""
        raise AssertionError(reason)

    def clear(self) -> None:
        """Clear nothing: no question is answered."""
        raise AssertionError

    def wait(self, timeout_s: float) -> None:
        """Wait for nothing."""

    def wake(self) -> None:
        """Wake nobody."""


def code_steps(boss: Orchestrator, journal: str, folder: Path) -> Steps:
    """Take up what a dead orchestrator of the model has on disk; return what the code does."""
    folder.mkdir()
    journals = KnownJournals.begin(folder)
    for name, goal in _sent(boss):
        journals.note(goal.operation_id, f'journal {name}')
    entries = [
        RecordedEntry(sequence=number, at_s=1.0, actor='orchestrator', entry=entry)
        for number, entry in enumerate(_entries(boss), start=1)
    ]
    live, history = PursuingCell(), History(entries)
    cell = RecordedCell(history, live, KnownJournals(folder))
    history.on_end = partial(cell.go_live, cancelled=False)
    for item in entries:
        _make_again(item.entry, history, cell)
    return live.next(journal)


def model_steps(boss: Orchestrator, journal: str) -> Steps:
    """Return what the model does when the same is taken up and the device has told a journal."""
    model = Model()
    ((_, state),) = model.orchestrator_moves(State(boss=boss))
    boss = state.boss._replace(seen=journal)
    state = state._replace(device=Device(up=True, journal=journal), boss=boss)
    names = [name for name, _ in model.orchestrator_moves(state)]
    found: Steps = {f'~goal {which + 1}': Next.WAIT for which in boss.given_up}
    if boss.doing == GOAL:
        found[f'goal {boss.which + 1}'] = Next.WAIT
    if boss.doing == LOOK:
        found[f'look {boss.which + 1}'] = Next.WAIT
    for name in names:
        found |= _step(name, boss.which)
    return found


def _step(name: str, which: int) -> Steps:
    """Return what a move of the model stands for."""
    goal = name[: len('goal 1')]
    if name.endswith('is sent again as cancelled'):
        return {f'~{goal}': Next.SEND}
    if name.startswith('given up: another journal'):
        return {f'~goal {name[-1]}': Next.UNKNOWN}
    if name.startswith('goal '):
        return {goal: Next.SEND}
    if name.startswith('another journal'):
        return {f'goal {which + 1}': Next.UNKNOWN}
    if name.startswith('looked'):
        return {f'look {which + 1}': Next.SEND}
    return {}


def _entries(boss: Orchestrator) -> Iterator[Entry]:
    """Yield the record of what an orchestrator has done."""
    yield PhaseStarted(phase='a/b/c')
    for which in range(boss.which + 1):
        if which == boss.which and boss.doing == PLAN:
            return
        letter = boss.recorded[which]
        yield _command(GOALS[f'goal {which + 1}'])
        if letter == '-':
            return
        yield _completed(GOALS[f'goal {which + 1}'], letter)
        if _looked_after(boss, which):
            yield _command(LOOKS[f'look {which + 1}'])
            if which < boss.which or boss.doing != LOOK:
                yield _completed(LOOKS[f'look {which + 1}'], 'F')


def _sent(boss: Orchestrator) -> Iterator[tuple[str, Operation]]:
    """Yield what was sent, and for which journal."""
    for which in BOTH:
        if boss.sent_to[which]:
            yield boss.sent_to[which], GOALS[f'goal {which + 1}']
        if _looked_after(boss, which) and (which < boss.which or boss.doing != LOOK):
            yield boss.sent_to[which] or '1', LOOKS[f'look {which + 1}']


def _looked_after(boss: Orchestrator, which: int) -> bool:
    """Return whether it was looked what an operation had moved, or is to be."""
    over = which < boss.which or boss.doing in {LOOK, DONE, 'spent'}
    return over and which <= boss.which and boss.recorded[which] in 'UCL'


def _command(goal: Operation) -> Command:
    return Command(
        operation_id=goal.operation_id,
        role=ROLE.value,
        operation=type(goal).__name__,
        goal=to_json(goal),
    )


def _completed(goal: Operation, letter: str) -> Completed:
    result = MixResult() if isinstance(goal, Mix) else WeighResult(net_weight_g=1.0, volume_ml=1.0)
    code = CODES[letter]
    return Completed(
        operation_id=goal.operation_id,
        error_code=int(code),
        error_msg='',
        result=to_json(result) if code is ErrorCode.OK else {},
        timed=False,
    )


def _make_again(entry: Entry, history: History, cell: RecordedCell) -> None:
    """Make an entry of the record again, as the batch does."""
    if isinstance(entry, Completed):
        outcome = cell.outcome(entry.operation_id)
        assert outcome is not None
        assert outcome.error_code == entry.error_code
    history.match(entry)
    history.tell_end()
    if isinstance(entry, Command):
        name = NAMES[entry.operation_id]
        cell.start(ROLE, {**GOALS, **LOOKS}[name])


def _pursuit(goal: Operation) -> Pursuit:
    return Pursuit(role=ROLE, goal=goal, patience_s=PATIENCE_S)
