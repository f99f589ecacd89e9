"""The cell's vocabulary is whole: codes in their bands, units in names, one clock contract."""

from __future__ import annotations

import itertools
import pickle
import string
import threading
import time
from dataclasses import fields

import pytest

from medicell_core.clock import WallClock
from medicell_core.containers import Label, container_id, label_text, parse_label
from medicell_core.entries import ENTRY_TYPES, MEASUREMENTS
from medicell_core.errors import ErrorCode, InputError, MedicellError, OperationRefused
from medicell_core.operations import ASSAYS, OPERATIONS, Operation, Outcome, Role, operations_of
from medicell_core.states import PackMLState


def test_every_role_performs_at_least_one_operation() -> None:
    assert all(operations_of(role) for role in Role)


def test_every_goal_begins_with_operation_and_batch() -> None:
    for row in OPERATIONS.values():
        assert [item.name for item in fields(row.goal)][:2] == ['operation_id', 'batch_id']
        assert issubclass(row.goal, Operation)


def test_container_fields_exist_in_their_goals() -> None:
    for row in OPERATIONS.values():
        assert set(row.containers) <= set(row.parameters), row.name


def test_verbs_are_snake_case_and_unique() -> None:
    verbs = [row.verb for row in OPERATIONS.values()]
    assert 'wash_and_concentrate' in verbs
    assert len(set(verbs)) == len(verbs)


def test_measurements_cover_every_assay_with_the_same_unit() -> None:
    assert {name: MEASUREMENTS[name] for name in ASSAYS} == ASSAYS


def test_error_codes_lie_in_their_bands() -> None:
    bands = [
        range(0, 1), range(1, 100), range(100, 200), range(200, 300), range(300, 400),
        range(400, 500), range(500, 550), range(550, 600), range(600, 700), range(700, 800),
        range(800, 900), range(900, 950),
    ]  # fmt: skip
    used = [sum(code in band for code in ErrorCode) for band in bands]
    assert sum(used) == len(ErrorCode)
    assert all(used)


def test_packml_states_have_the_standards_numbers() -> None:
    assert (PackMLState.EXECUTE, PackMLState.ABORTED, PackMLState.HELD) == (4, 8, 15)
    assert len(PackMLState) == 17


def test_errors_cross_a_process_boundary_with_code_and_text() -> None:
    error = InputError(
        ErrorCode.RECIPE_INVALID, 'must be positive', file='r.yaml', line=7, field='volume'
    )
    copy = pickle.loads(pickle.dumps(error))
    assert copy.code is ErrorCode.RECIPE_INVALID
    assert copy.message == 'r.yaml:7: volume: must be positive'


def test_an_outcome_of_an_error_keeps_code_and_text() -> None:
    outcome = Outcome.of_error(OperationRefused(ErrorCode.OVERFLOW, 'too much'), at_s=5.0)
    assert (outcome.ok, outcome.error_code, outcome.error_msg) == (False, 100, 'too much')
    assert outcome.at_s == 5.0


def test_a_plain_error_is_no_input_error() -> None:
    with pytest.raises(MedicellError, match='x'):
        raise MedicellError(ErrorCode.TIMEOUT, 'x')


def test_labels_and_containers_carry_the_chain_of_identity() -> None:
    container = container_id('MC-1', 'vessel')
    assert container == 'MC-1.vessel'
    text = label_text('MC-1', container)
    assert text.startswith('MC-1|MC-1.vessel|')
    assert parse_label(text) == Label(batch_id='MC-1', container=container)


@pytest.mark.parametrize(
    'text',
    ['', 'MC-1', 'MC-1|MC-1.vessel', '|MC-1.vessel|AAAAAAAA', '=A99991234567890', 'a|b|c|d'],
)
def test_a_text_of_another_form_is_no_label(text: str) -> None:
    with pytest.raises(MedicellError, match='has not the form') as caught:
        parse_label(text)
    assert caught.value.code is ErrorCode.LABEL_UNREADABLE


def test_a_label_with_any_one_character_changed_is_refused() -> None:
    text = label_text('MC-1', 'MC-1.vessel')
    for place, letter in itertools.product(range(len(text)), string.printable):
        if letter != text[place]:
            with pytest.raises(MedicellError, match=r'misread|has not the form'):
                parse_label(text[:place] + letter + text[place + 1 :])


def test_closing_the_wall_clock_ends_a_sleep_at_once() -> None:
    clock = WallClock()
    sleeper = threading.Thread(target=clock.sleep, args=('x', 60.0))
    began = time.monotonic()
    sleeper.start()
    clock.close()
    sleeper.join(5.0)
    assert not sleeper.is_alive()
    assert time.monotonic() - began < 5.0


def test_entry_kinds_are_named_after_their_classes() -> None:
    assert all(name == kind.__name__ for name, kind in ENTRY_TYPES.items())
    assert len(ENTRY_TYPES) == 21
