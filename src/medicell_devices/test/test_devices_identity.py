"""No container is taken for another: both ends of every operation, and 100,000 mix-ups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from itertools import repeat

import numpy as np
import pytest

from medicell_core.containers import container_id, label_text
from medicell_core.errors import ErrorCode, MedicellError, OperationRefused
from medicell_core.operations import (
    OPERATIONS,
    Operation,
    ReadLabels,
    ReadLabelsResult,
    Role,
)
from medicell_devices.identity import MOST_PICTURES, IdentityCheck, Picture
from medicell_devices.simulated.label_camera import SimulatedLabelCamera
from medicell_devices.testing.bench import BATCH, OTHER_BATCH, Bench, cid, label_of
from medicell_devices.testing.goals import SETUPS, VALID, Setup, label, placed
from medicell_sim.labels import Sight, Wear, photograph, printed
from medicell_sim.port import LabelScene
from medicell_vision.labels import decode_label, label_squares

SAME_PATIENT = f'{BATCH}-2'
"""Another therapy of the same patient: its identifier is alike, and another one."""
NO_CONTAINER = {
    'operation_id',
    'batch_id',
    'bay',
    'from_bay',
    'to_bay',
    'image_set',
    'label_text',
    'modality',
    'mode',
    'station',
    'test',
}
"""Text fields of goals that name no container."""
IN_A_BAY = ('MoveToBay', 'SetClimate', 'Incubate', 'ExchangeMedium', 'MeasureProbes')
"""Operations on the vessel that stands in a bay, whichever it is."""
BESIDE = {
    Role.FLUID_HANDLER: 'full',
    Role.INCUBATOR: 'spare_vessel',
    Role.IMAGING: 'cartridge',
    Role.FILL_ROBOT: 'vial_02',
    Role.LABORATORY: 'tube',
}
"""What stands at a device too, and is in no valid goal."""

NAMED = [
    *((name, item) for name, row in OPERATIONS.items() for item in row.containers),
    *((name, 'vessel') for name in IN_A_BAY),
]
"""Every end of every operation."""


def named_by(operation: str, end: str) -> str:
    """Return the name of the container at an end of an operation's valid goal."""
    if end == 'vessel':
        return 'culture'
    given = VALID[OPERATIONS[operation].goal][end]
    return str(given).partition('.')[2]


def beside(operation: str) -> str:
    """Return the name of what stands at the device of an operation, and is not in its goal."""
    return 'culture' if operation == 'LoadBay' else BESIDE[OPERATIONS[operation].roles[0]]


def ready(bench: Bench, operation: str, role: Role) -> Operation:
    """Return an operation's valid goal in a cell that is set up for it."""
    if role is Role.INCUBATOR and operation != 'LoadBay':
        placed('spare_vessel', 'incubator/bay_3')(bench)
    SETUPS.get(operation, lambda _: None)(bench)
    row = OPERATIONS[operation]
    return bench.goal(row.goal, **VALID[row.goal])


MIX_UPS: dict[str, tuple[Callable[[str, str], Setup], ErrorCode]] = {
    'no label': (lambda name, _: label(name, ''), ErrorCode.LABEL_UNREADABLE),
    'another code': (lambda name, _: label(name, '=A99991234'), ErrorCode.LABEL_UNREADABLE),
    'another patient': (
        lambda name, _: label(name, label_of(name, OTHER_BATCH)),
        ErrorCode.IDENTITY_MISMATCH,
    ),
    'another therapy of the patient': (
        lambda name, _: label(name, label_text(SAME_PATIENT, cid(name))),
        ErrorCode.IDENTITY_MISMATCH,
    ),
    'another container': (
        lambda name, _: label(name, label_of('small_waste')),
        ErrorCode.WRONG_CONTAINER,
    ),
    'a second one beside it': (
        lambda name, other: label(other, label_of(name)),
        ErrorCode.IDENTITY_MISMATCH,
    ),
    "another patient's beside it": (
        lambda _, other: label(other, label_of(other, OTHER_BATCH)),
        ErrorCode.IDENTITY_MISMATCH,
    ),
}
"""What is wrong at one end or beside it, and the code that it is refused with."""


