"""Parameters of a node: declared once as a dataclass, typed, bounded, described, read-only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from medicell_core.errors import ErrorCode, InputError
from medicell_ros.sections import WILDCARDS, full_name, given_namespace, stands_for

if TYPE_CHECKING:
    from rcl_interfaces.msg import ParameterDescriptor
    from rclpy.node import Node

T = TypeVar('T')
Value = str | float | int | bool

BUILT_IN = ('use_sim_time', 'start_type_description_service', 'enable_logger_service')
"""Parameters that rclpy declares itself."""
BUILT_IN_PREFIX = 'qos_overrides.'
_METADATA = 'medicell_parameter'
_TYPE_NAMES = {str: 'a text', float: 'a number', int: 'a whole number', bool: 'true or false'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a parameter means and which values it takes; NaN is no bound."""

    description: str
    minimum: float
    maximum: float
    choices: tuple[str, ...]
    read_only: bool


def parameter(
    default: Value,
    description: str,
    *,
    minimum: float = math.nan,
    maximum: float = math.nan,
    choices: tuple[str, ...] = (),
    read_only: bool = True,
) -> Any:
    """Return the dataclass field of a parameter; bounds are allowed values themselves."""
    bounds = Bounds(
        description=description,
        minimum=minimum,
        maximum=maximum,
        choices=choices,
        read_only=read_only,
    )
    return field(default=default, metadata={_METADATA: bounds})


def names(cls: type) -> frozenset[str]:
    """Return the names of a parameter dataclass."""
    return frozenset(item.name for item in fields(cls))


def declare(node: Node, cls: type[T]) -> T:
    """Declare a node's parameters and return their values.

    The node must have been made with `automatically_declare_parameters_from_overrides`, which
    is how overrides that nobody declares come to light. Raises InputError that names node and
    parameter: unknown, of a wrong type, or out of range.
    """
    given = {name: item.value for name, item in node.get_parameters_by_prefix('').items()}
    _refuse_unknown(node.get_name(), set(given) - names(cls), cls)
    hints = get_type_hints(cls)
    values: dict[str, Value] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        bounds: Bounds = item.metadata[_METADATA]
        place = f'{node.get_name()}.{item.name}'
        value = _checked(given.get(item.name, item.default), hints[item.name], bounds, place)
        if item.name in given:
            node.undeclare_parameter(item.name)
        node.declare_parameter(
            item.name, value, _descriptor(hints[item.name], bounds), ignore_override=True
        )
        values[item.name] = value
    return cls(**values)


def check_file(
    path: Path, known: Mapping[str, type], *, namespace: str, named: bool = False
) -> None:
    """Refuse a parameter file that names an unknown node or parameter, or a wrong value.

    `known` holds the parameter dataclass of each node of the cell in `namespace`. A section that
    stands for none of them is refused, as ROS would pass it over. One for all nodes must hold
    parameters that some node has; with `named` there must be none. Raises InputError with file,
    line and field.
    """
    document = _read(path)
    for section, content in _sections(path, document):
        last = section.rpartition('/')[2]
        for_all = last in WILDCARDS and not named
        candidates = [name for name in known if for_all or name == last]
        nodes = [name for name in candidates if stands_for(section, full_name(namespace, name))]
        if not nodes:
            text = f'no node is named {last!r}; known are {", ".join(sorted(known))}'
            if candidates:
                text = _passed_over(namespace, '' if for_all else last)
            raise InputError(
                ErrorCode.INVALID_GOAL,
                text,
                file=str(path),
                line=_line(document, section),
                field=section,
            )
        _check_section(path, content, section, [known[name] for name in nodes])


def _passed_over(namespace: str, node: str) -> str:
    """Return why ROS passes over a section that is meant for a node, or for all if empty."""
    anywhere = f'/**/{node}' if node else '/**'
    return (
        f'stands for no node in {namespace}: ROS would pass it over; must be called'
        f' {anywhere} or {full_name(namespace, node or "*")}'
    )


def check_values(node: str, values: Mapping[str, Any], cls: type) -> None:
    """Refuse parameters of a node that are unknown, of a wrong type or out of range."""
    _refuse_unknown(node, set(values) - names(cls), cls)
    for name, value in values.items():
        if name in names(cls):
            _check_value(cls, name, value, f'{node}.{name}')


def parameter_files(arguments: Sequence[str]) -> list[Path]:
    """Return the files that a command line names after `--params-file`."""
    return [
        Path(arguments[index + 1])
        for index, item in enumerate(arguments[:-1])
        if item == '--params-file'
    ]


def given_value(node: str, name: str, arguments: Sequence[str]) -> str:
    """Return a text parameter that a command line or its files give a node, or an empty text.

    For what must be known before the node exists. As in ROS the later section counts more, and
    a section has the place where it is first named.
    """
    said: dict[str, str] = {}
    for section, parameters in _given(arguments):
        said[section] = str(parameters.get(name, said.get(section, '')))
    own = full_name(given_namespace(node, arguments), node)
    return next(
        (value for section, value in reversed(said.items()) if value and stands_for(section, own)),
        '',
    )


