"""Release rules: each limit at, below and above; each wrong file refused at its line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from medicell_core.errors import ErrorCode, InputError
from medicell_record.release.specification import (
    FIGURE_UNITS,
    dose_figures,
    evaluate,
    load_specification,
)

PRODUCTS = Path(__file__).resolve().parents[3] / 'config' / 'products'

GOOD = {
    'identity_confirmed_pct': 100.0,
    'viability_pct': 91.0,
    'cd3_positive_pct': 97.0,
    'car_positive_pct': 37.0,
    'vector_copies': 2.1,
    'endotoxin': 0.1,
    'sterility': 0.0,
    'mycoplasma': 0.0,
    'potency': 74.0,
    'residual_beads': 12.0,
    'dose_of_target_pct': 99.0,
    'car_positive_cells_per_kg': 1.4e6,
}

LIMITS = [
    # product, figure, bound, passes just below, at, just above
    ('cd19_car_t', 'identity_confirmed_pct', 100.0, (False, True, True)),
    ('cd19_car_t', 'viability_pct', 70.0, (False, True, True)),
    ('cd19_car_t', 'cd3_positive_pct', 70.0, (False, True, True)),
    ('cd19_car_t', 'car_positive_pct', 20.0, (False, True, True)),
    ('cd19_car_t', 'vector_copies', 10.0, (True, True, False)),
    ('cd19_car_t', 'endotoxin', 0.5, (True, True, False)),
    ('cd19_car_t', 'sterility', 0.0, (False, True, False)),
    ('cd19_car_t', 'sterility', 1.0, (False, False, False)),
    ('cd19_car_t', 'mycoplasma', 0.0, (False, True, False)),
    ('cd19_car_t', 'mycoplasma', 1.0, (False, False, False)),
    ('cd19_car_t', 'potency', 50.0, (False, False, True)),
    ('cd19_car_t', 'residual_beads', 100.0, (True, False, False)),
    ('cd19_car_t', 'dose_of_target_pct', 80.0, (False, True, True)),
    ('cd19_car_t', 'dose_of_target_pct', 120.0, (True, True, False)),
    ('cd19_car_t', 'car_positive_cells_per_kg', 0.5e6, (False, True, True)),
    ('cd20_car_t', 'identity_confirmed_pct', 100.0, (False, True, True)),
    ('cd20_car_t', 'viability_pct', 80.0, (False, True, True)),
    ('cd20_car_t', 'cd3_positive_pct', 80.0, (False, True, True)),
    ('cd20_car_t', 'car_positive_pct', 10.0, (False, True, True)),
    ('cd20_car_t', 'vector_copies', 5.0, (True, False, False)),
    ('cd20_car_t', 'endotoxin', 5.0, (True, False, False)),
    ('cd20_car_t', 'sterility', 0.0, (False, True, False)),
    ('cd20_car_t', 'mycoplasma', 0.0, (False, True, False)),
    ('cd20_car_t', 'dose_of_target_pct', 80.0, (False, True, True)),
    ('cd20_car_t', 'dose_of_target_pct', 120.0, (True, True, False)),
]


def judged(product: str, figure: str, value: float | None) -> bool:
    specification = load_specification(PRODUCTS / f'{product}.yaml')
    results = evaluate(specification, {**GOOD, figure: value})
    lines = dict(zip((line.figure for line in specification.tests), results, strict=True))
    others = [item.passed for name, item in lines.items() if name != figure]
    assert all(others), f'only {figure} may fail'
    return lines[figure].passed


@pytest.mark.parametrize(('product', 'figure', 'bound', 'passes'), LIMITS)
def test_a_figure_just_below_at_and_just_above_its_limit(
    product: str, figure: str, bound: float, passes: tuple[bool, bool, bool]
) -> None:
    values = (math.nextafter(bound, -math.inf), bound, math.nextafter(bound, math.inf))
    assert tuple(judged(product, figure, value) for value in values) == passes


@pytest.mark.parametrize('product', ['cd19_car_t', 'cd20_car_t'])
def test_every_limit_of_a_product_is_in_the_table_above(product: str) -> None:
    specification = load_specification(PRODUCTS / f'{product}.yaml')
    written = {
        (product, line.figure, limit.bound)
        for line in specification.tests
        for limit in line.limits
    }
    tested = {(item[0], item[1], item[2]) for item in LIMITS if item[0] == product}
    assert written <= tested


@pytest.mark.parametrize('missing', [None, math.nan, 'absent'])
@pytest.mark.parametrize('figure', list(GOOD))
def test_a_missing_figure_fails_its_test_alone_and_says_so(
    figure: str, missing: float | str | None
) -> None:
    specification = load_specification(PRODUCTS / 'cd19_car_t.yaml')
    figures: dict[str, float | None] = {**GOOD, figure: missing}  # type: ignore[dict-item]
    if missing == 'absent':
        del figures[figure]
    failed = [item for item in evaluate(specification, figures) if not item.passed]
    assert len(failed) == 1
    assert failed[0].method.startswith('not measured')
    assert math.isnan(failed[0].value)


def test_the_release_table_says_limit_unit_method_and_source() -> None:
    specification = load_specification(PRODUCTS / 'cd19_car_t.yaml')
    lines = {item.test: item for item in evaluate(specification, GOOD)}
    assert len(lines) == len(specification.tests) == 12
    assert lines['Dose of target'].limit == '≥ 80 and ≤ 120'
    assert lines['Dose per body weight'].limit == '≥ 500 000'
    assert lines['Sterility'].limit == 'negative'
    assert lines['Endotoxin'].limit == '≤ 0.5'
    assert lines['Viability'].source == 'PMC6319086 table 2'
    assert lines['Viability'].method == 'flow cytometry'
    assert lines['Endotoxin'].unit == 'EU/mL'
    assert lines['Viability'].value == GOOD['viability_pct']


def test_the_dose_is_set_against_target_and_weight() -> None:
    figures = dose_figures(car_positive_cells=9e7, target_dose_cells=1e8, patient_weight_kg=60.0)
    assert figures == pytest.approx({'dose_of_target_pct': 90, 'car_positive_cells_per_kg': 1.5e6})
    assert set(figures) <= set(FIGURE_UNITS)


@pytest.mark.parametrize('field', ['target_dose_cells', 'patient_weight_kg'])
@pytest.mark.parametrize('value', [0.0, -1.0, math.nan])
def test_a_dose_without_target_or_weight_is_refused(field: str, value: float) -> None:
    figures = {'car_positive_cells': 1.0, 'target_dose_cells': 1.0, 'patient_weight_kg': 1.0}
    with pytest.raises(ValueError, match=f'{field} is .*must be above 0'):
        dose_figures(**{**figures, field: value})


TEXT = """product: p
title: t
version: '1'
tests:
  - test: Viability
    figure: viability_pct
    unit: '%'
    method: m
    minimum: 70
    source: s
  - test: Endotoxin
    figure: endotoxin
    unit: EU/mL
    method: m
    less_than: 5
    source: s
