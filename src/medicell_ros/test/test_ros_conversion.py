"""Every operation's goal and outcome survives the way through its message."""

from __future__ import annotations

import dataclasses
import math

import medicell_interfaces.msg
import pytest
from builtin_interfaces.msg import Time
from medicell_interfaces.msg import DeviceState

from medicell_core.containers import ContainerKind, Material
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    OPERATIONS,
    AcquireImages,
    Operation,
    Outcome,
    Progress,
    Transfer,
)
from medicell_core.states import PackMLState
from medicell_ros import conversion

SAMPLES = {
    'str': 'text',
    'float': 2.5,
    'int': 7,
    'bool': True,
    'list[str]': ['one', 'two'],
    'list[float]': [1.5, 2.5],
}
TYPES = {
    'str': 'string',
    'float': 'double',
    'int': 'int32',
    'bool': 'boolean',
    'list[str]': 'sequence<string>',
    'list[float]': 'sequence<double>',
}


def sample(cls: type) -> object:
    return cls(**{item.name: SAMPLES[item.type] for item in dataclasses.fields(cls)})


@pytest.mark.parametrize('name', OPERATIONS)
def test_action_has_the_fields_of_the_operation_in_order(name: str) -> None:
    row, action = OPERATIONS[name], conversion.action_type(name)
    goal = {item.name: TYPES[item.type] for item in dataclasses.fields(row.goal)}
    assert list(action.Goal.get_fields_and_field_types().items()) == list(goal.items())
    due = {
        'error_code': 'uint16',
        'error_msg': 'string',
        'finished_at': 'builtin_interfaces/Time',
        **{item.name: TYPES[item.type] for item in dataclasses.fields(row.result)},
    }
    assert list(action.Result.get_fields_and_field_types().items()) == list(due.items())
    feedback = action.Feedback.get_fields_and_field_types()
    assert list(feedback) == [item.name for item in dataclasses.fields(Progress)]


@pytest.mark.parametrize('name', OPERATIONS)
def test_goal_and_outcome_come_back_as_they_were(name: str) -> None:
    row = OPERATIONS[name]
    goal = sample(row.goal)
    assert isinstance(goal, Operation)
    assert conversion.goal_from_message(name, conversion.goal_to_message(goal)) == goal
    outcome = Outcome(
        error_code=ErrorCode.OK, error_msg='', result=sample(row.result), at_s=1767600060.1234567
    )
    message = conversion.outcome_to_message(name, outcome)
    assert conversion.outcome_from_message(name, message) == outcome


@pytest.mark.parametrize('name', OPERATIONS)
def test_outcome_without_a_result_comes_back_without_one(name: str) -> None:
    outcome = Outcome.of_error(MedicellError(ErrorCode.HARDWARE_FAULT, 'broken'), at_s=5.5)
    message = conversion.outcome_to_message(name, outcome)
    assert conversion.outcome_from_message(name, message) == outcome


def test_partial_result_of_a_failure_is_kept() -> None:
    row = OPERATIONS['Transfer']
    result = row.result(volume_ml=12.0, peak_pressure_kpa=math.nan)
    outcome = Outcome(error_code=ErrorCode.OCCLUSION, error_msg='x', result=result, at_s=1.0)
    back = conversion.outcome_from_message(
        'Transfer', conversion.outcome_to_message('Transfer', outcome)
    )
    assert back.result is not None
    assert back.result.volume_ml == 12.0


def test_time_that_never_was_is_a_zero_stamp_and_back() -> None:
    assert conversion.time_to_message(math.nan) == Time()
    assert math.isnan(conversion.time_from_message(Time()))


def test_enumerations_and_nested_lists_are_converted() -> None:
    material = Material(
        name='bag',
        kind=ContainerKind.BAG,
        capacity_ml=1.0,
        content='empty',
        volume_ml=0.0,
        location='fluid_handler',
    )
    message = conversion.to_message(material, medicell_interfaces.msg.Material())
    assert message.kind == 'bag'
    assert conversion.from_message(Material, message) == material


def test_whole_number_for_a_real_one_is_taken() -> None:
    goal = Transfer(
        operation_id='a', batch_id='b', source='c', target='d', volume_ml=5, rate_ml_min=1
    )
    assert isinstance(conversion.goal_to_message(goal).volume_ml, float)


def test_number_too_large_for_its_field_is_refused() -> None:
    goal = AcquireImages(
        operation_id='a',
        batch_id='b',
        container='c',
        modality='d',
        fields=2**31,
        dilution=1.0,
        refocus=False,
    )
    with pytest.raises(MedicellError, match=r'fields.*int32'):
        conversion.goal_to_message(goal)


def test_value_that_a_message_cannot_hold_is_refused_with_its_field() -> None:
    goal = Transfer(
        operation_id='a',
        batch_id='b',
        source='c',
        target='d',
        volume_ml='much',  # type: ignore[arg-type]
        rate_ml_min=1.0,
    )
    with pytest.raises(MedicellError, match='volume_ml') as caught:
        conversion.goal_to_message(goal)
    assert caught.value.code is ErrorCode.INVALID_GOAL


def test_unknown_action_is_refused() -> None:
    with pytest.raises(MedicellError, match='Teleport'):
        conversion.action_type('Teleport')


def test_error_codes_of_the_message_equal_those_of_the_source() -> None:
    message = medicell_interfaces.msg.ErrorCode
    found = {name: getattr(message, name) for name in dir(message) if name.isupper()}
    found = {name: value for name, value in found.items() if isinstance(value, int)}
    assert {item.name for item in ErrorCode} <= set(found)
    assert all(found[item.name] == item.value for item in ErrorCode)


def test_states_of_the_message_equal_those_of_the_source() -> None:
    assert all(getattr(DeviceState, item.name) == item.value for item in PackMLState)
