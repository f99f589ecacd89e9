"""The once-only protocol holds in every state that can be reached, and the code is the model."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from medicell_core.operations import Outcome
from medicell_devices.performing import Performer
from medicell_devices.running import RunningOperation
from medicell_devices.server import OperationServer
from medicell_orchestrator.resuming.cell import RecordedCell
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_record.canonical import canonical_json
from medicell_record.journal import Journal, JsonObject

from .checker import Broken, Explored, explore
from .device_model import ANOTHER, FIRST, Device, Rules, Told
from .once_only_model import DEVICE_FAULTS, FAULTS, Model, State, is_fault, start
from .orchestrator_model import LOOK, Orchestrator
from .real_device import RealDevice
from .real_orchestrator import code_steps, model_steps

NO_POWER_CUT = ('power cut', 'all that is')
"""Faults that a way to some damage can do without, which makes it quicker to find."""

BEGUN, OVER = 'is recorded as refused and was begun', '3 strokes are made of 2'
UNDONE = 'recorded as done, and 0 of 2 strokes are made'

MUTANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    'finish_after_effect': (UNDONE, ()),
    'sync_start': (BEGUN, ()),
    'sync_finish': ('was told F, and no disk knows it', ()),
    'sync_read': ('and no disk knows it', ()),
    'sync_folder': ('a power cut may lose its journal', ()),
    'read_journal': ('and no disk knows it', ()),
    'hold_unknown': ('knows of an unknown outcome and is not Held', ()),
    'keep_refusals': ('was told R, and no disk knows it', ()),
    'goal_names_journal': (BEGUN, ()),
    'first_journal': (BEGUN, ()),
    'settle_given_up': (OVER, DEVICE_FAULTS),
    'look_after_unknown': (OVER, NO_POWER_CUT),
    'suppose_done': (UNDONE, ()),
    'fresh_ids': (UNDONE, ()),
    'record_before_sending': (BEGUN, NO_POWER_CUT),
    'note_before_sending': (BEGUN, NO_POWER_CUT),
    'note_when_sending': (OVER, DEVICE_FAULTS),
    'note_names_journal': (BEGUN, NO_POWER_CUT),
    'remember_given_up': (OVER, DEVICE_FAULTS),
    'look_when_settled': (OVER, DEVICE_FAULTS),
    'command_is_no_end': (UNDONE, ()),
    'same_ids': (OVER, DEVICE_FAULTS),
    'one_orchestrator': ('operation 2 is recorded as done and was not', FAULTS),
}
"""What is found when one rule of the protocol is broken, and without which faults."""

OVERDONE: dict[str, tuple[str, ...]] = {
    'sync_start': (),
    'read_journal': (),
    'keep_refusals': NO_POWER_CUT,
    'goal_names_journal': NO_POWER_CUT,
    'first_journal': NO_POWER_CUT,
    'look_after_unknown': NO_POWER_CUT,
    'record_before_sending': NO_POWER_CUT,
    'note_before_sending': NO_POWER_CUT,
    'note_names_journal': NO_POWER_CUT,
}
"""The rules without which more is moved than was intended, where that is not found first."""


EITHER = ('settle_as_cancelled', 'settle_only_sent')
"""Two rules of which one is enough."""


def broken(*rules: str) -> Rules:
    """Return the protocol with some rules broken."""
    return Rules()._replace(**{rule: not getattr(Rules(), rule) for rule in rules})


@lru_cache(maxsize=1)
def protocol() -> tuple[Model, Explored[State]]:
    """The protocol as it is, explored once."""
    model = Model()
    found = explore(
        start(Rules()), model.moves, breaks=model.breaks, ends=model.ends, is_fault=is_fault
    )
    return model, found


def test_every_reachable_state_is_sound_and_can_end() -> None:
    model, found = protocol()
    assert found.broken is None, str(found.broken)
    assert len(found.states) > 100_000
    of_device = sum(map(len, model.device_moves.values()))
    print(f'{len(found.states)} states, {of_device} moves of the device')


def test_every_rule_has_a_mutant() -> None:
    assert {*MUTANTS, *EITHER} == set(Rules._fields)


def way_to_damage(*rules: str, without: tuple[str, ...], overdone: bool = False) -> Broken | None:
    """Return what is found when rules are broken; what cannot end any more does not count."""
    model = Model(broken(*rules), without=without)
    found = explore(
        start(model.rules),
        model.moves,
        breaks=model.overdone if overdone else model.breaks,
        ends=lambda _: True,
        is_fault=is_fault,
    )
    print(f'{" and ".join(rules)}: {found.broken}')
    return found.broken


@pytest.mark.parametrize('rule', MUTANTS)
def test_a_broken_rule_is_found_with_the_way_to_it(rule: str) -> None:
    what, without = MUTANTS[rule]
    assert what in str(way_to_damage(rule, without=without))


@pytest.mark.parametrize('rule', OVERDONE)
def test_a_way_to_a_second_effect_is_found(rule: str) -> None:
    found = way_to_damage(rule, without=OVERDONE[rule], overdone=True)
    assert found is not None
    assert found.what == '3 strokes are made of 2 that were wanted'


def test_what_was_given_up_unsent_begins_only_where_two_rules_are_broken() -> None:
    assert OVER in str(way_to_damage(*EITHER, without=DEVICE_FAULTS))
    for rule in EITHER:
        assert way_to_damage(rule, without=DEVICE_FAULTS) is None


def test_a_way_to_no_end_is_found() -> None:
    found = explore(
        0,
        lambda state: [('on', state + 1), ('fault', 9)] if state < 3 else [],
        breaks=lambda _: '',
        ends=lambda state: state in {3, 9},
        is_fault=lambda name: name == 'fault',
    )
    assert found.broken is None
    stuck = explore(
        0,
        lambda state: [('on', state + 1), ('fault', 9)] if state < 3 else [],
        breaks=lambda _: '',
        ends=lambda state: state == 9,
        is_fault=lambda name: name == 'fault',
    )
    assert str(stuck.broken) == 'broken: no end can be reached any more'


# --- the code is the model --------------------------------------------------------------------


class Walk:
    """Takes a real device through every move of the model, each at least once."""

    def __init__(self, moves: dict[Device, dict[str, Told]]) -> None:
        self.left = {(device, name) for device, told in moves.items() for name in told}
        self._moves = moves

    def tours(self) -> Iterator[list[Told]]:
        """Yield ways from the first state until every move has been on one of them."""
        while True:
            tour = self._tour()
            if not tour:
                return
            yield tour

    def _tour(self) -> list[Told]:
        device, tour = Device(), []
        while way := self._nearest(device):
            for told in way:
                self.left.discard((device, told.name))
                tour.append(told)
                device = told.after
        return tour

    def _nearest(self, device: Device) -> list[Told]:
        """Return the shortest way that ends with a move that is still left."""
        came_from: dict[Device, list[Told]] = {device: []}
        queue = deque([device])
        while queue:
            here = queue.popleft()
            for name, told in self._moves.get(here, {}).items():
                way = [*came_from[here], told]
                if (here, name) in self.left:
                    return way
                if told.after not in came_from:
                    came_from[told.after] = way
                    queue.append(told.after)
        return []


def walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """Have the real device do every move of the model; raise AssertionError where it differs."""
    model, _ = protocol()
    walk = Walk(model.device_moves)
    for number, tour in enumerate(walk.tours()):
        real = RealDevice(tmp_path / str(number), monkeypatch)
        done: list[str] = []
        for told in tour:
            done.append(told.name)
            real.move(told)
            way = '; '.join(done[-12:])
            assert real.seen(told.after) == told.after, way
            assert real.answers == ([] if told.answer is None else [told.answer]), way
        real.close()
    return walk


def test_real_server_and_journal_do_every_move_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = protocol()
    assert sum(map(len, model.device_moves.values())) > 1_000
    assert not walked(tmp_path, monkeypatch).left


def forget_refusal(_: Performer, running: RunningOperation, outcome: Outcome) -> Outcome:
    return outcome


def write_unsynced(journal: Journal, line: JsonObject) -> None:
    os.write(journal._file, (canonical_json(line) + '\n').encode())


def read_nothing(journal: Journal) -> None:
    os.fsync(journal._file)


@pytest.mark.parametrize(
    ('owner', 'name', 'mutant'),
    [
        (Journal, '_keep', write_unsynced),
        (Journal, '_load', read_nothing),
        (Performer, 'refuse', forget_refusal),
        (OperationServer, '_require_journal', lambda *_: None),
        (OperationServer, '_hold', lambda *_: None),
    ],
)
def test_code_that_is_not_the_model_is_found(
    owner: type, name: str, mutant: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, mutant)
    with pytest.raises(AssertionError, match='the device is started'):
        walked(tmp_path, monkeypatch)


# --- the orchestrator's code is the model -----------------------------------------------------


def deaths() -> list[Orchestrator]:
    """Return what an orchestrator that has died has on disk, in every way that there is."""
    _, found = protocol()
    return sorted({state.boss for state in found.states if not state.boss.up}, key=repr)


def compare(folder: Path) -> None:
    """Have the code take up after every death; raise AssertionError where it does otherwise."""
    for number, boss in enumerate(deaths()):
        for journal in (FIRST, ANOTHER):
            done = code_steps(boss, journal, folder / f'{number}_{journal}')
            assert done == model_steps(boss, journal), boss


def test_real_record_note_and_pursuits_take_up_as_the_model_after_every_death(
    tmp_path: Path,
) -> None:
    found = deaths()
    assert len(found) > 100
    assert any(boss.doing == LOOK and 'L' in boss.recorded for boss in found)
    compare(tmp_path)


@pytest.mark.parametrize(
    ('owner', 'name', 'mutant'),
    [
        (KnownJournals, 'of', lambda *_: 'journal 1'),
        (KnownJournals, 'of', lambda *_: ''),
        (KnownJournals, 'note', lambda *_: None),
        (RecordedCell, 'go_live', lambda *_, **__: None),
    ],
    ids=['what is commanded is sent', 'which is forgotten', 'nothing is noted', 'no goal is open'],
)
def test_code_that_takes_up_otherwise_is_found(
    owner: type, name: str, mutant: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, mutant)
    with pytest.raises(AssertionError, match='Orchestrator'):
        compare(tmp_path)