"""


@pytest.mark.parametrize(
    ('old', 'new', 'line', 'field', 'says'),
    [
        ('title: t', 'titel: t', 2, 'titel', 'unknown field'),
        ('title: t\n', '', 1, 'title', 'is missing'),
        ("version: '1'", 'version: 1', 3, 'version', 'must be a text, not 1'),
        ('product: p', "product: ''", 1, 'product', 'must be a text'),
        ('product: p', 'product: q', 1, 'product', "is not the file's name"),
        ('minimum', 'minimun', 9, 'tests[0].minimun', 'unknown field'),
        ('    method: m\n    less', '    less', 11, 'tests[1].method', 'is missing'),
        ("unit: '%'", 'unit: EU/mL', 7, 'tests[0].unit', "is in '%', not 'EU/mL'"),
        ('figure: endotoxin', 'figure: poison', 12, 'tests[1].figure', 'is not a figure'),
        ('    less_than: 5\n', '', 11, 'tests[1].limit', 'needs one of minimum'),
        ('minimum: 70', 'minimum: -1', 9, 'tests[0].minimum', '0 or more, not -1'),
        ('minimum: 70', 'minimum: .nan', 9, 'tests[0].minimum', 'must be finite'),
        ('minimum: 70', 'minimum: 70 %', 9, 'tests[0].minimum', 'must be a number'),
        ('minimum: 70', 'minimum: true', 9, 'tests[0].minimum', 'must be a number'),
        ('minimum: 70', 'expect: sterile', 9, 'tests[0].expect', 'must be negative or'),
        ('minimum: 70', 'expect: [1]', 9, 'tests[0].expect', 'must be negative or'),
        ('test: Endotoxin', 'test: Viability', 11, 'tests[1].test', 'is given twice'),
        ('minimum: 70', 'minimum: 70\n    stage: last', 10, 'tests[0].stage', 'must be final'),
        ('minimum: 70', 'minimum: 70\n    stage: final', 10, 'tests[0].stage', 'needs `expect'),
        ('70', '70\n    waivable: 0', 10, 'tests[0].waivable', 'must be true or false, not 0'),
        ('minimum: 70', 'minimum: 70\n    minimum: 60', 10, '', 'not YAML'),
        ('    method: m\n    min', '   method: m\n    min', 8, '', 'not YAML'),
    ],
)
def test_a_wrong_specification_is_refused_at_its_line(
    tmp_path: Path, old: str, new: str, line: int, field: str, says: str
) -> None:
    path = tmp_path / 'p.yaml'
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_specification(path)
    assert caught.value.code is ErrorCode.RECIPE_INVALID
    assert (caught.value.line, caught.value.field) == (line, field)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f'{path}:{line}: ')


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('', 'must be a mapping'),
        ('- a', 'must be a mapping'),
        ('product: p\ntitle: t\nversion: v\ntests: []', 'at least one test'),
        ('product: p\ntitle: t\nversion: v\ntests: {}', 'at least one test'),
        ('product: p\ntitle: t\nversion: v\ntests: [1]', 'tests[0]: must be a mapping'),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / 'p.yaml'
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_specification(path)
    assert says in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'none\.yaml'):
        load_specification(tmp_path / 'none.yaml')


def test_a_good_specification_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'p.yaml'
    path.write_text(TEXT)
    assert [line.test for line in load_specification(path).tests] == ['Viability', 'Endotoxin']


@pytest.mark.parametrize(
    ('product', 'final'),
    [('cd19_car_t', ['Sterility']), ('cd20_car_t', ['Sterility', 'Mycoplasma'])],
)
def test_release_table_says_what_is_awaited_and_what_nobody_waives(
    product: str, final: list[str]
) -> None:
    lines = evaluate(load_specification(PRODUCTS / f'{product}.yaml'), GOOD)
    assert [item.test for item in lines if item.final] == final
    assert [item.test for item in lines if not item.waivable] == ['Identity']
