"""The cell's configuration: the shipped one loads, and each mistake is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from medicell_core.errors import InputError
from medicell_core.operations import Role
from medicell_core.serving import UsedFile
from medicell_devices.cell_config import load_cell, make_drivers
from medicell_devices.testing.bench import CELL_FILE as BENCH_FILE
from medicell_devices.testing.bench import Bench

CELL_FILE = Path(__file__).parents[3] / 'config' / 'cell.yaml'


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = CELL_FILE.read_text(encoding='utf-8')
    assert old in text
    path = tmp_path / 'cell.yaml'
    path.write_text(text.replace(old, new, 1), encoding='utf-8')
    return path


def line_of(path: Path, text: str) -> int:
    lines = path.read_text(encoding='utf-8').splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def test_shipped_cell_loads_and_makes_a_driver_per_role() -> None:
    bench = Bench()
    drivers = make_drivers(load_cell(CELL_FILE), bench.world)
    bench.close()
    assert set(drivers) == set(Role)
    assert all(driver.role is role for role, driver in drivers.items())


def test_bench_of_the_contract_has_the_limits_of_the_shipped_cell() -> None:
    assert load_cell(BENCH_FILE).model_dump() == load_cell(CELL_FILE).model_dump()


def test_configuration_tells_its_file_as_it_was_read(tmp_path: Path) -> None:
    path = changed(tmp_path, 'max_fields: 24', 'max_fields: 23')
    content = path.read_bytes()
    cell = load_cell(path)
    path.write_text('cell: another\n', encoding='utf-8')
    assert cell.file == UsedFile.of('cell.yaml', content)
    assert cell.file != load_cell(CELL_FILE).file


@pytest.mark.parametrize(
    ('old', 'new', 'field', 'text'),
    [
        ('max_rate_ml_min', 'max_rate_ml_mim', 'fluid_handler.max_rate_ml_mim', 'unknown key'),
        ('max_pressure_kpa: 80.0', 'max_pressure_kpa: high', 'max_pressure_kpa', "'high'"),
        ('max_volume_ml: 1000.0', 'max_volume_ml: -1.0', 'max_volume_ml', 'greater than 0'),
        ('max_volume_ml: 1000.0', 'max_volume_ml: .nan', 'max_volume_ml', 'nan'),
        ('temperature_c: [20.0, 40.0]', 'temperature_c: [40.0, 20.0]', 'temperature_c', 'below'),
        ('max_fields: 24', 'max_fields: 0', 'imaging.max_fields', 'greater than or equal to 1'),
        ('nest_positions: 24', 'nest_positions: 25', 'nest_positions', 'less than or equal'),
        ('bays: [bay_1,', 'bays: [bay_2,', 'incubator', 'bays must differ'),
        ('cell: cell_1', 'cell: Cell One', 'cell', 'match'),
        ('fill_robot:\n  driver: simulated', 'fill_robot:\n  driver: acme', 'driver', 'known are'),
        ('laboratory:', 'labratory:', 'labratory', 'unknown key'),
    ],
)
def test_mistake_is_refused_with_file_line_and_field(
    tmp_path: Path, old: str, new: str, field: str, text: str
) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(InputError) as caught:
        load_cell(path)
    message = caught.value.message
    assert str(path) in message
    assert text in message
    if field != 'labratory':
        assert field in message
        wanted = 'acme' if 'acme' in new else new
        if field != 'incubator':
            assert caught.value.line == line_of(path, wanted)


def test_missing_field_is_named_with_its_role_s_line(tmp_path: Path) -> None:
    path = changed(tmp_path, '  max_rate_ml_min: 100.0\n', '')
    with pytest.raises(InputError, match=r'cell.yaml:5: fluid_handler.max_rate_ml_min: missing'):
        load_cell(path)


@pytest.mark.parametrize('content', ['cell: [', '- a\n- b\n', '', '\x00'])
def test_file_that_is_no_configuration_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'cell.yaml'
    path.write_text(content, encoding='utf-8')
    with pytest.raises(InputError, match=r'cell\.yaml'):
        load_cell(path)


def test_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='cannot be read'):
        load_cell(tmp_path / 'none.yaml')


def test_duplicate_key_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, 'cell: cell_1\n', 'cell: cell_1\ncell: cell_2\n')
    with pytest.raises(InputError, match='cell'):
        load_cell(path)


def test_simulated_driver_without_a_world_is_refused() -> None:
    with pytest.raises(InputError, match='needs a world'):
        make_drivers(load_cell(CELL_FILE), None)