def _given(arguments: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the sections of a command line and its files, with the parameters of each."""
    for word, value in pairwise(arguments):
        if word == '--params-file':
            path = Path(value)
            for section, content in _sections(path, _read(path)):
                parameters = (
                    content.get('ros__parameters') if isinstance(content, Mapping) else None
                )
                if isinstance(parameters, Mapping):
                    yield '/' + section.removeprefix('/'), parameters
        elif word in ('-p', '--param'):
            key, _, said = value.partition(':=')
            node, _, name = key.rpartition(':')
            yield f'/{node or "**"}', {name: said}


def _check_section(path: Path, content: Any, node: str, classes: Sequence[type]) -> None:
    """Check one node's table; each of its parameters must be one of some class."""
    parameters = content.get('ros__parameters') if isinstance(content, Mapping) else None
    if not isinstance(parameters, Mapping) or set(content) != {'ros__parameters'}:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            'must hold one table ros__parameters',
            file=str(path),
            line=_line(content, 'ros__parameters'),
            field=node,
        )
    for key, value in parameters.items():
        line = _line(parameters, key)
        if key in BUILT_IN or key.startswith(BUILT_IN_PREFIX):
            continue
        cls = next((item for item in classes if key in names(item)), None)
        if cls is None:
            known = sorted(set().union(*(names(item) for item in classes)))
            raise InputError(
                ErrorCode.INVALID_GOAL,
                f'unknown parameter; known are {", ".join(known)}',
                file=str(path),
                line=line,
                field=f'{node}.{key}',
            )
        _check_value(cls, key, value, f'{node}.{key}', file=str(path), line=line)


def _check_value(
    cls: type, name: str, value: Any, place: str, *, file: str = '', line: int | None = None
) -> None:
    bounds = next(item for item in fields(cls) if item.name == name).metadata[_METADATA]
    _checked(value, get_type_hints(cls)[name], bounds, place, file=file, line=line)


def _read(path: Path) -> Any:
    try:
        return YAML(typ='rt').load(path.read_text(encoding='utf-8'))
    except UnicodeDecodeError as error:
        raise InputError(ErrorCode.INVALID_GOAL, 'not UTF-8', file=str(path)) from error
    except OSError as error:
        raise InputError(ErrorCode.INVALID_GOAL, error.strerror or '', file=str(path)) from error
    except YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'not YAML: {getattr(error, "problem", error)}',
            file=str(path),
            line=None if mark is None else mark.line + 1,
        ) from error


def _sections(path: Path, document: Any) -> list[tuple[str, Any]]:
    if not isinstance(document, Mapping):
        raise InputError(
            ErrorCode.INVALID_GOAL, 'must be a table of node names', file=str(path), line=1
        )
    return [(str(key), value) for key, value in document.items()]


def _line(table: Any, key: str) -> int | None:
    """Return the line of a key, from 1, where the YAML reader knows it."""
    try:
        return int(table.lc.key(key)[0]) + 1
    except (AttributeError, KeyError):
        return None


def _refuse_unknown(node: str, found: set[str], cls: type) -> None:
    unknown = sorted(
        name for name in found if name not in BUILT_IN and not name.startswith(BUILT_IN_PREFIX)
    )
    if unknown:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'unknown parameter; known are {", ".join(sorted(names(cls)))}',
            field=f'{node}.{unknown[0]}',
        )


def _checked(
    value: Any, hint: type, bounds: Bounds, place: str, *, file: str = '', line: int | None = None
) -> Value:
    """Return a value of the declared type; raises InputError with the limit."""

    def refuse(text: str) -> InputError:
        return InputError(ErrorCode.INVALID_GOAL, text, file=file, line=line, field=place)

    # The reader of files has number classes of its own, which keep how a number was written.
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = float(value)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        value = int(value)
    if type(value) is not hint and not (hint is str and isinstance(value, str)):
        raise refuse(f'must be {_TYPE_NAMES[hint]}, not {value!r}')
    if isinstance(value, (float, int)) and (
        math.isnan(value) or value < bounds.minimum or value > bounds.maximum
    ):
        raise refuse(f'{value} is outside {bounds.minimum} to {bounds.maximum}')
    if bounds.choices and value not in bounds.choices:
        raise refuse(f'{value!r} is not one of {", ".join(bounds.choices)}')
    checked: Value = value  # type: ignore[assignment]
    return checked


def _descriptor(hint: type, bounds: Bounds) -> ParameterDescriptor:
    # Files are checked by programs that have nothing else to do with ROS.
    from rcl_interfaces.msg import (  # noqa: PLC0415
        FloatingPointRange,
        IntegerRange,
        ParameterDescriptor,
    )

    descriptor = ParameterDescriptor(description=bounds.description, read_only=bounds.read_only)
    if bounds.choices:
        descriptor.additional_constraints = f'one of {", ".join(bounds.choices)}'
    if math.isnan(bounds.minimum) and math.isnan(bounds.maximum):
        return descriptor
    low = -math.inf if math.isnan(bounds.minimum) else bounds.minimum
    high = math.inf if math.isnan(bounds.maximum) else bounds.maximum
    if hint is float:
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    if hint is int:
        limit = 2**63 - 1
        descriptor.integer_range = [
            IntegerRange(
                from_value=-limit if math.isinf(low) else int(low),
                to_value=limit if math.isinf(high) else int(high),
                step=1,
            )
        ]
    return descriptor
