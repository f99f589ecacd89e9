"""An orchestrator in the model: its record and its note on disk, what it has in memory, its death.

What is on disk decides what becomes of the batch when it is taken up again; the rest is gone.
"""

from __future__ import annotations

from typing import NamedTuple

from .device_model import STROKES, Rules

OPERATIONS = 2
BOTH = range(OPERATIONS)
PLAN, GOAL, ASK, LOOK = 'plan', 'goal', 'ask', 'look'
"""Its command is to be recorded; it is open; a person is asked; it is looked what was moved."""
DONE, SPENT = 'done', 'spent'
ENDS = (DONE, SPENT)
"""The intention is recorded as done; `OPERATIONS` were tried."""
NOT_TOLD = '?'
"""What is noted of a journal that was not known: none is that one."""
NEXT_TOLD = '*'
"""What is left where it is noted only that a goal was sent: any journal passes for that one."""

Marks = tuple[str, str]


class Orchestrator(NamedTuple):
    """Where the batch stands: what it does, for which operation, and what it knows.

    On disk are the record, which tells `doing`, `which`, `wants`, `recorded` and `cleared`, and
    the note, which tells `sent_to`. In memory are `seen`, `given_up` and `looks`.
    """

    up: bool = True
    doing: str = PLAN
    which: int = 0
    wants: tuple[int, int] = (STROKES, 0)
    recorded: str = '--'
    """Outcomes: `F` done, `R` refused, `U` unknown, `L` contact lost, `-` none yet."""
    cleared: bool = True
    sent_to: Marks = ('', '')
    """The journal for which an operation was sent first; empty for one that was not sent."""
    commanded_to: Marks = ('', '')
    """The journal that was told when it was commanded; only where that is noted instead."""
    seen: str = ''
    """The journal that the device told last."""
    given_up: frozenset[int] = frozenset()
    """Operations that were given up and may still begin."""
    looks: bool = False
    """Whether it looks without waiting for what was given up."""

    def awaits(self, which: int) -> bool:
        """Return whether an answer to this operation is read."""
        is_open = self.doing == GOAL and self.which == which and self.sent_to[which] != ''
        return self.up and (which in self.given_up or is_open)


def commanded(boss: Orchestrator, rules: Rules) -> Orchestrator:
    """Return the orchestrator with its command on record."""
    boss = boss._replace(doing=GOAL)
    if rules.note_when_sending and rules.settle_only_sent:
        return boss
    return boss._replace(commanded_to=mark(boss.commanded_to, boss.which, boss.seen or NOT_TOLD))


def noted(boss: Orchestrator) -> Orchestrator:
    """Return the orchestrator with the journal on disk for which it will send its goal."""
    return boss._replace(sent_to=mark(boss.sent_to, boss.which, boss.seen))


def ended(boss: Orchestrator, letter: str, rules: Rules) -> Orchestrator:
    """Return the orchestrator with an outcome on record."""
    which = boss.which
    boss = boss._replace(recorded=boss.recorded[:which] + letter + boss.recorded[which + 1 :])
    if letter == 'L' and rules.settle_given_up and boss.sent_to[which]:
        boss = boss._replace(given_up=boss.given_up | {which})
    if letter == 'F' or (letter != 'R' and rules.suppose_done):
        return boss._replace(doing=DONE)
    if letter == 'R' or not rules.look_after_unknown:
        return repeated(boss, boss.wants[which])
    return boss._replace(doing=ASK, cleared=letter != 'U')


def repeated(boss: Orchestrator, wants: int) -> Orchestrator:
    """Return the orchestrator about to do what is left, under the next id."""
    which = boss.which + 1
    boss = boss._replace(looks=False)
    if which == OPERATIONS:
        return boss._replace(doing=SPENT)
    return boss._replace(doing=PLAN, which=which, wants=(boss.wants[0], wants))


def died(boss: Orchestrator, rules: Rules) -> Orchestrator:
    """Return what is left of an orchestrator: what it has on disk."""
    boss = boss._replace(up=False, seen='', given_up=frozenset(), looks=False)
    if boss.doing == GOAL and not rules.record_before_sending:
        boss = boss._replace(doing=PLAN, sent_to=mark(boss.sent_to, boss.which, ''))
    if not rules.note_before_sending:
        boss = boss._replace(sent_to=('', ''))
    if not rules.note_names_journal:
        first, second = (journal and NEXT_TOLD for journal in boss.sent_to)
        boss = boss._replace(sent_to=(first, second))
    return boss


def has_told(boss: Orchestrator, journal: str) -> Orchestrator:
    """Return the orchestrator after the device has told its journal."""
    first, second = (journal if item == NEXT_TOLD else item for item in boss.sent_to)
    return boss._replace(seen=journal, sent_to=(first, second))


def taken_up(boss: Orchestrator, rules: Rules) -> Orchestrator:
    """Return another process that goes through the record, and on."""
    boss = boss._replace(up=True)
    for which in BOTH:
        sent, lost = boss.sent_to[which] != '', boss.recorded[which] == 'L'
        unsent = lost and not sent
        if (sent and not rules.note_when_sending) or (unsent and not rules.settle_only_sent):
            told = boss.commanded_to[which]
            boss = boss._replace(sent_to=mark(boss.sent_to, which, told))
    if rules.remember_given_up:
        lost_ones = (which for which in BOTH if boss.recorded[which] == 'L')
        boss = boss._replace(given_up=frozenset(item for item in lost_ones if boss.sent_to[item]))
    if boss.doing == GOAL and not rules.command_is_no_end:
        return ended(boss, 'F', rules)
    if boss.doing == GOAL and not rules.same_ids:
        return repeated(boss, boss.wants[boss.which])
    return boss._replace(looks=boss.doing == LOOK and not rules.look_when_settled)


def mark(marks: Marks, which: int, journal: str) -> Marks:
    """Return what is known of journals, with one of them changed."""
    return (journal, marks[1]) if which == 0 else (marks[0], journal)
