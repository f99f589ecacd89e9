"""The operator's client: it follows its own batch, and joins no cell that has had one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from medicell_interfaces.msg import BatchState, DeviceState
from medicell_interfaces.srv import AbortBatch, StartBatch
from rclpy.publisher import Publisher
from rich.console import Console
from std_msgs.msg import String

from medicell_bringup import operator
from medicell_bringup.display import Display
from medicell_bringup.hosting.running_cell import RunningCell
from medicell_bringup.inputs import RunInputs, read_inputs
from medicell_bringup.making import follow_batch
from medicell_bringup.operator import OperatorClient
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_core.serialise import dumps
from medicell_core.states import PackMLState
from medicell_orchestrator.scenario import FaultAt
from medicell_record.motion import JointPeak, Motion, PhysicsFigures, Simulator, VialPlaced
from medicell_ros import qos
from medicell_ros.node_parameters import DEVICES, ORCHESTRATOR

from .conftest import ROOT, WAIT_S, Probe, until

DATA = ROOT / 'tests' / 'system' / 'data'


@pytest.fixture
def told(probe: Probe) -> Publisher:
    """The orchestrator's word on its batch, said by the probe."""
    return probe.node.create_publisher(BatchState, 'orchestrator/batch', qos.latched())


@pytest.fixture
def client(probe: Probe) -> Iterator[OperatorClient]:
    made = OperatorClient(probe.node)
    yield made
    made.close()


@pytest.fixture
def inputs(probe: Probe, tmp_path: Path) -> RunInputs:
    return read_inputs(
        config=ROOT / 'config',
        recipe=str(DATA / 'short.yaml'),
        patient=DATA / 'patient.yaml',
        seed=1,
        out=tmp_path / 'out',
        speed='max',
        inject=[],
        namespace=probe.node.get_namespace(),
    )


def test_outcome_of_another_batch_ends_nothing(client: OperatorClient, told: Publisher) -> None:
    told.publish(BatchState(batch_id='B-1', outcome='aborted'))
    until(client.batch, 'the batch of before')
    begun = threading.Timer(0.3, told.publish, [BatchState(batch_id='B-2')])
    ended = threading.Timer(
        0.6, told.publish, [BatchState(batch_id='B-2', outcome='ready_for_release')]
    )
    shown: list[BatchState] = []
    for timer in (begun, ended):
        timer.start()
    state = client.follow('B-2', shown.append, alive=lambda: None, limit_s=WAIT_S)
    assert (state.batch_id, state.outcome) == ('B-2', 'ready_for_release')
    assert {item.batch_id for item in shown} == {'B-2'}


def test_batch_is_followed_for_as_long_as_it_goes_on(
    client: OperatorClient, told: Publisher
) -> None:
    told.publish(BatchState(batch_id='B-2', phase='phase 0'))
    until(client.batch, 'the batch')
    last = BatchState(batch_id='B-2', outcome='ready_for_release')
    going_on = [BatchState(batch_id='B-2', phase=f'phase {place}') for place in range(1, 5)]
    timers = [
        threading.Timer(0.5 * place, told.publish, [state])
        for place, state in enumerate([*going_on, last], 1)
    ]
    for timer in timers:
        timer.start()
    state = client.follow('B-2', lambda _: None, alive=lambda: None, limit_s=2.0)
    assert state.outcome == 'ready_for_release'
    with pytest.raises(MedicellError, match=r'nothing new of batch B-3 for 0\.5 s'):
        client.follow('B-3', lambda _: None, alive=lambda: None, limit_s=0.5)


def motion(lost: str, physics_s: float) -> Motion:
    """Return what a physics that has run for a while would tell."""
    return Motion(
        simulator=Simulator.GAZEBO,
        version='11.1',
        physics=PhysicsFigures(
            joints=(JointPeak(joint='joint_1', error_rad=1e-3, at_s=1.0, near='fill'),),
            placed=1,
            worst=VialPlaced(vial='vial_1', station='fill', off_m=1e-4, tilt_deg=0.1),
            worst_on_the_way=None,
            contacts={'standing': 2},
            unintended=(),
            air_samples=0,
            air_breaches=0,
            air_gap_m=0.0,
            air_first='',
            physics_s=physics_s,
            real_time_factor=1.0,
            lost=lost,
        ),
    )


def test_motion_is_what_the_physics_has_told_until_it_was_lost(
    client: OperatorClient, probe: Probe
) -> None:
    assert client.motion() is None
    publisher = probe.node.create_publisher(String, 'gazebo/motion', qos.latched())
    publisher.publish(String(data=dumps(motion('', 1.0))))
    until(lambda: client.motion() == motion('', 1.0), 'the first figures')
    publisher.publish(String(data=dumps(motion('it has ended with -9', 2.0))))
    until(lambda: client.motion() == motion('it has ended with -9', 2.0), 'its end')
    client._on_motion(String(data=dumps(motion('', 3.0))))
    assert client.motion() == motion('it has ended with -9', 2.0), 'another world is not all of it'