def test_every_field_that_names_a_container_is_one_whose_label_is_read() -> None:
    for row in OPERATIONS.values():
        texts = {item.name for item in fields(row.goal) if item.type in ('str', str)}
        assert texts - NO_CONTAINER == set(row.containers), row.name


def test_every_operation_in_a_bay_reads_the_label_of_the_vessel() -> None:
    in_bays = {name for name, row in OPERATIONS.items() if {'bay', 'from_bay'} & {*row.parameters}}
    assert in_bays - {'LoadBay'} == set(IN_A_BAY)


@pytest.mark.parametrize('mix_up', MIX_UPS)
@pytest.mark.parametrize(('operation', 'end'), NAMED)
def test_mix_up_at_any_end_is_refused_before_anything_moves(
    operation: str, end: str, mix_up: str
) -> None:
    role = OPERATIONS[operation].roles[0]
    with Bench(role) as bench:
        goal = ready(bench, operation, role)
        make, code = MIX_UPS[mix_up]
        bench.driver(role).reset()
        make(named_by(operation, end), beside(operation))(bench)
        before = bench.journal.unfinished()
        assert bench.refuses(goal, role) is code
        assert bench.journal.unfinished() == before


@pytest.mark.parametrize('role', OPERATIONS['ReadLabels'].roles)
def test_device_reads_all_that_stands_at_it_whatever_its_label_says(role: Role) -> None:
    name = BESIDE[role]
    with Bench(role) as bench:
        if role is Role.INCUBATOR:
            placed(name, 'incubator/bay_3')(bench)
        there = bench.world.standing(role)
        label(name, label_of('waste', OTHER_BATCH))(bench)
        first = bench.run(bench.goal(ReadLabels), role)
        label(name, '')(bench)
        second = bench.run(bench.goal(ReadLabels), role)
    assert isinstance(first, ReadLabelsResult)
    assert isinstance(second, ReadLabelsResult)
    assert first.containers == second.containers == there
    texts = dict(zip(first.containers, first.label_texts, strict=True))
    assert texts.pop(cid(name)) == label_of('waste', OTHER_BATCH)
    assert texts == {item: label_text(BATCH, item) for item in texts}
    assert dict(zip(second.containers, second.label_texts, strict=True))[cid(name)] == ''


def test_what_comes_while_labels_are_read_is_read_too() -> None:
    with Bench(Role.FLUID_HANDLER) as bench:
        bench.world.inject('line_not_clear', 'p')
        result = bench.run(bench.goal(ReadLabels))
    assert isinstance(result, ReadLabelsResult)
    assert result.containers[-1].startswith('OTHER-PATIENT')
    assert result.label_texts[-1].startswith('OTHER-PATIENT|')


def test_second_label_is_found_when_its_container_comes() -> None:
    with Bench(Role.FLUID_HANDLER) as bench:
        weigh = bench.goal(OPERATIONS['Weigh'].goal, container=cid('product'))
        placed('full', 'laboratory/shelf')(bench)
        label('full', label_of('product'))(bench)
        bench.run(weigh)
        placed('full', 'fluid_handler/port_20')(bench)
        again = bench.goal(OPERATIONS['Weigh'].goal, container=cid('product'))
        error = bench.fails(again)
    assert error.code is ErrorCode.IDENTITY_MISMATCH
    assert cid('full') in error.message


def test_label_is_read_in_another_picture_when_the_first_is_spoilt() -> None:
    squares = label_squares(label_of('product'))
    chance = np.random.default_rng(1)
    good = photograph(printed(squares, Wear(), chance), Sight(), chance)
    camera = _Pictures([np.zeros_like(good), good])
    assert IdentityCheck(camera).read(cid('product')) == label_of('product')
    blind = _Pictures(repeat(np.zeros_like(good)))
    with pytest.raises(OperationRefused, match=f'{MOST_PICTURES} pictures') as caught:
        IdentityCheck(blind).read(cid('product'))
    assert caught.value.code is ErrorCode.LABEL_UNREADABLE


