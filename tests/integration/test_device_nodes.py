"""Devices as a client sees them: actions, topics, stop and clear, over DDS."""

from __future__ import annotations

import itertools
import socket
import threading
from functools import partial
from importlib.metadata import version
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from medicell_interfaces.action import (
    Incubate,
    LoadBay,
    MoveContainer,
    SetClimate,
    Transfer,
    Weigh,
)
from medicell_interfaces.msg import DeviceState, IncubatorTelemetry, StopRequest
from medicell_interfaces.srv import ClearDevice
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from medicell_core.containers import ContainerKind, Material
from medicell_core.errors import ErrorCode
from medicell_core.operations import OPERATIONS, Role
from medicell_core.serving import UsedFile
from medicell_core.states import PackMLState
from medicell_devices.arm.port import GRIPPER, GRIPPER_OPEN_M
from medicell_devices.cell_config import CellConfig
from medicell_motion.arm import JOINT_NAMES
from medicell_nodes.readings import MESSAGES
from medicell_record.journal import mark_of
from medicell_ros import qos
from medicell_ros.conversion import action_type, from_message

from .conftest import BATCH, ROOT, Probe, until

TRANSFER = {
    'source': f'{BATCH}.medium',
    'target': f'{BATCH}.empty',
    'volume_ml': 50.0,
    'rate_ml_min': 50.0,
}


def test_state_tells_by_which_driver_file_and_host_a_role_is_served(
    cell: dict[str, Any], probe: Probe
) -> None:
    states = probe.heard(DeviceState, 'imaging/state')
    until(lambda: states, 'the state')
    served = states[-1].serving
    assert (served.node, served.driver, served.simulated) == ('imaging', 'simulated', True)
    assert (served.package, served.version) == ('medicell_devices', version('medicell_devices'))
    assert served.host == socket.gethostname()
    shipped = UsedFile.of('cell.yaml', (ROOT / 'config' / 'cell.yaml').read_bytes())
    assert [from_message(UsedFile, item) for item in served.files] == [shipped]


def test_transfer_moves_the_volume_and_reports_progress(
    cell: dict[str, Any], probe: Probe
) -> None:
    goal = probe.send(Transfer, 'fluid_handler/transfer', **TRANSFER)
    probe.wait_for(goal.operation_id)
    answer = goal.result()
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert answer.result.error_code == ErrorCode.OK
    assert answer.result.volume_ml == pytest.approx(50.0, rel=0.05)
    assert answer.result.finished_at != Time()
    assert goal.feedback[-1].fraction_done > 0.0
    assert cell['world'].world.truth(f'{BATCH}.empty').volume_ml == pytest.approx(50.0, rel=0.05)


def test_goal_sent_twice_returns_the_recorded_result_and_moves_nothing(
    cell: dict[str, Any], probe: Probe
) -> None:
    once = probe.perform(Transfer, 'fluid_handler/transfer', operation_id='a/b/c/d#1', **TRANSFER)
    moved = cell['world'].world.truth(f'{BATCH}.empty').volume_ml
    again = probe.perform(Transfer, 'fluid_handler/transfer', operation_id='a/b/c/d#1', **TRANSFER)
    assert again.result == once.result
    assert cell['world'].world.truth(f'{BATCH}.empty').volume_ml == moved


def test_goal_for_another_journal_is_of_unknown_outcome_and_moves_nothing(
    cell: dict[str, Any], probe: Probe
) -> None:
    states = probe.heard(DeviceState, 'fluid_handler/state', qos.latched())
    until(lambda: states and states[-1].journal, 'the journal')
    before = cell['world'].world.truth(f'{BATCH}.empty').volume_ml
    answer = probe.perform(Transfer, 'fluid_handler/transfer', mark=mark_of('another'), **TRANSFER)
    assert answer.result.error_code == ErrorCode.OUTCOME_UNKNOWN
    assert 'sent for another journal' in answer.result.error_msg
    assert cell['world'].world.truth(f'{BATCH}.empty').volume_ml == before
    mine = mark_of(states[-1].journal)
    answer = probe.perform(Transfer, 'fluid_handler/transfer', mark=mine, **TRANSFER)
    assert answer.result.error_code == ErrorCode.OK, answer.result.error_msg


def test_goal_that_was_cancelled_before_it_was_sent_uses_its_id_up_and_moves_nothing(
    cell: dict[str, Any], probe: Probe
) -> None:
    before = cell['world'].world.truth(f'{BATCH}.empty').volume_ml
    words = {'operation_id': f'{BATCH}/test/op/unwanted#1', **TRANSFER}
    for cancelled in (True, False):
        answer = probe.perform(Transfer, 'fluid_handler/transfer', cancelled=cancelled, **words)
        assert answer.result.error_code == ErrorCode.CANCELLED
    assert cell['world'].world.truth(f'{BATCH}.empty').volume_ml == before


