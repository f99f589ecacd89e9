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
from medicell_record.canonical import canonical_json
from medicell_record.journal import Journal, JsonObject

from .checker import Explored, explore
from .device_model import Device, Rules, Told
from .once_only_model import Model, State, is_fault, start
from .real_device import RealDevice

MUTANTS = {
    'finish_after_effect': 'recorded as done, and 0 of 2 strokes are made',
    'sync_start': 'is recorded as refused and was begun',
    'sync_finish': 'was told F, and no disk knows it',
    'sync_read': 'and no disk knows it',
    'sync_folder': 'a power cut may lose its journal',
    'read_journal': 'and no disk knows it',
    'hold_unknown': 'knows of an unknown outcome and is not Held',
    'keep_refusals': 'was told R, and no disk knows it',
    'goal_names_journal': 'is recorded as refused and was begun',
    'first_journal': 'is recorded as refused and was begun',
    'settle_given_up': '3 strokes are made of 2',
    'look_after_unknown': '3 strokes are made of 2',
    'suppose_done': 'recorded as done, and 0 of 2 strokes are made',
    'fresh_ids': 'recorded as done, and 0 of 2 strokes are made',
}
"""What is found when one rule of the protocol is broken."""


OVERDONE = (
    'sync_start',
    'read_journal',
    'keep_refusals',
    'goal_names_journal',
    'first_journal',
    'settle_given_up',
    'look_after_unknown',
)
"""The rules without which more is moved than was intended."""


def broken(rule: str) -> Rules:
    """Return the protocol with one rule broken."""
    return Rules()._replace(**{rule: not getattr(Rules(), rule)})


def checked(rules: Rules) -> tuple[Model, Explored[State]]:
    model = Model(rules)
    found = explore(
        start(rules), model.moves, breaks=model.breaks, ends=model.ends, is_fault=is_fault
    )
    return model, found


@lru_cache(maxsize=1)
def protocol() -> tuple[Model, Explored[State]]:
    """The protocol as it is, explored once."""
    return checked(Rules())


def test_every_reachable_state_is_sound_and_can_end() -> None:
    _, found = protocol()
    assert found.broken is None, str(found.broken)
    assert len(found.came_from) > 10_000


def test_every_rule_has_a_mutant() -> None:
    assert set(MUTANTS) == set(Rules._fields)


@pytest.mark.parametrize('rule', MUTANTS)
def test_a_broken_rule_is_found_with_the_way_to_it(rule: str) -> None:
    _, found = checked(broken(rule))
    assert found.broken is not None
    assert MUTANTS[rule] in str(found.broken)
    assert found.broken.trace[0] == 'the device is started'
    print(found.broken)


@pytest.mark.parametrize('rule', OVERDONE)
def test_a_way_to_a_second_effect_is_found(rule: str) -> None:
    model = Model(broken(rule))
    found = explore(
        start(model.rules), model.moves, breaks=model.overdone, ends=model.ends, is_fault=is_fault
    )
    assert found.broken is not None
    assert found.broken.what == '3 strokes are made of 2 that were wanted'
    print(found.broken)


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
        (Journal, '_write', write_unsynced),
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
