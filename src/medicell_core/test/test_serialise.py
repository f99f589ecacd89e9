"""Dataclasses survive JSON, and what does not fit is refused by name."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest

from medicell_core.entries import BatchStarted, Command, Deviation, Entry, Measurement
from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    OPERATIONS,
    AcquireImages,
    AnalyseImagesResult,
    Outcome,
    Transfer,
    TransferResult,
)
from medicell_core.serialise import (
    SerialiseError,
    dumps,
    from_json,
    goal_from_json,
    loads,
    outcome_from_json,
    to_json,
)
from medicell_core.states import PackMLState

GOAL = Transfer(
    operation_id='b/u/o/p#1', batch_id='b', source='s', target='t', volume_ml=1.5, rate_ml_min=2.0
)


@dataclass(frozen=True, kw_only=True)
class Nested:
    items: list[Transfer]
    pair: tuple[int, float]
    many: tuple[str, ...]
    state: PackMLState
    note: str | None = None
    extra: dict[str, float] = field(default_factory=dict)


def test_goal_comes_back_equal() -> None:
    assert goal_from_json('Transfer', to_json(GOAL)) == GOAL
    assert loads(Transfer, dumps(GOAL)) == GOAL


def test_nested_types_come_back_equal() -> None:
    item = Nested(
        items=[GOAL], pair=(1, 2.5), many=('a', 'b'), state=PackMLState.HELD, extra={'x': 1.0}
    )
    assert loads(Nested, dumps(item)) == item


def test_record_entries_with_raw_json_come_back_equal() -> None:
    entry = Command(
        operation_id='i', role='r', operation='o', goal={'a': 1, 'b': [1.5, None, {'c': 'd'}]}
    )
    assert loads(Command, dumps(entry)) == entry
    started = BatchStarted(
        batch_id='b',
        recipe='r',
        recipe_version='1',
        recipe_sha256='x',
        product='p',
        patient_weight_kg=70.0,
        target_dose_cells=1e8,
        seed=1,
        software_version='0',
        operator='o',
        materials=[{'name': 'm', 'volume_ml': 1.5}],
    )
    assert loads(BatchStarted, dumps(started)) == started


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_non_finite_numbers_survive_as_texts(value: float) -> None:
    result = TransferResult(volume_ml=value, peak_pressure_kpa=0.0)
    back = loads(TransferResult, dumps(result))
    assert repr(back.volume_ml) == repr(value)


def test_outcome_comes_back_with_its_result_type() -> None:
    result = TransferResult(volume_ml=1.0, peak_pressure_kpa=2.0)
    outcome = Outcome(error_code=ErrorCode.LEAK, error_msg='leak', result=result)
    assert repr(outcome_from_json('Transfer', to_json(outcome))) == repr(outcome)
    empty = Outcome(error_code=ErrorCode.OK, error_msg='', result=None)
    assert repr(outcome_from_json('AnalyseImages', to_json(empty))) == repr(empty)


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'volume_ml': 'much'}, 'Transfer.volume_ml: must be a number'),
        ({'volume_ml': True}, 'Transfer.volume_ml: must be a number'),
        ({'source': 1}, 'Transfer.source: must be a str'),
        ({'sauce': 'x'}, "unknown field 'sauce'"),
    ],
)
def test_wrong_value_is_refused_by_field(change: dict[str, object], text: str) -> None:
    with pytest.raises(SerialiseError, match=text):
        from_json(Transfer, {**to_json(GOAL), **change})


def test_missing_field_is_refused_by_name() -> None:
    data = to_json(GOAL)
    del data['volume_ml']
    with pytest.raises(SerialiseError, match="field 'volume_ml' is missing"):
        from_json(Transfer, data)


def test_float_where_an_int_is_due_is_refused() -> None:
    data = {
        'operation_id': 'i',
        'batch_id': 'b',
        'container': 'c',
        'modality': 'm',
        'fields': 2.0,
        'dilution': 1,
        'refocus': False,
    }
    with pytest.raises(SerialiseError, match='fields: must be a whole number'):
        from_json(AcquireImages, data)
    assert from_json(AcquireImages, {**data, 'fields': 2}).dilution == 1.0


def test_unknown_operation_is_refused_by_name() -> None:
    with pytest.raises(SerialiseError, match="'Dance'"):
        goal_from_json('Dance', {})


def test_text_that_is_not_json_is_refused() -> None:
    with pytest.raises(SerialiseError, match='not JSON'):
        loads(Transfer, '{')


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(SerialiseError, match='not a dataclass'):
        to_json({'a': 1})
    with pytest.raises(SerialiseError, match='Entry: unknown field'):
        from_json(Entry, {'a': 1})


def test_every_operation_has_types_that_can_be_read_back() -> None:
    for row in OPERATIONS.values():
        for cls in (row.goal, row.result):
            with pytest.raises(SerialiseError, match='unknown field'):
                from_json(cls, {'no_such_field': 1})
    assert issubclass(Measurement, Entry)
    assert issubclass(Deviation, Entry)
    assert AnalyseImagesResult.__dataclass_fields__