def test_same_look_gives_the_same_picture_and_the_next_another() -> None:
    with Bench(Role.FLUID_HANDLER) as bench:
        first = bench.world.see_label(cid('product'))
        second = bench.world.see_label(cid('product'))
    pictures = [
        next(SimulatedLabelCamera(_Showing(scene), Role.FLUID_HANDLER).pictures('any'))  # type: ignore[arg-type]
        for scene in (first, first, second)
    ]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


class _Pictures:
    """A camera that gives the pictures it was given."""

    def __init__(self, pictures: Iterator[Picture] | list[Picture]) -> None:
        self._pictures = pictures

    def pictures(self, container: str) -> Iterator[Picture]:
        return iter(self._pictures)

    def standing(self) -> list[str]:
        return []


class _Showing:
    """A world in which one label is seen."""

    def __init__(self, scene: LabelScene) -> None:
        self._scene = scene

    def see_label(self, container: str) -> LabelScene:
        return self._scene


# --- 100,000 mix-ups, by text -----------------------------------------------------------------

CASES = 100_000
STEPS = 20
"""Operations in one cell, with somebody's hand in between."""
NAMES = ('apheresis', 'selected', 'culture', 'waste', 'medium_1', 'medium_2', 'vial_1', 'vial_11')
BATCHES = ('MC-1', 'MC-11', 'MC-1-2', 'MC-2')
"""The batch, one whose name begins alike, another of the same patient, another patient's."""
MINE = BATCHES[0]


@dataclass(slots=True)
class Body:
    """A container as it truly is, with what its label shows."""

    true: str
    shown: str
    seen: bool = True


@dataclass(slots=True)
class Places:
    """A device's places, each meant for one container, with what truly stands there."""

    bodies: dict[str, Body] = field(default_factory=dict)

    def pictures(self, container: str) -> Iterator[Picture]:
        raise AssertionError('labels are read as texts here')

    def standing(self) -> list[str]:
        return list(self.bodies)

    def is_right(self, place: str) -> bool:
        """Whether what is meant for a place stands there, and nothing speaks against it."""
        body = self.bodies[place]
        mine = label_text(MINE, place)
        others = [item for name, item in self.bodies.items() if name != place and item.seen]
        return (
            body.seen
            and body.true == mine
            and body.shown == mine
            and all(item.shown != mine for item in others)
            and not any(_chain_of(item.shown) not in (MINE, '') for item in others)
        )


def _chain_of(text: str) -> str:
    """Return whose a genuine label is; empty for a text that is no label."""
    parts = text.split('|')
    if len(parts) == 3 and label_text(parts[0], parts[1]) == text:
        return parts[0]
    return ''


class TextIdentity(IdentityCheck):
    """Reads the text of a label without a picture."""

    def __init__(self, places: Places) -> None:
        super().__init__(places)
        self._places = places

    def read(self, container: str) -> str:
        body = self._places.bodies[container]
        if not body.seen or not _chain_of(body.shown):
            raise OperationRefused(ErrorCode.LABEL_UNREADABLE, f'{container}: no label')
        return body.shown


def fresh_places() -> Places:
    places = [container_id(MINE, name) for name in NAMES]
    return Places({name: _body(label_text(MINE, name)) for name in places})


def _body(text: str) -> Body:
    return Body(true=text, shown=text)


MOVED, RELABELLED = (0, 2, 3, 5, 7), (1, 2, 3, 4, 5, 6, 7)
"""What may befall one cell: containers change places, or labels do.

Both together can undo each other: a container that is put into the place of another and bears the
other's own label cannot be told by any label. Labels that tear when taken off prevent it.
"""


