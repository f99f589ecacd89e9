"""Before a batch begins every label in the cell is read, and held against the recipe's kit."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import (
    CONFIG,
    PATIENT,
    FakeCell,
    Rig,
    Script,
    Sink,
    answered,
    recipe_text,
)

from medicell_core import operations as ops
from medicell_core.containers import label_text
from medicell_core.entries import BatchClosed, Decision, Deviation
from medicell_core.errors import ErrorCode
from medicell_core.operations import Role
from medicell_core.states import PackMLState
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.recipe import load_recipe

MIX = '- {phase: stir, type: mix, container: apheresis, duration: 1 min}'
OTHER = 'MC-2'


def cid(name: str) -> str:
    return f'{PATIENT.chain_of_identity}.{name}'


def label(name: str, batch: str = PATIENT.chain_of_identity) -> str:
    return label_text(batch, cid(name))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    path = tmp_path / 'sample.yaml'
    path.write_text(recipe_text(MIX), encoding='utf-8')
    recipe = load_recipe(path)
    cell, sink = FakeCell(recipe), Sink()
    engine = BatchEngine(
        recipe=recipe, patient=PATIENT, cell=cell, record=sink, products=CONFIG / 'products'
    )
    engine.start()
    return Rig(recipe, cell, sink, engine)


def moved(rig: Rig) -> list[ops.Operation]:
    return [goal for goal in rig.cell.goals if not isinstance(goal, ops.ReadLabels)]


def refused(rig: Rig) -> str:
    """Tick, and return why the batch is Held before anything has moved."""
    rig.tick()
    assert rig.engine.question is not None
    assert rig.engine.question.choices == ['retry', 'abort']
    assert rig.engine.state is PackMLState.HELD
    assert moved(rig) == []
    (deviation,) = rig.sink.of(Deviation)
    assert not deviation.recovered
    return f'{ErrorCode(deviation.error_code).name} {deviation.description}'


def test_whole_kit_is_read_where_it_stands_before_anything_moves(rig: Rig) -> None:
    rig.tick()
    assert rig.engine.over
    read = [rig.cell.roles[goal.operation_id] for goal in rig.cell.goals[:5]]
    assert set(read) == set(Role) - {Role.PARTICLE_COUNTER}
    assert isinstance(rig.cell.goals[5], ops.Mix)
    decision = rig.sink.of(Decision)[0]
    assert (decision.choice, decision.reason) == ('yes', 'every label is there once')
    assert decision.inputs == {'labels': float(len(rig.recipe.kit(PATIENT)))}


@pytest.mark.parametrize(
    ('name', 'text', 'said'),
    [
        (
            'vial_3',
            label('vial_3', OTHER),
            'IDENTITY_MISMATCH ReadLabels: MC-1.vial_3 at the fill_robot: its label says '
            "'MC-1.vial_3' of 'MC-2'",
        ),
        (
            'tube_2',
            label('waste'),
            'WRONG_CONTAINER ReadLabels: MC-1.tube_2 at the laboratory: its label says '
            "'MC-1.waste' of 'MC-1'; 2 labels say MC-1.waste: MC-1.waste at the fluid_handler, "
            'MC-1.tube_2 at the laboratory',
        ),
        (
            'cartridge_07',
            '',
            'LABEL_UNREADABLE ReadLabels: MC-1.cartridge_07 at the imaging: its label cannot be '
            'read',
        ),
    ],
    ids=['foreign', 'duplicate', 'unreadable'],
)
def test_wrong_label_anywhere_in_the_cell_is_refused_by_name(
    rig: Rig, name: str, text: str, said: str
) -> None:
    rig.cell.relabelled[cid(name)] = text
    assert refused(rig) == said


def test_missing_container_is_refused_by_name(rig: Rig) -> None:
    rig.cell.standing[Role.FILL_ROBOT].remove(cid('vial_5'))
    assert refused(rig) == 'UNKNOWN_CONTAINER ReadLabels: MC-1.vial_5 is not at the fill_robot'


@pytest.mark.parametrize('role', [Role.INCUBATOR, Role.IMAGING])
def test_what_the_recipe_does_not_hang_is_refused_by_name(rig: Rig, role: Role) -> None:
    rig.cell.standing[role].append(f'{OTHER}.bag')
    rig.cell.relabelled[f'{OTHER}.bag'] = label_text(OTHER, f'{OTHER}.bag')
    assert refused(rig) == (
        f'IDENTITY_MISMATCH ReadLabels: the line is not clear: MC-2.bag is at the {role}, and its '
        "label says 'MC-2.bag' of 'MC-2'"
    )


def test_second_label_at_another_device_is_refused_with_both_places(rig: Rig) -> None:
    rig.cell.standing[Role.LABORATORY].append('MC-1.copy')
    rig.cell.relabelled['MC-1.copy'] = label('product')
    assert refused(rig).endswith(
        '2 labels say MC-1.product: MC-1.product at the fluid_handler, MC-1.copy at the laboratory'
    )


def test_all_that_is_wrong_is_named_at_once(rig: Rig) -> None:
    rig.cell.standing[Role.FILL_ROBOT].remove(cid('vial_5'))
    rig.cell.relabelled[cid('buffer')] = label('buffer', OTHER)
    said = refused(rig)
    assert 'MC-1.vial_5' in said
    assert 'MC-1.buffer' in said


def test_all_is_read_again_when_a_person_has_put_it_right(rig: Rig) -> None:
    rig.cell.relabelled[cid('medium_2')] = label('medium_2', OTHER)
    refused(rig)
    answered(rig, 'retry')
    assert moved(rig) == [], 'nothing was put right'
    rig.cell.relabelled.clear()
    answered(rig, 'retry')
    assert [type(goal) for goal in moved(rig)] == [ops.Mix]
    assert rig.engine.over


def test_batch_whose_line_is_not_clear_can_be_ended(rig: Rig) -> None:
    rig.cell.standing[Role.INCUBATOR].append(f'{OTHER}.vessel')
    rig.cell.relabelled[f'{OTHER}.vessel'] = ''
    assert 'its label cannot be read' in refused(rig)
    answered(rig, 'abort')
    assert rig.sink.of(BatchClosed)[0].outcome == 'aborted'
    assert moved(rig) == []


def test_label_that_is_read_the_second_time_holds_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.cell.relabelled[cid('cartridge_01')] = ''
    read = rig.cell._readlabels

    def wiped(goal: ops.ReadLabels) -> object:
        found = read(goal)
        if rig.cell.roles[goal.operation_id] is Role.IMAGING:
            rig.cell.relabelled.clear()
        return found

    monkeypatch.setattr(rig.cell, '_readlabels', wiped)
    rig.tick()
    assert rig.engine.over
    assert [item.choice for item in rig.sink.of(Decision)][:2] == ['no', 'yes']
    (deviation,) = rig.sink.of(Deviation)
    assert deviation.recovered
    assert deviation.error_code == ErrorCode.LABEL_UNREADABLE
    assert 'cartridge_01' in deviation.description


def test_device_that_cannot_read_is_asked_about_and_never_left_out(rig: Rig) -> None:
    rig.cell.scripts = [Script(ops.ReadLabels, ErrorCode.HARDWARE_FAULT)]
    assert 'HARDWARE_FAULT' in refused(rig)
    answered(rig, 'retry')
    assert len(rig.cell.sent(ops.ReadLabels)) == 6
    assert rig.engine.over
