"""What is done about a goal: in every state and at every contact only what the protocol allows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from medicell_core.operations import Role, Weigh
from medicell_core.states import PackMLState
from medicell_orchestrator.pursuing import (
    ANEW_S,
    BEFORE,
    SERVER_LOST_S,
    SETTLE_S,
    START_S,
    UNSENT,
    Contact,
    Next,
    Pursuit,
)

GOAL = Weigh(operation_id='B@t/a/b/c#1', batch_id='B', container='B.bag')
PATIENCE_S = 30.0
NOW_S = 1000.0
LATER_S = 500.0
"""More than any limit is long."""

Case = tuple[Pursuit, Contact, bool, str]


def contacts() -> Iterator[Contact]:
    for alive, told, epoch, journal, since_s, state in itertools.product(
        (True, False),
        (True, False),
        (1, 2),
        ('one', 'another', ''),
        (0.0, START_S),
        (PackMLState.STOPPED, PackMLState.IDLE),
    ):
        yield Contact(
            role=Role.FLUID_HANDLER,
            alive=alive,
            epoch=epoch,
            changed_s=NOW_S - since_s,
            journal=journal,
            state=state,
            told=alive and told,
        )
    yield Contact(role=Role.FLUID_HANDLER)


def pursuits() -> Iterator[Pursuit]:
    for epoch, journal, missing_s, away, insist, accepted, again_s, given_up in itertools.product(
        (UNSENT, BEFORE, 1, 2),
        ('one', ''),
        (None, PATIENCE_S + 1.0),
        (True, False),
        (True, False),
        (True, False),
        (-1.0, 1.0, math.inf),
        (True, False),
    ):
        unsent = epoch == UNSENT
        if unsent and (journal or insist or accepted or given_up or again_s > 0.0):
            continue
        if math.isinf(again_s) and (insist or not accepted):
            continue  # A goal is sent again until it is accepted, and after a loss until it ended.
        yield Pursuit(
            role=Role.FLUID_HANDLER,
            goal=GOAL,
            patience_s=PATIENCE_S,
            epoch=epoch,
            journal=journal,
            missing_since=None if missing_s is None else NOW_S - missing_s,
            away=away,
            insist=insist,
            accepted=accepted,
            asked_s=math.inf if unsent else NOW_S - 1.0,
            again_s=NOW_S + again_s,
            given_up=given_up,
            taken_up=epoch == BEFORE,
        )


def cases() -> Iterator[Case]:
    seen = list(contacts())
    for item in pursuits():
        for contact, ready, after in itertools.product(seen, (True, False), ('', 'B@t/a/b/c#0')):
            yield replace(item), contact, ready, after


def wrong(case: Case) -> str:
    """Return what a decision does that the protocol forbids; empty when it is right."""
    item, contact, ready, after = case
    before = replace(item)
    step = item.next(contact, NOW_S, ready=ready, after=after)
    reachable = contact.told and ready
    another = contact.journal != before.journal
    forbidden = {
        'the journal of the first sending is forgotten': before.sent
        and item.journal != before.journal,
        'sent to a device that cannot be asked': step is Next.SEND
        and not (reachable and contact.settled(NOW_S)),
        'sent again to another journal': step is Next.SEND and before.sent and another,
        'sent before what may begin late is settled': step is Next.SEND
        and not before.sent
        and after != '',
        'sent for another journal than the device has': step is Next.SEND
        and item.journal != contact.journal,
        'unknown without a reason': step is Next.UNKNOWN
        and not (before.sent and reachable and (another or not before.journal)),
        'given up twice': step is Next.LOST and before.given_up,
    }
    return ', '.join(what for what, broken in forbidden.items() if broken)


def test_no_decision_breaks_the_protocol() -> None:
    found = [(case, what) for case in cases() if (what := wrong(case))]
    assert found == []


def test_a_state_of_another_process_is_known_by_its_count_or_its_journal() -> None:
    met = Contact(role=Role.FLUID_HANDLER, alive=True, epoch=1, journal='one', sequence=2)
    assert not met.another(3, 'one')
    assert met.another(1, 'one')
    assert met.another(2, 'one')
    assert met.another(3, 'another')
    assert met.another(3, '')
    assert replace(met, alive=False).another(3, 'one')
    assert not replace(met, journal='').another(3, 'one')


def test_a_server_that_was_away_is_asked_once_its_process_would_be_known_for_another() -> None:
    contact = Contact(
        role=Role.FLUID_HANDLER, alive=True, told=True, epoch=1, journal='one', sequence=1
    )
    item = Pursuit(role=Role.FLUID_HANDLER, goal=GOAL, patience_s=PATIENCE_S)
    assert item.next(contact, NOW_S, ready=True) is Next.SEND
    for late_s in (0.1, SERVER_LOST_S + 0.2):
        assert item.next(contact, NOW_S + late_s, ready=False) is Next.WAIT
    assert item.away
    back_s = NOW_S + SERVER_LOST_S + 1.0
    assert item.next(contact, back_s, ready=True) is Next.WAIT
    assert item.next(contact, back_s + SETTLE_S - 0.1, ready=True) is Next.WAIT
    assert item.next(contact, back_s + SETTLE_S, ready=True) is Next.SEND


@pytest.mark.parametrize('state', [PackMLState.IDLE, PackMLState.HELD])
def test_device_that_came_back_is_asked_as_soon_as_it_has_told_its_state(
    state: PackMLState,
) -> None:
    contact = Contact(
        role=Role.FLUID_HANDLER, alive=True, told=True, epoch=1, journal='one', sequence=1
    )
    item = Pursuit(role=Role.FLUID_HANDLER, goal=GOAL, patience_s=PATIENCE_S)
    assert item.next(contact, NOW_S, ready=True) is Next.SEND
    lost = replace(contact, alive=False, told=False)
    assert item.next(lost, NOW_S + 1.0, ready=True) is Next.WAIT
    back_s = NOW_S + 2.0
    back = replace(contact, epoch=2, changed_s=back_s, state=state)
    untold = replace(back, told=False)
    starting = replace(back, state=PackMLState.STOPPED)
    for not_yet in (untold, starting):
        assert item.next(not_yet, back_s + 0.1, ready=True) is Next.WAIT
    assert item.next(back, back_s + 0.2, ready=True) is Next.SEND
    assert item.next(back, back_s + 0.2 + ANEW_S, ready=True) is Next.SEND, 'no answer came'


def test_device_that_stays_stopped_is_asked_in_the_end() -> None:
    stopped = Contact(
        role=Role.FLUID_HANDLER, alive=True, told=True, epoch=2, changed_s=NOW_S, journal='one'
    )
    assert not stopped.settled(NOW_S + START_S - 0.1)
    assert stopped.settled(NOW_S + START_S)


def test_every_decision_is_reached() -> None:
    steps = {
        item.next(contact, NOW_S, ready=ready, after=after)
        for item, contact, ready, after in cases()
    }
    assert steps == set(Next)


@pytest.mark.parametrize('name', ['journal', 'after', 'given_up'])
def test_a_decision_that_breaks_the_protocol_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Pursuit.next

    def mutant(self: Pursuit, contact: Contact, now_s: float, *, ready: bool, after: str) -> Next:
        if name == 'journal' and self.sent:
            self.journal = contact.journal
        if name == 'given_up':
            self.given_up = False
        return real(self, contact, now_s, ready=ready, after='' if name == 'after' else after)

    monkeypatch.setattr(Pursuit, 'next', mutant)
    assert any(wrong(case) for case in cases())


def test_a_goal_always_comes_to_be_sent_ended_or_awaited() -> None:
    for item, contact, ready, after in cases():
        steps = [
            item.next(contact, NOW_S + LATER_S * count, ready=ready, after=after)
            for count in range(3)
        ]
        awaited = item.accepted and not item.away and not item.insist
        assert awaited or item.given_up or set(steps) != {Next.WAIT}, (item, contact)