@pytest.mark.parametrize(
    ('changed', 'code'),
    [
        ({'volume_ml': -1.0}, ErrorCode.INVALID_GOAL),
        ({'target': f'{BATCH}.small'}, ErrorCode.OVERFLOW),
        ({'source': f'{BATCH}.nothing'}, ErrorCode.UNKNOWN_CONTAINER),
        ({'batch_id': 'SOMEONE-ELSE'}, ErrorCode.IDENTITY_MISMATCH),
    ],
)
def test_refused_goal_aborts_with_code_and_text(
    cell: dict[str, Any], probe: Probe, changed: dict[str, Any], code: ErrorCode
) -> None:
    answer = probe.perform(Transfer, 'fluid_handler/transfer', **{**TRANSFER, **changed})
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.error_code == code, answer.result.error_msg
    assert answer.result.error_msg


def test_every_action_of_the_table_is_served_under_its_role(
    cell: dict[str, Any], probe: Probe, config: CellConfig
) -> None:
    due = {
        f'/{config.cell}/{role}/{row.verb}/_action/send_goal': f'medicell_interfaces/action/{name}'
        for name, row in OPERATIONS.items()
        for role in row.roles
    }
    found: dict[str, list[str]] = {}
    for role in Role:
        found.update(cell[role.value].get_service_names_and_types())
    missing = {name for name in due if name not in found}
    assert not missing
    assert all(found[name] == [f'{kind}_SendGoal'] for name, kind in due.items())


def test_cancel_ends_an_operation_within_a_step(cell: dict[str, Any], probe: Probe) -> None:
    _load_vessel(cell, probe)
    goal = probe.send(Incubate, 'incubator/incubate', **INCUBATE)
    until(lambda: cell['incubator']._server.status().operation, 'the operation to run')
    goal.cancel()
    probe.wait_for(goal.operation_id)
    answer = goal.result()
    assert answer.status == GoalStatus.STATUS_CANCELED
    assert answer.result.error_code == ErrorCode.CANCELLED


def test_stop_topic_halts_every_device_until_cleared(cell: dict[str, Any], probe: Probe) -> None:
    states = {role: probe.heard(DeviceState, f'{role}/state') for role in Role}
    stop = probe.node.create_publisher(StopRequest, 'stop', qos.events())
    until(lambda: stop.get_subscription_count() == len(Role), 'every device on the stop topic')
    stop.publish(StopRequest(source='test', reason='hand in the cell'))
    for role in Role:
        until(partial(_is_in, states[role], PackMLState.STOPPED), role)
        assert 'hand in the cell' in states[role][-1].fault_text
    refused = probe.perform(Transfer, 'fluid_handler/transfer', **TRANSFER)
    assert refused.result.error_code == ErrorCode.STOPPED
    reply = probe.call(ClearDevice, 'fluid_handler/clear', ClearDevice.Request())
    assert reply.error_code == ErrorCode.OK, reply.error_msg
    done = probe.perform(Transfer, 'fluid_handler/transfer', **TRANSFER)
    assert done.result.error_code == ErrorCode.OK, done.result.error_msg


def test_stop_ends_a_running_operation(cell: dict[str, Any], probe: Probe) -> None:
    _load_vessel(cell, probe)
    stop = probe.node.create_publisher(StopRequest, 'stop', qos.events())
    until(lambda: stop.get_subscription_count() == len(Role), 'every device on the stop topic')
    goal = probe.send(Incubate, 'incubator/incubate', **INCUBATE)
    until(lambda: cell['incubator']._server.status().operation, 'the operation to run')
    stop.publish(StopRequest(source='test', reason='fire'))
    until(lambda: cell['incubator']._server.status().fault_code == ErrorCode.STOPPED, 'the stop')
    probe.wait_for(goal.operation_id)
    answer = goal.result()
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.error_code == ErrorCode.STOPPED


def test_state_is_latched_for_a_late_subscriber(cell: dict[str, Any], probe: Probe) -> None:
    states = probe.heard(DeviceState, 'laboratory/state')
    first = until(lambda: states and states[0], 'the latched state')
    assert first.role == 'laboratory'
    assert first.state == PackMLState.IDLE
    assert first.stamp.sec > 0
    assert first.sequence > 0


