"""Commands over real DDS to an orchestrator that asks for proofs: password to record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from medicell_interfaces.msg import CommandProof, DeviceState
from medicell_interfaces.srv import (
    AbortBatch,
    AnswerQuestion,
    GetChallenge,
    HoldBatch,
    ResumeBatch,
    StartBatch,
)
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from medicell_bringup.operator import OperatorClient
from medicell_core.entries import BatchStarted, Ordered
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_core.states import PackMLState
from medicell_devices.cell_config import load_cell
from medicell_nodes.compose import overrides
from medicell_orchestrator.node.node import OrchestratorNode
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.access.passwords import Credentials
from medicell_record.access.permissions import UserRole
from medicell_record.access.person_key import person_key
from medicell_record.anchor.place import cell_state
from medicell_record.place import RECORD_FILE
from medicell_record.record import BatchRecord
from medicell_record.verify import verify
from medicell_ros import qos
from medicell_ros.commands import command_of
from medicell_ros.conversion import time_to_message
from medicell_ros.host import NodeHost

from .conftest import ROOT, Probe, until
from .test_orchestrator_node import request

CELL = load_cell(ROOT / 'config' / 'cell.yaml')
ADMIN = Credentials(user_id='admin', password='an honest start')
PASSWORDS = {'olga': 'correct horse battery', 'sven': 'staple and something'}
ROLES = {'olga': UserRole.OPERATOR, 'sven': UserRole.SUPERVISOR}
COMMANDS = {
    'start_batch': StartBatch,
    'hold_batch': HoldBatch,
    'resume_batch': ResumeBatch,
    'abort_batch': AbortBatch,
    'answer_question': AnswerQuestion,
}


def made(probe: Probe, home: Path, *, proofs: bool) -> OrchestratorNode:
    return OrchestratorNode(
        config=ROOT / 'config',
        cell=CELL,
        software_version='test',
        namespace=probe.node.get_namespace(),
        parameter_overrides=overrides(
            use_sim_time=True, state_dir=str(home), proofs_required=proofs
        ),
    )


@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of cells' states with an operator and a supervisor."""
    home = tmp_path_factory.mktemp('state')
    path = cell_state(CELL.cell, home) / ACCOUNTS_FILE
    with Accounts.create(path, ADMIN, 'Ada Admin') as accounts:
        for user_id, password in PASSWORDS.items():
            first = Credentials(user_id=user_id, password='given by the admin')
            accounts.add(ADMIN, first, f'Person {user_id}', [ROLES[user_id]])
            accounts.change_password(first, password)
    return home


@pytest.fixture
def states(probe: Probe, home: Path) -> Iterator[list[DeviceState]]:
    """An orchestrator that asks for proofs, idle, by what it says of itself."""
    node = made(probe, home, proofs=True)
    heard = probe.heard(DeviceState, 'orchestrator/state')
    clock = probe.node.create_publisher(Clock, '/clock', qos.clock())
    with NodeHost([node]):
        node.bring_up()

        def idle() -> bool:
            clock.publish(Clock(clock=time_to_message(1.7e9)))
            return bool(heard) and heard[-1].state == PackMLState.IDLE

        until(idle, 'IDLE')
        yield heard
        node.bring_down()


@pytest.fixture
def clients(probe: Probe) -> Iterator[dict[str, OperatorClient]]:
    """The clients of an operator and a supervisor, each on a node of its own."""
    nodes = {user_id: Node(user_id, namespace=probe.node.get_namespace()) for user_id in ROLES}
    with NodeHost(list(nodes.values())):
        yield {user_id: OperatorClient(node) for user_id, node in nodes.items()}


def refused(client: OperatorClient, service: str, asked: Any) -> MedicellError:
    with pytest.raises(MedicellError) as caught:
        client.command(service, asked)
    return caught.value


