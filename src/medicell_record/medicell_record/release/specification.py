"""Release rules: a product's specification read as data, and a batch's figures judged by it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from medicell_core.entries import MEASUREMENTS, ReleaseTest
from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode, InputError

FIGURE_UNITS: Mapping[str, str] = {
    **MEASUREMENTS,
    'identity_confirmed_pct': '%',
    'dose_of_target_pct': '%',
    'car_positive_cells_per_kg': 'cells/kg',
}
"""Every figure that a specification may limit, with its unit."""


class LimitKind(TextEnum):
    """The ways in which a specification limits a figure; each is a key of its file."""

    MINIMUM = 'minimum'
    MAXIMUM = 'maximum'
    MORE_THAN = 'more_than'
    LESS_THAN = 'less_than'
    EXPECT = 'expect'


_HOLDS: Mapping[LimitKind, Callable[[float, float], bool]] = {
    LimitKind.MINIMUM: lambda value, bound: value >= bound,
    LimitKind.MAXIMUM: lambda value, bound: value <= bound,
    LimitKind.MORE_THAN: lambda value, bound: value > bound,
    LimitKind.LESS_THAN: lambda value, bound: value < bound,
    LimitKind.EXPECT: lambda value, bound: value == bound,
}
_SIGNS: Mapping[LimitKind, str] = {
    LimitKind.MINIMUM: '≥',
    LimitKind.MAXIMUM: '≤',
    LimitKind.MORE_THAN: '>',
    LimitKind.LESS_THAN: '<',
}
_OUTCOMES: Mapping[str, float] = {'negative': 0.0, 'positive': 1.0}
_TEXT_KEYS = ('test', 'figure', 'unit', 'method', 'source')
_FINAL, _FINAL_AFTER = 'final', 'final_after'
_DAYS = re.compile(r'(\d+(?:\.\d+)?) (d|h)')
_HOURS_PER_DAY = 24.0
_TEST_KEYS = (*_TEXT_KEYS, *(str(kind) for kind in LimitKind), 'stage', _FINAL_AFTER, 'waivable')
_FILE_KEYS = ('product', 'title', 'version', 'tests')

NOT_MEASURED = 'not measured ({})'
"""The method of a test whose figure is not known, with the one by which it would be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One bound of a figure, in the figure's unit; 0 and 1 for negative and positive."""

    kind: LimitKind
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a figure is within the bound; never for NaN."""
        return _HOLDS[self.kind](value, self.bound)

    @property
    def text(self) -> str:
        """The bound for people, without its unit."""
        if self.kind is LimitKind.EXPECT:
            return 'positive' if self.bound else 'negative'
        number = f'{self.bound:,.10g}'.replace(',', ' ')
        return f'{_SIGNS[self.kind]} {number}'


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLine:
    """One test of a specification; all its limits must hold.

    A `final` one has a result to date by which a first stage releases, and a final one after
    the batch's end, which is never negative within `final_after_days` of it. One that is not
    `waivable` bars every release of a batch that misses it.
    """

    __test__ = False

    test: str
    figure: str
    unit: str
    method: str
    source: str
    limits: tuple[Limit, ...]
    final: bool = False
    final_after_days: float = 0.0
    waivable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """What a product must meet to be released."""

    product: str
    title: str
    version: str
    tests: tuple[TestLine, ...]


def load_specification(path: Path | str) -> Specification:
    """Read a product's specification.

    Raises InputError (RECIPE_INVALID) with file, line and field for what is missing, unknown,
    of a wrong type or unit, given twice, or without a limit.
    """
    reader = _Reader(str(path))
    document = reader.document()
    reader.check_keys(document, _FILE_KEYS)
    items = reader.required(document, 'tests', '')
    if not isinstance(items, CommentedSeq) or not items:
        raise reader.error(document, 'tests', 'must be a list of at least one test')
    tests = tuple(reader.test(items, index) for index in range(len(items)))
    _refuse_twice(reader, items, tests)
    product = reader.text(document, 'product', '')
    if product != Path(path).stem:
        raise reader.error(document, 'product', f"{product!r} is not the file's name")
    return Specification(
        product=product,
        title=reader.text(document, 'title', ''),
        version=reader.text(document, 'version', ''),
        tests=tests,
    )


def evaluate(
    specification: Specification, figures: Mapping[str, float | None]
) -> list[ReleaseTest]:
    """Judge a batch's figures, one line per test of the specification, in its order.

    A figure that is absent, None or NaN fails its test: the value is then NaN, and the
    method says that it was not measured.
    """
    return [_judge(line, figures.get(line.figure)) for line in specification.tests]


def dose_figures(
    *, car_positive_cells: float, target_dose_cells: float, patient_weight_kg: float
) -> dict[str, float]:
    """Return the dose's figures: per cent of the target, and cells per kg of body weight.

    Raises ValueError when target or weight is not above zero.
    """
    for name, value in (
        ('target_dose_cells', target_dose_cells),
        ('patient_weight_kg', patient_weight_kg),
    ):
        if not value > 0:
            raise ValueError(f'{name} is {value:g}; must be above 0')
    return {
        'dose_of_target_pct': 100.0 * car_positive_cells / target_dose_cells,
        'car_positive_cells_per_kg': car_positive_cells / patient_weight_kg,
    }


def _judge(line: TestLine, value: float | None) -> ReleaseTest:
    measured = value is not None and not math.isnan(value)
    figure = float(value) if value is not None and measured else math.nan
    return ReleaseTest(
        test=line.test,
        value=figure,
        unit=line.unit,
        limit=' and '.join(limit.text for limit in line.limits),
        method=line.method if measured else NOT_MEASURED.format(line.method),
        passed=measured and all(limit.holds(figure) for limit in line.limits),
        source=line.source,
        final=line.final,
        final_after_days=line.final_after_days,
        waivable=line.waivable,
    )


def method_of(line: ReleaseTest) -> str:
    """Return the method that a specification names for a test, whether it was measured or not."""
    before, after = NOT_MEASURED.split('{}')
    named = line.method.removeprefix(before)
    return line.method if named == line.method else named.removesuffix(after)


def _refuse_twice(reader: _Reader, items: CommentedSeq, tests: tuple[TestLine, ...]) -> None:
    for key in ('test', 'figure'):
        seen: set[str] = set()
        for index, line in enumerate(tests):
            value = getattr(line, key)
            if value in seen:
                raise reader.error(
                    items[index], key, f'{value!r} is given twice', f'tests[{index}]'
                )
            seen.add(value)


class _Reader:
    """Reads one YAML file and says where it is wrong."""

    def __init__(self, file: str) -> None:
        self._file = file

    def document(self) -> CommentedMap:
        try:
            document = YAML(typ='rt').load(Path(self._file).read_text(encoding='utf-8'))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(ErrorCode.RECIPE_INVALID, str(error), file=self._file) from error
        except MarkedYAMLError as error:
            mark = error.problem_mark
            raise InputError(
                ErrorCode.RECIPE_INVALID,
                f'not YAML: {error.problem}',
                file=self._file,
                line=None if mark is None else mark.line + 1,
            ) from error
        if not isinstance(document, CommentedMap):
            raise InputError(
                ErrorCode.RECIPE_INVALID, 'must be a mapping of fields', file=self._file, line=1
            )
        return document

    def error(self, node: CommentedMap, key: str, message: str, place: str = '') -> InputError:
        """Return the error at a key of a mapping, or at the mapping when the key is absent."""
        line = node.lc.key(key)[0] if key in node else node.lc.line
        return InputError(
            ErrorCode.RECIPE_INVALID,
            message,
            file=self._file,
            line=line + 1,
            field='.'.join(part for part in (place, key) if part),
        )

    def check_keys(self, node: CommentedMap, known: tuple[str, ...], place: str = '') -> None:
        for key in node:
            if key not in known:
                raise self.error(node, key, f'unknown field; known are {", ".join(known)}', place)

    def required(self, node: CommentedMap, key: str, place: str) -> Any:
        if key not in node:
            raise self.error(node, key, 'is missing', place)
        return node[key]

    def text(self, node: CommentedMap, key: str, place: str) -> str:
        value = self.required(node, key, place)
        if not isinstance(value, str) or (not value and key != 'unit'):
            raise self.error(node, key, f'must be a text, not {value!r}', place)
        return str(value)

    def test(self, items: CommentedSeq, index: int) -> TestLine:
        place = f'tests[{index}]'
        node = items[index]
        if not isinstance(node, CommentedMap):
            raise InputError(
                ErrorCode.RECIPE_INVALID,
                f'must be a mapping of fields, not {node!r}',
                file=self._file,
                line=items.lc.item(index)[0] + 1,
                field=place,
            )
        self.check_keys(node, _TEST_KEYS, place)
        texts = {key: self.text(node, key, place) for key in _TEXT_KEYS}
        self._check_figure(node, texts, place)
        limits = tuple(self._limit(node, kind, place) for kind in LimitKind if str(kind) in node)
        if not limits:
            raise self.error(node, 'limit', f'needs one of {", ".join(LimitKind)}', place)
        return TestLine(
            **texts,
            limits=limits,
            final=self._is_final(node, limits, place),
            final_after_days=self._final_after_days(node, place),
            waivable=self._is_waivable(node, place),
        )

    def _is_final(self, node: CommentedMap, limits: tuple[Limit, ...], place: str) -> bool:
        if 'stage' not in node:
            return False
        if node['stage'] != _FINAL:
            raise self.error(node, 'stage', f'must be {_FINAL}, not {node["stage"]!r}', place)
        if limits != (Limit(kind=LimitKind.EXPECT, bound=0.0),):
            raise self.error(node, 'stage', f'{_FINAL} needs `expect: negative` alone', place)
        return True

    def _final_after_days(self, node: CommentedMap, place: str) -> float:
        if _FINAL_AFTER not in node:
            return 0.0
        value = node[_FINAL_AFTER]
        if 'stage' not in node:
            raise self.error(node, _FINAL_AFTER, f'needs `stage: {_FINAL}`', place)
        found = _DAYS.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise self.error(
                node, _FINAL_AFTER, f'must be like `14 d` or `36 h`, not {value!r}', place
            )
        number = float(found[1])
        return number if found[2] == 'd' else number / _HOURS_PER_DAY

    def _is_waivable(self, node: CommentedMap, place: str) -> bool:
        value = node.get('waivable', True)
        if not isinstance(value, bool):
            raise self.error(node, 'waivable', f'must be true or false, not {value!r}', place)
        return value

    def _check_figure(self, node: CommentedMap, texts: dict[str, str], place: str) -> None:
        unit = FIGURE_UNITS.get(texts['figure'])
        if unit is None:
            raise self.error(
                node,
                'figure',
                f'{texts["figure"]!r} is not a figure; known are {", ".join(FIGURE_UNITS)}',
                place,
            )
        if texts['unit'] != unit:
            raise self.error(
                node, 'unit', f'{texts["figure"]} is in {unit!r}, not {texts["unit"]!r}', place
            )

    def _limit(self, node: CommentedMap, kind: LimitKind, place: str) -> Limit:
        value = node[str(kind)]
        if kind is LimitKind.EXPECT:
            if not isinstance(value, str) or value not in _OUTCOMES:
                raise self.error(node, kind, f'must be {" or ".join(_OUTCOMES)}', place)
            return Limit(kind=kind, bound=_OUTCOMES[value])
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(node, kind, f'must be a number, not {value!r}', place)
        if not math.isfinite(value) or value < 0:
            raise self.error(node, kind, f'must be finite and 0 or more, not {value:g}', place)
        return Limit(kind=kind, bound=float(value))
