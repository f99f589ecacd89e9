"""Calls of the world whose request or answer is lost on the way: asked again, and done once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from medicell_interfaces.srv import CallWorld

from medicell_core.errors import ErrorCode, MedicellError
from medicell_devices.cell_config import CellConfig
from medicell_nodes.call_memory import CallMemory
from medicell_nodes.world_client import WorldClient
from medicell_nodes.world_node import WorldNode
from medicell_ros.host import NodeHost

from .conftest import BATCH, KIT, Probe

SILENT_S = 4.0
"""Wall seconds of a cut cable: longer than DDS needs to send a datagram again."""
VOLUME_ML = 40.0
PUMP = {
    'operation_id': 'a/b/c#1',
    'source': f'{BATCH}.medium',
    'target': f'{BATCH}.empty',
    'volume_ml': VOLUME_ML,
    'rate_ml_min': 50.0,
}


class LossyWorld(WorldNode):
    """A world whose answers can be lost, and that counts what it is asked and what it does."""

    def __init__(self, *, config: CellConfig, **arguments: Any) -> None:
        super().__init__(config=config, **arguments)
        self.asked: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.loses_request: Callable[[CallWorld.Request], bool] = lambda _: False
        self.loses_answer: Callable[[CallWorld.Request], bool] = lambda _: False

    async def _call(
        self, request: CallWorld.Request, reply: CallWorld.Response
    ) -> CallWorld.Response:
        self.asked[request.verb] += 1
        # What a service's callback raises is logged, and nothing is sent.
        if self.loses_request(request):
            raise ConnectionError('the request is lost')
        answer = await super()._call(request, reply)
        if self.loses_answer(request):
            raise ConnectionError('the answer is lost')
        return answer

    async def _perform(self, request: CallWorld.Request) -> str:
        self.done[request.verb] += 1
        return await super()._perform(request)


@pytest.fixture
def world(config: CellConfig) -> Iterator[LossyWorld]:
    node = LossyWorld(config=config)
    with NodeHost([node]):
        node.bring_up()
        node.world.load(BATCH, KIT, BATCH)
        yield node
        node.bring_down()


@pytest.fixture
def client(world: LossyWorld, config: CellConfig) -> Iterator[WorldClient]:
    with WorldClient('test', f'/{config.cell}', wait_s=3.0 * SILENT_S) as made:
        made.now_s()
        yield made


def first(world: LossyWorld, verb: str) -> Callable[[CallWorld.Request], bool]:
    """Return what says yes to the first request of a verb."""
    return lambda request: request.verb == verb and world.asked[verb] == 1


@pytest.mark.parametrize('lost', ['loses_request', 'loses_answer'])
def test_verb_is_done_once_though_its_first_request_or_answer_is_lost(
    world: LossyWorld, client: WorldClient, lost: str
) -> None:
    setattr(world, lost, first(world, 'pump'))
    assert client.pump(**PUMP).moved_ml == pytest.approx(VOLUME_ML, rel=0.1)
    assert world.asked['pump'] > 1
    assert world.done['pump'] == 1
    assert world.world.truth(f'{BATCH}.empty').volume_ml == pytest.approx(VOLUME_ML, rel=0.1)


@pytest.mark.parametrize('lost', ['loses_request', 'loses_answer'])
def test_turn_comes_though_the_first_request_or_answer_of_a_sleep_is_lost(
    world: LossyWorld, client: WorldClient, probe: Probe, lost: str
) -> None:
    setattr(world, lost, first(world, 'sleep'))
    probe.wait_for('owner')
    client.begin('owner')
    begun_s = client.now_s()
    client.sleep('owner', 3600.0)
    assert client.now_s() == pytest.approx(begun_s + 3600.0, abs=1e-3)
    client.end('owner')
    assert world.done['sleep'] == 1


def test_call_that_waits_is_told_that_it_is_under_way_and_outlasts_the_wait(
    world: LossyWorld, config: CellConfig, probe: Probe
) -> None:
    probe.wait_for('owner', 'another that never comes')
    with WorldClient('brief', f'/{config.cell}', wait_s=1.0) as brief:
        begun_s = time.monotonic()

        def until_waited(request: CallWorld.Request) -> bool:
            if request.verb == 'begin' and time.monotonic() - begun_s > 2.0:
                world.world.idle(2, ['owner'])
            return False

        probe.sequence = 2
        world.loses_request = until_waited
        brief.begin('owner')
        assert time.monotonic() - begun_s > 2.0
        brief.end('owner')
    assert world.done['begin'] == 1


def test_operation_outlasts_a_cut_of_some_seconds(world: LossyWorld, client: WorldClient) -> None:
    cut_s = time.monotonic()
    world.loses_answer = lambda _: time.monotonic() - cut_s < SILENT_S
    client.pump(**PUMP)
    assert time.monotonic() - cut_s > SILENT_S
    assert world.done['pump'] == 1


def test_verb_without_an_answer_ends_after_the_wait_which_is_logged_with_device_and_verb(
    world: LossyWorld, config: CellConfig, capfd: pytest.CaptureFixture[str]
) -> None:
    world.loses_answer = lambda _: True
    with WorldClient('imaging', f'/{config.cell}', wait_s=1.5) as client:
        begun_s = time.monotonic()
        with pytest.raises(MedicellError, match='pump') as caught:
            client.pump(**PUMP)
        assert time.monotonic() - begun_s > 1.5
    assert caught.value.code is ErrorCode.COMMUNICATION_LOST
    logged = [line for line in capfd.readouterr().err.splitlines() if 'LOST' in line]
    assert len(logged) == 1
    assert 'imaging: COMMUNICATION_LOST: pump:' in logged[0]
    assert 'asked for 1.5 s' in logged[0]
    assert world.done['pump'] == 1


def test_call_that_is_meant_for_another_world_is_not_done(world: LossyWorld, probe: Probe) -> None:
    request = CallWorld.Request(
        verb='end', arguments_json='{"owner": "owner"}', client='/probe', world=1
    )
    reply = probe.call(CallWorld, 'world/call', request)
    assert reply.error_code == ErrorCode.WORLD_CLOSED
    assert 'another world' in reply.error_msg
    assert world.done == {}


def test_late_call_of_an_older_client_is_refused_and_ends_nothing_of_the_newer_one(
    world: LossyWorld, client: WorldClient, config: CellConfig, probe: Probe
) -> None:
    probe.wait_for('owner')
    with WorldClient('test', f'/{config.cell}', wait_s=SILENT_S) as newer:
        newer.begin('owner')
        begun_s = newer.now_s()
        with pytest.raises(MedicellError, match='is newer') as caught:
            client.pump(**PUMP)
        assert caught.value.code is ErrorCode.INVALID_GOAL
        newer.sleep('owner', 3600.0)
        assert newer.now_s() == pytest.approx(begun_s + 3600.0, abs=1e-3)
        newer.end('owner')
    assert world.done['pump'] == 0


def test_newer_client_of_the_same_name_ends_what_the_older_one_had_begun(
    world: LossyWorld, client: WorldClient, config: CellConfig, probe: Probe
) -> None:
    probe.wait_for('owner')
    client.begin('owner')
    assert world._owners
    with WorldClient('test', f'/{config.cell}', wait_s=SILENT_S) as newer:
        newer.now_s()
        assert not world._owners


def test_memory_tells_the_answer_again_until_the_caller_has_it() -> None:
    memory, answer = CallMemory(), CallWorld.Response(result_json='{"value": 1}')
    assert memory.recall(4, 4) is None
    known = memory.recall(4, 4)
    assert known is not None
    assert known.under_way
    memory.keep(4, answer)
    assert memory.recall(5, 4) is None
    assert memory.recall(4, 4) is answer


def test_memory_refuses_a_call_that_the_caller_has_left_behind() -> None:
    memory = CallMemory()
    assert memory.recall(4, 4) is None
    assert memory.recall(6, 5) is None
    memory.keep(4, CallWorld.Response())
    late = memory.recall(4, 4)
    assert late is not None
    assert late.error_code == ErrorCode.INVALID_GOAL
    assert '4 is over' in late.error_msg


def test_memory_never_knows_a_call_without_a_number() -> None:
    memory = CallMemory()
    assert [memory.recall(0, 0) for _ in range(2)] == [None, None]