def test_commands_of_people_are_proved_from_password_to_record(
    states: list[DeviceState],
    clients: dict[str, OperatorClient],
    probe: Probe,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No device is there to say that it has stopped.
    monkeypatch.setattr('medicell_orchestrator.engine.ending.STOP_S', 0.2)
    out = tmp_path / 'batch'
    olga, sven = clients['olga'], clients['sven']
    for user_id, client in clients.items():
        client.identify(user_id, lambda user_id=user_id: PASSWORDS[user_id])  # type: ignore[misc]
    olga.start(request(out, operator_name='olga'))
    until(lambda: states[-1].state != PackMLState.IDLE, 'the batch')
    sven.command('orchestrator/hold_batch', HoldBatch.Request(operator_name='sven', reason='me'))
    over = AbortBatch.Request(operator_name='olga', reason='over')
    assert refused(olga, 'orchestrator/abort_batch', over).code is ErrorCode.NOT_PERMITTED
    # In the name of another: the challenge is theirs, the key is not.
    over = AbortBatch.Request(operator_name='sven', reason='over')
    assert refused(olga, 'orchestrator/abort_batch', over).code is ErrorCode.WRONG_CREDENTIALS
    sven.abort('sven', 'end of the test')
    until(lambda: states[-1].state == PackMLState.IDLE, 'IDLE after the batch')
    with BatchRecord.open(out / RECORD_FILE, read_only=True) as record:
        (begun,) = record.entries(BatchStarted)
        orders = [item.entry for item in record.entries(Ordered)]
    assert begun.entry.proof.role == 'operator'  # type: ignore[attr-defined]
    assert [
        (item.order, item.operator, item.proof.printed_name)  # type: ignore[attr-defined]
        for item in orders
    ] == [('hold', 'sven', 'Person sven'), ('abort', 'sven', 'Person sven')]
    checked = verify(out / RECORD_FILE, home=home)
    assert checked.sound, checked.detail
    assert [told.split()[1] for told in checked.commands] == [
        'StartBatch',
        'HoldBatch',
        'AbortBatch',
    ]
    secrets = [item.encode() for item in PASSWORDS.values()]
    assert not any(item in (out / RECORD_FILE).read_bytes() for item in secrets)


def proved(probe: Probe, service: str, **fields: Any) -> Any:
    """Return a request with the proof of sven, made as another client would make it."""
    challenge = probe.settle(
        GetChallenge, 'orchestrator/get_challenge', GetChallenge.Request(user_id='sven')
    )
    asked = COMMANDS[service].Request(operator_name='sven', **fields)
    text = command_of(asked).text(challenge.nonce)
    signature = person_key(PASSWORDS['sven'], challenge.salt).sign(text)
    asked.proof = CommandProof(nonce=challenge.nonce, signature=signature)
    return asked


def test_each_service_refuses_what_is_not_proved_altered_or_replayed(
    states: list[DeviceState], probe: Probe, tmp_path: Path
) -> None:
    fields: dict[str, dict[str, Any]] = {
        'start_batch': {'recipe': 'short', 'patient_yaml': 'a: 1', 'out_dir': str(tmp_path)},
        'answer_question': {'question_id': 'Q-1', 'choice': 'retry', 'reason': 'seen'},
    }
    for service, kind in COMMANDS.items():
        given = fields.get(service, {'reason': 'why'})
        name = f'orchestrator/{service}'

        def code(asked: Any, kind: Any = kind, name: str = name) -> ErrorCode:
            return ErrorCode(probe.call(kind, name, asked).error_code)

        bare = kind.Request(operator_name='sven', **given)
        assert code(bare) is ErrorCode.PROOF_MISSING, service
        altered = proved(probe, service, **given)
        last = list(given)[-1]
        setattr(altered, last, getattr(altered, last) + 'x')
        assert code(altered) is ErrorCode.WRONG_CREDENTIALS, service
        right = proved(probe, service, **given)
        taken = code(right)
        # There is no batch to command, and the recipe is none: who it is was believed.
        assert taken in (ErrorCode.NO_BATCH, ErrorCode.RECIPE_INVALID), service
        assert code(right) is ErrorCode.PROOF_USED, service
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('reason', ['two\nlines', 'x' * 2001], ids=['lines', 'long'])
def test_reason_that_is_not_one_line_is_refused(
    states: list[DeviceState], probe: Probe, reason: str
) -> None:
    asked = HoldBatch.Request(operator_name='sven', reason=reason)
    reply = probe.call(HoldBatch, 'orchestrator/hold_batch', asked)
    assert reply.error_code == ErrorCode.INVALID_GOAL
    assert reply.error_msg.startswith('reason: ')


def test_cell_that_asks_for_proofs_is_not_configured_without_accounts(
    probe: Probe, tmp_path: Path
) -> None:
    node = made(probe, tmp_path, proofs=True)
    with NodeHost([node]), pytest.raises(InputError, match='users init'):
        node.bring_up()


def test_cell_that_takes_names_says_so_and_refuses_a_proof(probe: Probe, home: Path) -> None:
    node = made(probe, home, proofs=False)
    with NodeHost([node]):
        node.bring_up()
        challenge = probe.settle(
            GetChallenge, 'orchestrator/get_challenge', GetChallenge.Request(user_id='sven')
        )
        assert challenge.error_code == ErrorCode.OK
        assert not challenge.proof_required
        assert not challenge.nonce
        asked = HoldBatch.Request(operator_name='sven', reason='why')
        by_name = probe.call(HoldBatch, 'orchestrator/hold_batch', asked)
        assert by_name.error_code == ErrorCode.NO_BATCH
        asked.proof = CommandProof(nonce='00', signature='AAAA')
        reply = probe.call(HoldBatch, 'orchestrator/hold_batch', asked)
        assert reply.error_code == ErrorCode.PROOF_UNKNOWN
        node.bring_down()