def test_telemetry_and_diagnostics_come_with_simulated_time(
    cell: dict[str, Any], probe: Probe, config: CellConfig
) -> None:
    heard = probe.heard(IncubatorTelemetry, 'incubator/telemetry', qos.telemetry())
    told = probe.heard(DiagnosticArray, '/diagnostics', qos.telemetry())
    clock = probe.heard(Clock, '/clock', qos.clock())
    for topic in ('clock', 'incubator/telemetry', '/diagnostics'):
        until(lambda topic=topic: probe.node.count_publishers(topic), topic)
    _load_vessel(cell, probe)
    done = probe.perform(Incubate, 'incubator/incubate', **{**INCUBATE, 'duration_s': 3600.0})
    assert done.result.error_code == ErrorCode.OK, done.result.error_msg
    until(lambda: len(heard) >= 5, 'telemetry of an hour at ten minutes')
    steps = [(b.stamp.sec - a.stamp.sec) for a, b in itertools.pairwise(heard)]
    assert set(steps) == {600}
    bay = heard[-1].bays[0]
    assert (bay.bay, bay.occupied) == ('bay_1', True)
    assert 20.0 < bay.temperature_c < 40.0
    names = until(
        lambda: (
            len({item.status[0].name for item in told}) == len(Role)
            and {item.status[0].name for item in told}
        ),
        'diagnostics of every device',
    )
    assert names == {f'{config.cell}/{role}' for role in Role}
    assert clock


def test_the_robot_says_where_its_joints_are(cell: dict[str, Any], probe: Probe) -> None:
    heard = probe.heard(JointState, 'fill_robot/joint_states', qos.telemetry())
    until(lambda: probe.node.count_publishers('fill_robot/joint_states'), 'the publisher')
    probe.perform(
        MoveContainer, 'fill_robot/move_container', container=f'{BATCH}.nothing', station='nowhere'
    )
    probe.wait_for()
    probe.perform(Weigh, 'fluid_handler/weigh', container=f'{BATCH}.medium')
    _load_vessel(cell, probe)
    probe.perform(Incubate, 'incubator/incubate', **{**INCUBATE, 'duration_s': 1800.0})
    message = until(lambda: heard and heard[-1], 'joint states')
    assert message.name == [*JOINT_NAMES, GRIPPER]
    assert len(message.position) == len(message.name)
    assert message.position[-1] == GRIPPER_OPEN_M


def test_inactive_device_answers_not_active(cell: dict[str, Any], probe: Probe) -> None:
    cell['fluid_handler'].trigger_deactivate()
    answer = probe.perform(Transfer, 'fluid_handler/transfer', **TRANSFER)
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.error_code == ErrorCode.NOT_ACTIVE
    cell['fluid_handler'].trigger_activate()
    answer = probe.perform(Transfer, 'fluid_handler/transfer', **TRANSFER)
    assert answer.result.error_code == ErrorCode.OK, answer.result.error_msg


def test_shutdown_while_an_operation_runs_leaves_no_thread(
    cell: dict[str, Any], probe: Probe
) -> None:
    _load_vessel(cell, probe)
    goal = probe.send(Incubate, 'incubator/incubate', **INCUBATE)
    until(lambda: cell['incubator']._server.status().operation, 'the operation to run')
    cell['incubator'].bring_down()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(('incubator/', 'sampler/incubator'))]
    assert goal.operation_id


def test_every_reading_of_a_driver_has_a_field(cell: dict[str, Any]) -> None:
    for role in Role:
        readings = cell[role.value]._server.driver.telemetry()
        fields = MESSAGES[role].get_fields_and_field_types()
        bay = 'bays' in fields
        lost = [
            key
            for key in readings
            if key not in fields and not (bay and '.' in key) and not key.startswith('joint_')
        ]
        assert not lost, role


def test_every_operation_has_its_action(cell: dict[str, Any]) -> None:
    assert all(action_type(name) for name in OPERATIONS)


INCUBATE = {
    'bay': 'bay_1',
    'duration_s': 7 * 86400.0,
    'temperature_tolerance_c': 1.5,
    'co2_tolerance_pct': 1.5,
    'tolerated_excursion_s': 3600.0,
}


def _is_in(heard: list[DeviceState], state: PackMLState) -> bool:
    return bool(heard) and heard[-1].state == state


def _load_vessel(cell: dict[str, Any], probe: Probe) -> None:
    """Put a vessel into the first bay and warm it."""
    vessel = Material(
        name='vessel',
        kind=ContainerKind.VESSEL,
        capacity_ml=1000.0,
        content='medium',
        volume_ml=100.0,
        location='fluid_handler',
    )
    cell['world'].world.load(BATCH, [vessel], BATCH)
    answer = probe.perform(LoadBay, 'incubator/load_bay', bay='bay_1', container=f'{BATCH}.vessel')
    assert answer.result.error_code == ErrorCode.OK, answer.result.error_msg
    warm = probe.perform(
        SetClimate, 'incubator/set_climate', bay='bay_1', temperature_c=37.0, co2_pct=5.0
    )
    assert warm.result.error_code == ErrorCode.OK, warm.result.error_msg
