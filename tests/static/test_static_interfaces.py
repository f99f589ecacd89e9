"""The ROS contract and the domain say the same, read from the text of both."""

from __future__ import annotations

import dataclasses
import re
import typing
from pathlib import Path

import pytest

from medicell_core import operations
from medicell_core.errors import ErrorCode
from medicell_core.operations import OPERATIONS, Progress
from medicell_core.serving import ServingNode, UsedFile

INTERFACES = Path(__file__).resolve().parents[2] / 'src' / 'medicell_interfaces'
ACTIONS = sorted((INTERFACES / 'action').glob('*.action'))
FILES = sorted(path for kind in ('action', 'msg', 'srv') for path in INTERFACES.glob(f'{kind}/*'))
RESULT_HEAD = ['error_code', 'error_msg', 'finished_at']
"""What every result carries before its own fields."""
FIELD = re.compile(r'^([\w/\[\]<>=]+)\s+(\w+)(\s*=.*|\s+\S.*)?$')
KINDS = {
    str: 'string',
    float: 'float64',
    int: 'int32',
    bool: 'bool',
    list[str]: 'string[]',
    list[float]: 'float64[]',
}
BANDS = {
    'common': range(1, 100),
    'fluid_handler': range(100, 200),
    'incubator': range(200, 300),
    'imaging': range(300, 400),
    'fill_robot': range(400, 500),
    'particle_counter': range(500, 550),
    'laboratory': range(550, 600),
    'orchestrator': range(600, 700),
    'record': range(700, 800),
    'world': range(800, 900),
    'people': range(900, 950),
}


def sections(path: Path) -> list[list[tuple[str, str]]]:
    """Return (type, name) of the fields of every part of an interface file."""
    parts: list[list[tuple[str, str]]] = [[]]
    for line in path.read_text(encoding='utf-8').splitlines():
        text = line.partition('#')[0].strip()
        if text == '---':
            parts.append([])
        elif text and (found := FIELD.match(text)) and '=' not in (found[3] or ''):
            parts[-1].append((found[1], found[2]))
    return parts


def names(fields: list[tuple[str, str]]) -> list[str]:
    return [name for _, name in fields]


def of_class(kind: type) -> list[str]:
    return [item.name for item in dataclasses.fields(kind)]


def test_error_codes_of_message_and_domain_are_equal() -> None:
    text = (INTERFACES / 'msg' / 'ErrorCode.msg').read_text(encoding='utf-8')
    mirrored = dict(re.findall(r'^uint16 (\w+)=(\d+)$', text, re.MULTILINE))
    assert {name: int(value) for name, value in mirrored.items()} == {
        code.name: int(code) for code in ErrorCode
    }


def test_every_error_code_lies_in_a_band() -> None:
    banded = {number for band in BANDS.values() for number in band}
    assert [code.name for code in ErrorCode if code and int(code) not in banded] == []


def test_every_operation_is_an_action_and_the_reverse() -> None:
    assert {path.stem for path in ACTIONS} == set(OPERATIONS)


@pytest.mark.parametrize('path', ACTIONS, ids=lambda path: path.stem)
def test_action_has_the_fields_of_its_operation_in_order(path: Path) -> None:
    goal, result, feedback = sections(path)
    row = OPERATIONS[path.stem]
    assert names(goal) == of_class(row.goal)
    assert names(result) == [*RESULT_HEAD, *of_class(row.result)]
    assert names(feedback) == of_class(Progress)


@pytest.mark.parametrize('path', ACTIONS, ids=lambda path: path.stem)
def test_action_has_the_types_of_its_operation(path: Path) -> None:
    goal, result, _ = sections(path)
    row = OPERATIONS[path.stem]
    for kind, fields in ((row.goal, goal), (row.result, result[len(RESULT_HEAD) :])):
        hints = typing.get_type_hints(kind, vars(operations))
        for ros_type, name in fields:
            expected = KINDS.get(hints[name])
            if expected is not None:
                assert ros_type.rstrip('0123456789') == expected.rstrip('0123456789'), name


@pytest.mark.parametrize('kind', [ServingNode, UsedFile], ids=lambda kind: kind.__name__)
def test_message_of_what_serves_has_the_fields_of_the_record(kind: type) -> None:
    (fields,) = sections(INTERFACES / 'msg' / f'{kind.__name__}.msg')
    assert names(fields) == of_class(kind)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_field_of_an_interface_is_documented(path: Path) -> None:
    lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
    documented = False
    for line in lines:
        if line.startswith('#'):
            documented = True
        elif not line or line == '---':
            documented = False
        else:
            assert documented or '#' in line, f'{path.name}: {line} is not documented'
