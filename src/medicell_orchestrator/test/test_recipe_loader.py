"""Every way in which a recipe file can be wrong is refused with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import CONFIG, HEADER, PATIENT, RELEASE, recipe_text

from medicell_core.errors import ErrorCode, InputError
from medicell_orchestrator.recipe import find_recipe, load_recipe

FIRST = HEADER.count('\n') + 1
TRANSFER = """
- phase: feed
  type: transfer
  source: medium
  target: culture
  volume: 70 mL
"""


GROW = """
- phase: %s
  type: expand
  vessel: culture
  bay: bay_1
  until_day: %s
  cartridges: cartridge
  medium: medium
  waste: waste
  medium_glucose: 11 mmol/L
  minimum_glucose: 4 mmol/L
  maximum_lactate: 16 mmol/L
  working_volume: 250 mL
  least_feed: 40 mL
  most_feed: 180 mL
"""
SEED = """
- {phase: seed, type: seed_cells, source: selected, target: culture, cells: 1e8 cells,
   least_cells: 2e7 cells, medium: medium, final_volume: 70 mL}
"""


def refused(folder: Path, text: str) -> InputError:
    path = folder / 'wrong.yaml'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    assert str(path) in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ('old', 'new', 'line', 'field', 'words'),
    [
        ('volume: 70 mL', 'volme: 70 mL', FIRST + 4, 'volme', 'did you mean "volume"'),
        ('volume: 70 mL', 'volume: 70 h', FIRST + 4, 'volume', 'not the unit "h"'),
        ('volume: 70 mL', 'volume: 70', FIRST + 4, 'volume', 'no unit'),
        ('volume: 70 mL', 'volume: 70 mLL', FIRST + 4, 'volume', '"mLL" is not a unit'),
        ('volume: 70 mL', 'volume: 7,5 mL', FIRST + 4, 'volume', 'comma? write 7.5 mL'),
        ('volume: 70 mL', 'volume: 8,5', FIRST + 4, 'volume', 'a decimal comma? write 8.5'),
        ('volume: 70 mL', 'volume: 70 mL,', FIRST + 4, 'volume', 'expected a quantity'),
        ('volume: 70 mL', 'volume: 5 10 mL', FIRST + 4, 'volume', '"10 mL" is not a unit'),
        ('volume: 70 mL', 'volume: 8 /', FIRST + 4, 'volume', '"/" is not a unit'),
        ('volume: 70 mL', 'volume: 8 (', FIRST + 4, 'volume', '"(" is not a unit'),
        ('volume: 70 mL', 'volume: 8 mL/0', FIRST + 4, 'volume', '"mL/0" is not a unit'),
        ('volume: 70 mL', 'volume: lots', FIRST + 4, 'volume', 'expected a quantity'),
        ('volume: 70 mL', 'volume: [70]', FIRST + 4, 'volume', 'expected a quantity'),
        ('volume: 70 mL', 'volume: true', FIRST + 4, 'volume', 'expected a quantity'),
        ('volume: 70 mL', 'volume: -70 mL', FIRST + 4, 'volume', 'below the limit 0.1 mL'),
        ('volume: 70 mL', 'volume: 70 L', FIRST + 4, 'volume', 'above the limit 1000 mL'),
        ('  volume: 70 mL\n', '', FIRST, 'volume', 'missing field "volume"'),
        ('culture', 'cultur', FIRST + 3, 'target', 'unknown container "cultur"'),
        ('culture', 'cultur', FIRST + 3, 'target', 'did you mean "culture"'),
        ('type: transfer', 'type: transfr', FIRST + 1, 'type', 'did you mean "transfer"'),
        ('type: transfer', 'type: [x]', FIRST + 1, 'type', 'expected a text'),
        ('phase: feed', 'phase: Feed it', FIRST, 'phase', 'is not a name'),
    ],
)
def test_wrong_phase_is_refused_at_its_line(
    tmp_path: Path, old: str, new: str, line: int, field: str, words: str
) -> None:
    assert old in TRANSFER
    error = refused(tmp_path, recipe_text(TRANSFER.replace(old, new)))
    assert error.code is ErrorCode.RECIPE_INVALID
    assert error.line == line
    assert error.field == f'procedure[1].operations[0].phases[0].{field}'
    assert words in error.message


@pytest.mark.parametrize(
    ('old', 'new', 'field', 'words'),
    [
        ('kind: vessel', 'kind: vesel', 'materials.culture.kind', 'did you mean "vessel"'),
        ('content: vector', 'content: vectro', 'materials.vector.content', 'mean "vector"'),
        ('volume: 20 mL', 'volume: -20 mL', 'materials.vector.volume', 'below the limit 0'),
        ('volume: 20 mL', 'volume: 200 mL', 'materials.vector.volume', 'capacity of 30'),
        ('volume: 20 mL, ', '', 'materials.vector.volume', 'missing field'),
        ('imaging', 'imagin', 'materials.cartridge.location', 'did you mean "imaging"'),
        ('count: 12', 'count: 1.5', 'materials.cartridge.count', 'not a whole number'),
        ('count: 12', 'count: 0', 'materials.cartridge.count', 'below the limit 1'),
        ('product: {', 'Product: {', 'materials.Product', 'is not a name'),
        ('product: {', 'vial_1: {', 'materials.vial', 'duplicate name'),
        ('capacity: 10 L', 'capacity: 10 L, size: 1', 'materials.waste.size', 'unknown key'),
    ],
)
def test_wrong_material_is_refused_at_its_line(
    tmp_path: Path, old: str, new: str, field: str, words: str
) -> None:
    text = recipe_text(TRANSFER)
    name = field.split('.')[1]
    error = refused(tmp_path, text.replace(old, new, 1))
    assert error.field == field
    assert words in error.message
    lines = text.replace(old, new, 1).splitlines()
    assert error.line is not None
    assert lines[error.line - 1].strip().startswith(f'{name}:')


@pytest.mark.parametrize(
    ('text', 'line', 'words'),
    [
        ('', 1, 'empty'),
        ('# only a comment\n', 1, 'empty'),
        ('- a list\n', 1, 'expected a mapping'),
        ('recipe: [\n', 2, 'not valid YAML'),
        ('recipe: a\nrecipe: b\n', 2, 'not valid YAML'),
        ('recipes: a\n', 1, 'did you mean "recipe"'),
    ],
)
def test_wrong_file_is_refused(tmp_path: Path, text: str, line: int, words: str) -> None:
    error = refused(tmp_path, text)
    assert error.line == line
    assert words in error.message


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='cannot read the file'):
        load_recipe(tmp_path / 'none.yaml')


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'wrong.yaml'
    path.write_bytes(b'\xff\xfe\x00')
    with pytest.raises(InputError, match='not UTF-8'):
        load_recipe(path)


def test_same_phase_twice_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, recipe_text(TRANSFER + TRANSFER))
    assert 'duplicate name "feed"' in error.message
    assert error.line == FIRST + 5 + 1


def test_recipe_without_phases_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, HEADER)
    assert error.field == 'procedure[1].operations[0].phases'
    assert 'missing field' in error.message


@pytest.mark.parametrize(
    ('phases', 'line', 'words'),
    [
        (TRANSFER, FIRST, 'missing phase'),
        (TRANSFER + TRANSFER.replace('feed', 'more'), FIRST + 6, 'missing phase'),
        (RELEASE + TRANSFER, FIRST, 'must be the last'),
        (f'{RELEASE}\n{RELEASE.replace("judge", "again")}', FIRST, 'the only one'),
    ],
)
def test_recipe_that_does_not_end_with_one_release_is_refused(
    tmp_path: Path, phases: str, line: int, words: str
) -> None:
    body = '\n'.join(f'          {item}' for item in phases.strip('\n').splitlines())
    error = refused(tmp_path, f'{HEADER}{body}\n')
    assert error.code is ErrorCode.RECIPE_INVALID
    assert error.line == line
    assert words in error.message


@pytest.mark.parametrize(
    ('old', 'new', 'words'),
    [
        ('type: roll_call', 'type: mix, container: apheresis, duration: 2 min', 'missing phase'),
        (
            '- {phase: roll_call',
            '- {phase: a, type: weigh, container: waste}\n          - {phase: roll_call',
            'must be the first',
        ),
    ],
)
def test_recipe_that_moves_something_before_every_label_is_read_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    error = refused(tmp_path, recipe_text(TRANSFER).replace(old, new))
    assert error.code is ErrorCode.RECIPE_INVALID
    assert words in error.message
    assert 'roll_call' in error.message


def test_reagent_that_is_not_in_the_kit_is_refused(tmp_path: Path) -> None:
    phase = '- {phase: wash, type: wash, source: culture, target: culture, waste: waste,'
    phase += ' buffer: saline, buffer_volume: 100 mL, final_volume: 50 mL}'
    error = refused(tmp_path, recipe_text(phase))
    assert 'missing reagent "saline"' in error.message


def test_container_without_the_reagent_is_refused(tmp_path: Path) -> None:
    phase = '- {phase: wash, type: wash, source: culture, target: culture, waste: waste,'
    phase += ' buffer: selected, buffer_volume: 100 mL, final_volume: 50 mL}'
    error = refused(tmp_path, recipe_text(phase))
    assert 'missing reagent: "selected" holds empty' in error.message


def test_container_of_another_kind_is_refused(tmp_path: Path) -> None:
    error = refused(
        tmp_path, recipe_text('- {phase: a, type: load_bay, bay: bay_1, container: vial}')
    )
    assert '"vial" is a vial, but the field takes vessel or bag' in error.message


def test_drawing_more_than_the_kit_holds_is_refused_at_the_phase_that_does(tmp_path: Path) -> None:
    phases = ''.join(
        f'- {{phase: feed_{n}, type: transfer, source: medium, target: waste, volume: 400 mL}}\n'
        for n in range(3)
    )
    error = refused(tmp_path, recipe_text(phases))
    assert error.code is ErrorCode.MATERIAL_MISSING
    assert error.line == FIRST + 2
    assert error.field == 'unit/operation/feed_2.volume'
    assert '1200 mL' in error.message
    assert '1000 mL' in error.message


def test_bay_of_no_incubator_is_refused(tmp_path: Path) -> None:
    error = refused(
        tmp_path, recipe_text('- {phase: a, type: measure_probes, bay: 1, container: culture}')
    )
    assert 'not a bay' in error.message


def test_fields_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    phase = '- {phase: a, type: check, measurement: viability_pct, on_failure: stop}'
    assert 'at_least' in refused(tmp_path, recipe_text(phase)).message
    phase = (
        '- {phase: a, type: check, measurement: viability_pct, at_least: 5 mL, on_failure: stop}'
    )
    assert 'not the unit "mL"' in refused(tmp_path, recipe_text(phase)).message
    phase = '- {phase: a, type: fill_vials, source: product, vials: vial, least_volume: 5 mL,'
    phase += ' most_volume: 2 mL}'
    assert 'above most_volume' in refused(tmp_path, recipe_text(phase)).message
    phase = phase.replace('most_volume: 2 mL', 'most_volume: 9 mL, quality_vials: vial')
    assert 'needs a material of its own' in refused(tmp_path, recipe_text(phase)).message


def test_test_of_vials_that_none_were_filled_for_is_refused(tmp_path: Path) -> None:
    phase = '- {phase: test, type: assay_vial, vials: quality_vial, tests: [sterility]}'
    error = refused(tmp_path, recipe_text(phase))
    assert error.field == 'unit/operation/test.vials'
    assert '"quality_vial" are quality_vials of no fill_vials before it' in error.message


@pytest.mark.parametrize(
    ('more', 'field', 'words'),
    [
        ('assay_day: 9\n  assay_tests: [sterility]\n  tubes: tube', 'assay_day', '9 is after'),
        ('count_days: [3, 8]', 'count_days', '8 is after'),
        ('earliest_day: 6', 'earliest_day', '6 is after'),
    ],
)
def test_day_after_the_end_of_its_phase_is_refused_at_its_line(
    tmp_path: Path, more: str, field: str, words: str
) -> None:
    phase = GROW % ('grow', 5)
    error = refused(tmp_path, recipe_text(f'{phase}  {more}\n'))
    assert error.code is ErrorCode.RECIPE_INVALID
    assert error.line == FIRST + phase.strip().count('\n') + 1
    assert error.field == f'procedure[1].operations[0].phases[0].{field}'
    assert f'{words} until_day 5' in error.message


@pytest.mark.parametrize(
    ('before', 'more', 'field', 'words'),
    [
        (GROW % ('rest', 1), '', 'until_day', '0.5 is before day 1'),
        (
            '\n- {phase: rest, type: incubate, bay: bay_1, duration: 18 h}\n',
            '',
            'until_day',
            '0.5 is before day 0.75',
        ),
        (
            f'{GROW % ("rest", 1)}  target_cells: 1e9 cells\n  earliest_day: 0.4\n',
            'count_days: [0.2, 0.5]',
            'count_days',
            '0.2 is before day 0.4',
        ),
    ],
)
def test_day_that_is_over_before_its_phase_begins_is_refused(
    tmp_path: Path, before: str, more: str, field: str, words: str
) -> None:
    phases = f'{before.rstrip()}{GROW % ("grow", 0.5)}  {more}\n'
    error = refused(tmp_path, recipe_text(phases))
    assert error.code is ErrorCode.RECIPE_INVALID
    assert error.line == FIRST + before.strip().count('\n') + 1
    assert error.field == f'unit/operation/grow.{field}'
    assert f'{words}, when the phase begins at the earliest' in error.message


@pytest.mark.parametrize(
    'before',
    [
        GROW % ('rest', 0.5),
        f'{GROW % ("rest", 1)}  target_cells: 1e9 cells\n  earliest_day: 0.4\n',
        f'\n- {{phase: rest, type: incubate, bay: bay_1, duration: 9 h}}{SEED}',
        f'{GROW % ("rest", 3)}{SEED}',
    ],
    ids=['same day', 'may end sooner', 'before the seeding', 'days begin anew'],
)
def test_day_that_can_still_come_is_taken(tmp_path: Path, before: str) -> None:
    path = tmp_path / 'right.yaml'
    phases = f'{before.rstrip()}{GROW % ("grow", 0.5)}  count_days: [0.5]\n'
    path.write_text(recipe_text(phases), encoding='utf-8')
    assert 'unit/operation/grow' in dict(load_recipe(path).phases())


@pytest.mark.parametrize('name', ['car_t_12_day', 'car_t_7_day_perfusion', 'car_t_3_day'])
def test_shipped_recipe_loads(name: str) -> None:
    recipe = load_recipe(find_recipe(name, CONFIG / 'recipes'))
    assert recipe.name == name
    assert len(recipe.sha256) == 64


def test_misspelt_recipe_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match='did you mean "car_t_12_day"'):
        find_recipe('car_t_12_days', CONFIG / 'recipes')
    with pytest.raises(InputError, match='no such file'):
        find_recipe('somewhere/else.yaml', CONFIG / 'recipes')


def test_kit_has_numbered_containers_and_the_patients_volume(tmp_path: Path) -> None:
    path = tmp_path / 'r.yaml'
    path.write_text(recipe_text(TRANSFER), encoding='utf-8')
    kit = {item.name: item for item in load_recipe(path).kit(PATIENT)}
    assert kit['apheresis'].volume_ml == PATIENT.apheresis_volume_ml
    assert {'medium_1', 'medium_2', 'cartridge_01', 'cartridge_12', 'vial_6'} <= set(kit)
    assert 'medium' not in kit


def test_units_are_converted(tmp_path: Path) -> None:
    path = tmp_path / 'r.yaml'
    text = recipe_text(TRANSFER.replace('70 mL', '0.07 L'))
    path.write_text(text, encoding='utf-8')
    _, (_, spec), _ = load_recipe(path).phases()
    assert spec.phase.volume_ml == pytest.approx(70.0)
