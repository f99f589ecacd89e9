"""A recipe that the cell or its own containers cannot serve is refused before a batch begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orchestrator_fakes import CONFIG, HEADER, make_recipe

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.cell_config import CellConfig, load_cell
from medicell_orchestrator.fitting import check_cell
from medicell_orchestrator.recipe import find_recipe, load_recipe

FIRST = HEADER.count('\n') + 1
SEED = """- {phase: seed, type: seed_cells, source: selected, target: culture, cells: 1e8 cells,
   least_cells: 1e6 cells, medium: medium, final_volume: 100 mL%s}"""
EXPAND = """- {phase: grow, type: expand, vessel: culture, bay: bay_1, until_day: 3,
   cartridges: cartridge, medium: medium, waste: waste, medium_glucose: 20 mmol/L,
   minimum_glucose: 5 mmol/L, maximum_lactate: 20 mmol/L, working_volume: 200 mL,
   least_feed: 10 mL, most_feed: 60 mL%s}"""
FILL = """- {phase: fill, type: fill_vials, source: product, vials: vial, least_volume: %s,
   most_volume: %s}"""


def cell(role: str = 'fluid_handler', **changes: Any) -> CellConfig:
    """Return the shipped cell with other limits of one device."""
    shipped = load_cell(CONFIG / 'cell.yaml')
    settings = getattr(shipped, role)
    other = type(settings).model_validate({**settings.model_dump(), **changes})
    return shipped.model_copy(update={role: other})


@pytest.mark.parametrize(
    ('phase', 'role', 'changes', 'key', 'words'),
    [
        (SEED % '', 'fluid_handler', {'max_rate_ml_min': 8.0}, 'cell_rate', '10 mL/min'),
        (SEED % '', 'fluid_handler', {'max_rate_ml_min': 25.0}, 'medium_rate', '0.1 to 25 mL/min'),
        (EXPAND % '', 'fluid_handler', {'max_rate_ml_min': 25.0}, 'feed_rate', '30 mL/min'),
        (EXPAND % '', 'incubator', {'max_exchange_ml': 50.0}, 'most_feed', '0.5 to 50 mL'),
        (
            EXPAND % ', feeding: perfusion, exchange_time: 2 min',
            'incubator',
            {},
            'exchange_time',
            '30 mL/min is not in the range of the incubator of cell_1: 0 to 20 mL/min',
        ),
        (
            '- {phase: warm, type: set_climate, bay: bay_1, temperature: 39 degC, co2: 5 %}',
            'incubator',
            {'temperature_c': (20.0, 38.0)},
            'temperature',
            '39 degC is not in the range of the incubator of cell_1: 20 to 38 degC',
        ),
        (FILL % ('1 mL', '8 mL'), 'fill_robot', {'fill_volume_ml': (0.5, 5.0)}, 'most_volume', ''),
        (FILL % ('1 mL', '8 mL'), 'fill_robot', {'fill_volume_ml': (2, 9)}, 'least_volume', ''),
        (FILL % ('1 mL', '8 mL'), 'particle_counter', {'max_duration_s': 30}, 'air_count', '60 s'),
        (
            '- {phase: count, type: count_cells, container: culture, cartridges: cartridge,'
            ' expected: 1e6 cells/mL, fields: 9}',
            'imaging',
            {'max_fields': 8},
            'fields',
            '9 is not in the range of the imaging of cell_1: 1 to 8',
        ),
        (
            '- {phase: count, type: count_cells, container: culture, cartridges: cartridge,'
            ' expected: 1e6 cells/mL}',
            'fluid_handler',
            {'min_volume_ml': 0.5},
            'sample_volume',
            '0.2 mL',
        ),
    ],
)
def test_figure_that_a_device_would_refuse_is_refused_before_the_start(
    tmp_path: Path, phase: str, role: str, changes: dict[str, Any], key: str, words: str
) -> None:
    recipe = make_recipe(tmp_path, phase)
    with pytest.raises(InputError) as caught:
        check_cell(recipe, cell(role, **changes))
    error = caught.value
    assert error.code is ErrorCode.RECIPE_INVALID
    assert (error.file, error.line) == (recipe.file, FIRST)
    assert error.field.startswith('unit/operation/')
    assert error.field.endswith(f'.{key}')
    assert words in error.message


def test_rate_of_the_recipe_lets_a_slow_pump_do_it(tmp_path: Path) -> None:
    slow = cell(max_rate_ml_min=8.0)
    check_cell(make_recipe(tmp_path, SEED % ', cell_rate: 8 mL/min, medium_rate: 5 mL/min'), slow)


def test_feeds_of_a_phase_that_does_not_feed_are_not_asked_of_the_cell(tmp_path: Path) -> None:
    slow = cell(max_rate_ml_min=25.0)
    check_cell(make_recipe(tmp_path, EXPAND % ', feeding: none'), slow)


@pytest.mark.parametrize('name', ['car_t_12_day', 'car_t_7_day_perfusion', 'car_t_3_day'])
def test_shipped_recipe_fits_the_shipped_cell_and_not_a_slower_one(name: str) -> None:
    recipe = load_recipe(find_recipe(name, CONFIG / 'recipes'))
    check_cell(recipe, cell())
    with pytest.raises(InputError, match='mL/min is not in the range of the fluid_handler'):
        check_cell(recipe, cell(max_rate_ml_min=8.0))


@pytest.mark.parametrize(
    ('phase', 'key', 'material'),
    [
        (SEED.replace('100 mL', '301 mL') % '', 'final_volume', 'culture'),
        (EXPAND.replace('200 mL', '0.4 L') % '', 'working_volume', 'culture'),
        (FILL % ('1 mL', '11 mL'), 'most_volume', 'vial'),
        (
            '- {phase: t, type: transfer, source: medium, target: culture, volume: 400 mL}',
            'volume',
            'culture',
        ),
        (
            '- {phase: a, type: assay, source: product, tubes: tube, volume: 6 mL,'
            ' tests: [endotoxin]}',
            'volume',
            'tube',
        ),
    ],
)
def test_more_than_a_container_can_hold_is_refused(
    tmp_path: Path, phase: str, key: str, material: str
) -> None:
    with pytest.raises(InputError, match=f'"{material}" can hold') as caught:
        make_recipe(tmp_path, phase)
    assert caught.value.field.endswith(f'.{key}')
    assert caught.value.line == FIRST


def test_perfusion_without_a_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='a perfusion takes longer than 0 s') as caught:
        make_recipe(tmp_path, EXPAND % ', feeding: perfusion')
    assert caught.value.field.endswith('.exchange_time')