def meddle(places: Places, kind: int, chance: np.random.Generator) -> None:
    """Do one of the things that people do to containers and labels."""
    names = list(places.bodies)
    one, other = (names[int(index)] for index in chance.choice(len(names), 2, replace=False))
    a, b = places.bodies[one], places.bodies[other]
    if kind == 0:
        places.bodies[one], places.bodies[other] = b, a
    elif kind == 1:
        a.shown, b.shown = b.shown, a.shown
    elif kind == 2:
        batch = str(chance.choice(BATCHES[1:]))
        name = str(chance.choice(NAMES))
        places.bodies[one] = _body(label_text(batch, container_id(batch, name)))
    elif kind == 3:
        a.seen = False
    elif kind == 4:
        b.shown = a.shown
    elif kind == 5:
        a.shown = _damaged(a.shown, chance)
    elif kind == 6:
        batch = str(chance.choice(BATCHES[1:]))
        a.shown = label_text(batch, one.replace(MINE, batch, 1))
    else:
        places.bodies[one] = _body(label_text(MINE, one))


def _damaged(text: str, chance: np.random.Generator) -> str:
    letters = list(text)
    for index in chance.integers(0, len(letters), int(chance.integers(1, 4))).tolist():
        letters[index] = 'ABCXYZ019|.-'[int(chance.integers(12))]
    return ''.join(letters[: int(chance.integers(1, len(letters) + 1))])


def test_none_of_100_000_mix_ups_is_accepted() -> None:
    chance = np.random.default_rng(20261123)
    accepted = refused = 0
    for _ in range(CASES // STEPS):
        places = fresh_places()
        check = TextIdentity(places)
        acts = MOVED if chance.random() < 0.5 else RELABELLED
        for _ in range(STEPS):
            if chance.random() < 0.2:
                meddle(places, int(chance.choice(acts)), chance)
                check.forget()
            place = container_id(MINE, NAMES[int(chance.integers(len(NAMES)))])
            try:
                check.require('container', place, batch_id=MINE)
            except OperationRefused:
                refused += 1
                assert not places.is_right(place), f'{place} is refused: {places}'
            else:
                accepted += 1
                assert places.is_right(place), f'{place} is accepted: {places}'
    assert accepted + refused == CASES
    assert min(accepted, refused) > CASES // 10


# --- the same through pictures ----------------------------------------------------------------

PICTURES = 2_000


@pytest.mark.slow
def test_no_label_is_read_wrong_however_badly_it_is_seen() -> None:
    chance = np.random.default_rng(7)
    read, codes = 0, set[ErrorCode]()
    for number in range(PICTURES):
        batch = BATCHES[number % len(BATCHES)]
        text = label_text(batch, container_id(batch, f'vial_{number % 24:02d}'))
        severity = chance.uniform(0.0, 1.0)
        seen = (chance.uniform(0.0, 1.0, 7) ** 2 * severity).tolist()
        wear = Wear(print_fault=seen[0], damage=seen[1])
        sight = Sight(tilt=seen[2], blur=seen[3], glare=seen[4], shade=seen[5], grain=seen[6])
        label_ = printed(label_squares(text), wear, chance, lines=(batch,))
        try:
            said = decode_label(photograph(label_, sight, chance))
        except MedicellError as error:
            codes.add(error.code)
            continue
        assert said == text
        read += 1
    assert codes == {ErrorCode.LABEL_UNREADABLE}
    assert PICTURES // 4 < read < PICTURES


def test_smeared_label_is_never_read() -> None:
    chance = np.random.default_rng(8)
    squares = label_squares(label_of('product'))
    drops = [printed(squares, Wear(smear=1.0), chance) for _ in range(50)]
    for drop in drops:
        with pytest.raises(MedicellError, match='no readable code') as caught:
            decode_label(photograph(drop, Sight(), chance))
        assert caught.value.code is ErrorCode.LABEL_UNREADABLE
