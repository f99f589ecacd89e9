"""A whole cell over ROS that fills vials: bad air while product stands open in one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from medicell_interfaces.msg import BatchState, DeviceState
from medicell_interfaces.srv import AnswerQuestion, StartBatch

from medicell_core.entries import Answer, Command, Completed, Deviation, Entry, VialFilled
from medicell_core.errors import ErrorCode
from medicell_core.states import PackMLState
from medicell_devices.cell_config import CellConfig
from medicell_nodes.compose import activate_all, build_nodes, deactivate_all, overrides
from medicell_orchestrator.node.node import OrchestratorNode
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import load_recipe
from medicell_record.place import RECORD_FILE
from medicell_record.record import BatchRecord
from medicell_ros.host import NodeHost
from medicell_sim.port import PumpReading
from medicell_sim.world import World

from .conftest import ROOT, Probe, until

DATA = ROOT / 'tests' / 'system' / 'data'
BATCH_S = 60.0
VIAL = 'MC-TEST-0001.vial_1'


@pytest.fixture
def world(config: CellConfig, probe: Probe, tmp_path: Path) -> Iterator[World]:
    """The world of a cell whose every node is active, in leaps; time stands at a question."""
    nodes: list[Any] = [
        *build_nodes(
            config, seed=1, rest_pace=0.0, journal_dir=str(tmp_path), telemetry_period_s=3600.0
        ),
        OrchestratorNode(
            config=ROOT / 'config',
            cell=config,
            software_version='test',
            one_process=True,
            namespace=probe.node.get_namespace(),
            parameter_overrides=overrides(use_sim_time=True),
        ),
    ]
    with NodeHost(nodes):
        activate_all(nodes)
        yield nodes[0].world
        deactivate_all(nodes)


def recorded(folder: Path, kind: type[Entry]) -> list[Any]:
    with BatchRecord.open(folder / RECORD_FILE, read_only=True) as record:
        return [item.entry for item in record.entries(kind)]


def held(states: list[BatchState], but: str) -> BatchState:
    """Wait for a question other than one, or the batch's end; return that state."""

    def there() -> bool:
        newest = states[-1] if states else BatchState()
        asks = newest.state == PackMLState.HELD and newest.question_id not in {'', but}
        return bool(newest.outcome) or asks

    until(there, 'a question or the end', BATCH_S)
    return states[-1]


def answer(probe: Probe, asked: BatchState) -> None:
    reply = probe.call(
        AnswerQuestion,
        'orchestrator/answer_question',
        AnswerQuestion.Request(
            question_id=asked.question_id,
            choice='retry',
            operator_name='ada',
            reason='filter changed',
        ),
    )
    assert (reply.error_code, reply.error_msg) == (ErrorCode.OK, '')


def test_bad_air_in_a_fill_holds_covers_and_rejects_the_vial_and_goes_on_after_an_answer(
    world: World, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe_file, out = tmp_path / 'short.yaml', tmp_path / 'batch'
    text = (DATA / 'short.yaml').read_text('utf-8')
    recipe_file.write_text(text.replace('vials: vial,', 'vials: vial, air_count: 30 s,'), 'utf-8')
    recipe, patient = load_recipe(recipe_file), load_patient(DATA / 'patient.yaml')
    world.load(patient.chain_of_identity, recipe.kit(patient), patient.apheresis_label)
    dispense, struck = world.dispense, list[str]()

    def dispensed(**stroke: Any) -> PumpReading:
        if not struck:
            struck.append(stroke['vial'])
            world.inject('particle_excursion', 'fill')
        return dispense(**stroke)

    monkeypatch.setattr(world, 'dispense', dispensed)
    states = probe.heard(BatchState, 'orchestrator/batch')
    ready = probe.heard(DeviceState, 'orchestrator/state')
    until(lambda: ready and ready[-1].state == PackMLState.IDLE, 'an orchestrator that is IDLE')
    started = probe.call(
        StartBatch,
        'orchestrator/start_batch',
        StartBatch.Request(
            recipe=recipe.name,
            recipe_yaml=recipe_file.read_text('utf-8'),
            patient_yaml=(DATA / 'patient.yaml').read_text('utf-8'),
            out_dir=str(out),
            operator_name='test',
        ),
    )
    assert (started.error_code, started.error_msg) == (ErrorCode.OK, '')
    asked = held(states, '')
    assert struck == [VIAL]
    assert 'open with product: vial_1 (covered)' in asked.question_text
    assert world.look(VIAL).stoppered
    begun_ml = world.truth(VIAL).volume_ml
    assert begun_ml > 0.1
    while not states[-1].outcome:
        answer(probe, asked)
        last, asked = asked, held(states, asked.question_id)
    assert 'clean for the last 180 s' in last.question_text
    assert states[-1].outcome == 'ready_for_release'
    deviations = recorded(out, Deviation)
    assert {item.error_code for item in deviations} == {int(ErrorCode.PARTICLE_EXCURSION)}
    assert all('open with product: vial_1 (covered)' in item.description for item in deviations)
    answers = [(item.choice, item.reason) for item in recorded(out, Answer)]
    assert set(answers) == {('retry', 'filter changed')}
    first, *others = recorded(out, VialFilled)
    assert (first.vial, first.accepted) == (VIAL, False)
    assert 'stood open in bad air' in first.reason
    assert first.volume_ml == pytest.approx(world.truth(VIAL).volume_ml, abs=0.02)
    assert world.truth(VIAL).volume_ml == pytest.approx(begun_ml)
    assert all(item.accepted for item in others)
    assert [item.for_laboratory for item in others] == [False, False, True]
    cancelled = [
        item
        for item in recorded(out, Completed)
        if item.error_code == int(ErrorCode.CANCELLED) and 'added_ml' in item.result
    ]
    assert len(cancelled) == 1
    stoppered = [item for item in recorded(out, Command) if item.operation == 'StopperVial']
    assert [item.goal['vial'] for item in stoppered] == [VIAL]