@pytest.mark.parametrize(
    ('outcome', 'code', 'text'),
    [
        ('aborted', ErrorCode.STATION_OCCUPIED, r'kit of batch B-1 \(aborted\) .* start a new'),
        ('', ErrorCode.BATCH_RUNNING, 'batch B-1 has not ended'),
    ],
    ids=['over', 'running'],
)
def test_cell_that_has_had_a_batch_is_not_joined(
    told: Publisher,
    inputs: RunInputs,
    monkeypatch: pytest.MonkeyPatch,
    outcome: str,
    code: ErrorCode,
    text: str,
) -> None:
    # The test's own ROS context stays, and serves this client too.
    monkeypatch.setattr(RunningCell, 'open_context', lambda _: None)
    told.publish(BatchState(batch_id='B-1', outcome=outcome))
    with pytest.raises(MedicellError, match=text) as caught, RunningCell(inputs):
        pass
    assert caught.value.code is code


@pytest.fixture
def hardware(
    told: Publisher, probe: Probe, inputs: RunInputs, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningCell]:
    """A cell without a world, joined: every device and the orchestrator say that they are idle."""
    monkeypatch.setattr(RunningCell, 'open_context', lambda _: None)
    told.publish(BatchState())
    for name in (*DEVICES, ORCHESTRATOR):
        state = probe.node.create_publisher(DeviceState, f'{name}/state', qos.latched())
        state.publish(DeviceState(role=name, state=int(PackMLState.IDLE)))
    with RunningCell(inputs) as joined:
        yield joined


def test_cell_without_a_world_is_joined_and_its_batch_begun_without_a_kit(
    hardware: RunningCell, probe: Probe, told: Publisher, inputs: RunInputs
) -> None:
    def start(request: StartBatch.Request, reply: StartBatch.Response) -> StartBatch.Response:
        reply.batch_id = f'{request.recipe}-1'
        told.publish(BatchState(batch_id=reply.batch_id, outcome='ready_for_release'))
        return reply

    assert not hardware.has_world
    probe.node.create_service(StartBatch, 'orchestrator/start_batch', start)
    with Display(Console(quiet=True), 'batch') as display:
        state = follow_batch(inputs, hardware, display)
    assert (state.batch_id, state.outcome) == ('short-1', 'ready_for_release')


OURS, OTHERS = 'ours', 'other'


@pytest.mark.parametrize('running', [OURS, OTHERS])
@pytest.mark.parametrize('end', [KeyboardInterrupt, MedicellError], ids=['interrupt', 'timeout'])
def test_start_that_is_given_up_leaves_no_batch_of_ours_and_touches_no_other(
    hardware: RunningCell,
    probe: Probe,
    told: Publisher,
    inputs: RunInputs,
    monkeypatch: pytest.MonkeyPatch,
    end: type[BaseException],
    running: str,
) -> None:
    ours = inputs.patient.chain_of_identity
    batch_id = ours if running == OURS else 'B-1'
    given_up = threading.Event()
    withdraw = OperatorClient.withdraw
    aborted: list[str] = []

    def withdrawn(*arguments: Any) -> bool:
        given_up.set()
        return withdraw(*arguments)

    def start(_: StartBatch.Request, reply: StartBatch.Response) -> StartBatch.Response:
        if end is KeyboardInterrupt:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        given_up.wait(WAIT_S)
        told.publish(BatchState(batch_id=batch_id))
        reply.batch_id = batch_id
        reply.error_code = int(ErrorCode.OK if running == OURS else ErrorCode.BATCH_RUNNING)
        return reply

    def abort(request: AbortBatch.Request, reply: AbortBatch.Response) -> AbortBatch.Response:
        aborted.append(request.reason)
        told.publish(BatchState(batch_id=batch_id, outcome='aborted'))
        return reply

    monkeypatch.setattr(OperatorClient, 'withdraw', withdrawn)
    monkeypatch.setattr(operator, 'ANSWER_S', 3.0)
    probe.node.create_service(StartBatch, 'orchestrator/start_batch', start)
    probe.node.create_service(AbortBatch, 'orchestrator/abort_batch', abort)
    with Display(Console(quiet=True), 'batch') as display:
        if end is KeyboardInterrupt and running == OURS:
            assert follow_batch(inputs, hardware, display).outcome == 'aborted'
        else:
            with pytest.raises(end):
                follow_batch(inputs, hardware, display)
    assert len(aborted) == (1 if running == OURS else 0)


def test_fault_cannot_be_armed_in_a_cell_without_a_world(
    hardware: RunningCell, inputs: RunInputs
) -> None:
    armed = replace(inputs, injections=(FaultAt(fault='occlusion', phase='select'),))
    with (
        Display(Console(quiet=True), 'batch') as display,
        pytest.raises(InputError, match=r'--inject.*simulated'),
    ):
        follow_batch(armed, hardware, display)


def test_cell_that_is_not_there_is_told_with_the_options_that_name_it(
    inputs: RunInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunningCell, 'open_context', lambda _: None)
    monkeypatch.setattr('medicell_bringup.hosting.host.START_S', 0.5)
    elsewhere = replace(inputs, namespace='/elsewhere')
    text = r'orchestrator.* in /elsewhere, .*--config FILE.*--namespace NAME'
    with pytest.raises(MedicellError, match=text) as caught, RunningCell(elsewhere):
        pass
    assert caught.value.code is ErrorCode.TIMEOUT
