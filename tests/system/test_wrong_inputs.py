"""Each wrong input is answered by one line with its place and exit 2; nothing has begun."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from medicell_bringup.cli import main
from system.bench import CONFIG, Cli

RECIPE = CONFIG / 'recipes' / 'car_t_12_day.yaml'
PATIENT = CONFIG / 'patients' / 'example.yaml'

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Run with wrong options; return the one line said, after checking that nothing began."""

    def run(*options: object) -> str:
        out = tmp_path / 'out'
        arguments = [str(item) for item in options]
        if '--out' not in arguments:
            arguments += ['--out', str(out)]
        assert main(['run', *arguments]) == 2
        captured = capfd.readouterr()
        assert captured.out == ''
        assert captured.err.count('\n') == 1, captured.err
        assert not out.exists()
        return captured.err

    return run


def changed(file: Path, old: str, new: str, folder: Path) -> tuple[Path, int]:
    """Copy a file with one text changed; return the copy and the line of the change."""
    text = file.read_text('utf-8')
    assert text.count(old) == 1, f'{file} has "{old}" {text.count(old)} times'
    copy = folder / file.name
    copy.write_text(text.replace(old, new), encoding='utf-8')
    return copy, text[: text.index(old)].count('\n') + 1


@pytest.mark.parametrize(
    ('old', 'new', 'field', 'said'),
    [
        (
            'least_cells: 2e7 cells',
            'leest_cells: 2e7 cells',
            'procedure[1].operations[0].phases[2].leest_cells',
            'unknown key "leest_cells"; did you mean "least_cells"?',
        ),
        (
            'final_volume: 70 mL',
            'final_volume: 70 min',
            'procedure[1].operations[0].phases[2].final_volume',
            '"70 min": expected a quantity like "1 mL", not the unit "min"',
        ),
        (
            'final_volume: 70 mL',
            'final_volume: 70',
            'procedure[1].operations[0].phases[2].final_volume',
            '"70": expected a quantity like "1 mL", and it has no unit',
        ),
        (
            'volume: 2 mL, rate: 10 mL/min',
            'volume: -2 mL, rate: 10 mL/min',
            'procedure[1].operations[0].phases[3].volume',
            '"-2 mL" is below the limit 0.1 mL',
        ),
        (
            'bay: bay_1, container: culture',
            'bay: bay_1, container: cultur',
            'procedure[1].operations[0].phases[0].container',
            'unknown container "cultur": not among the materials; did you mean "culture"?',
        ),
        (
            'reagent: selection_beads',
            'reagent: antibody',
            'procedure[0].operations[2].phases[0].reagent',
            'missing reagent "antibody": not among the materials; known: selection_beads',
        ),
        (
            'reagent_volume: 3 mL',
            'reagent_volume: 13 mL',
            'starting_material/selection/select.reagent_volume',
            'draws 13 mL of "selection_beads", but the kit holds 10 mL',
        ),
        (
            'type: load_bay, bay: bay_1',
            'type: load_bay, bay: bay_7',
            'activation/seeding/load_vessel.bay',
            'the incubator of cell_1 has no "bay_7"',
        ),
        (
            'location: fill_robot/nest, count: 3',
            'location: fill_robot/nest, count: 4',
            'materials.quality_vial.count',
            '25 vials are placed, but the nest of cell_1 has 24 positions',
        ),
        (
            'cryo_fraction: 0.5 ',
            'cryo_fraction: [0.5 ',
            '',
            'not valid YAML',
        ),
    ],
)
def test_wrong_recipe_names_file_line_and_field(
    refused: Refused, tmp_path: Path, old: str, new: str, field: str, said: str
) -> None:
    recipe, line = changed(RECIPE, old, new, tmp_path)
    answer = refused('--recipe', recipe)
    assert said in answer
    if field.startswith('starting_material'):
        # What a phase draws in all is told at the phase, not at one of its fields.
        assert f'{recipe}:' in answer
    elif field:
        assert f'{recipe}:{line}: {field}: ' in answer
    else:
        assert f'{recipe}:' in answer


def test_unknown_recipe_names_the_nearest(refused: Refused) -> None:
    answer = refused('--recipe', 'car_t_12_days')
    assert 'unknown recipe "car_t_12_days"; did you mean "car_t_12_day"?' in answer


def test_recipe_file_that_is_not_there_is_named(refused: Refused, tmp_path: Path) -> None:
    answer = refused('--recipe', tmp_path / 'none.yaml')
    assert f'{tmp_path}/none.yaml: there is no such file' in answer


@pytest.mark.parametrize(
    ('old', 'new', 'field', 'said'),
    [
        (
            'apheresis_label: MC-2026-0001',
            'apheresis_label: MC-2026-0002',
            'apheresis_label',
            'the bag says "MC-2026-0002", but the order is for "MC-2026-0001"',
        ),
        (
            'product: cd19_car_t',
            'product: cd20_car_t',
            'product',
            'the order is for the product "cd20_car_t", but the recipe car_t_12_day makes'
            ' "cd19_car_t"',
        ),
        ('weight: 72 kg', 'weight: 72 mL', 'weight', 'not the unit "mL"'),
        ('weight: 72 kg', 'wieght: 72 kg', 'wieght', 'did you mean "weight"?'),
        ('apheresis_volume: 120 mL', 'apheresis_volume: -1 mL', 'apheresis_volume', '10 mL'),
    ],
)
def test_wrong_order_names_file_line_and_field(
    refused: Refused, tmp_path: Path, old: str, new: str, field: str, said: str
) -> None:
    patient, line = changed(PATIENT, old, new, tmp_path)
    answer = refused('--patient', patient)
    assert f'{patient}:{line}: {field}: ' in answer
    assert said in answer


def test_order_that_is_not_there_is_named(refused: Refused, tmp_path: Path) -> None:
    assert f'{tmp_path}/none.yaml: cannot read' in refused('--patient', tmp_path / 'none.yaml')


@pytest.mark.parametrize(
    ('old', 'new', 'field'),
    [
        ('max_fields: 24', 'max_fieldz: 24', 'imaging.max_fieldz'),
        ('min_volume_ml: 0.1', 'min_volume_ml: -0.1', 'fluid_handler.min_volume_ml'),
        ('max_pressure_kpa: 80.0', 'max_pressure_kpa: high', 'fluid_handler.max_pressure_kpa'),
    ],
)
def test_wrong_cell_names_file_line_and_field(
    refused: Refused, tmp_path: Path, old: str, new: str, field: str
) -> None:
    config = tmp_path / 'config'
    shutil.copytree(CONFIG, config)
    cell, line = changed(CONFIG / 'cell.yaml', old, new, config)
    assert f'{cell}:{line}: {field}: ' in refused('--config', config)


def test_product_without_specification_is_refused(refused: Refused, tmp_path: Path) -> None:
    config = tmp_path / 'config'
    shutil.copytree(CONFIG, config)
    (config / 'products' / 'cd19_car_t.yaml').unlink()
    assert 'the product "cd19_car_t" has no specification' in refused('--config', config)


def test_wrong_specification_names_file_and_key(refused: Refused, tmp_path: Path) -> None:
    config = tmp_path / 'config'
    shutil.copytree(CONFIG, config)
    product = config / 'products' / 'cd19_car_t.yaml'
    text = product.read_text('utf-8')
    product.write_text(text.replace('minimum: 70', 'minimun: 70', 1), encoding='utf-8')
    answer = refused('--config', config)
    assert str(product) in answer
    assert 'minimun' in answer


def test_config_folder_that_is_not_there_is_named(refused: Refused, tmp_path: Path) -> None:
    answer = refused('--config', tmp_path / 'none')
    assert f'{tmp_path}/none' in answer
    assert 'there is no such folder' in answer


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (('--seed', 'seven'), "Invalid value for '--seed'"),
        (('--seed', '-1'), '--seed: -1 is not between 0 and'),
        (('--seed', str(2**63)), '--seed'),
        (('--speed', 'fast'), '--speed: "fast" is neither "max" nor a number'),
        (('--speed', '0'), '--speed: 0 is not a finite number above 0'),
        (('--speed', 'nan'), '--speed: nan is not a finite number above 0'),
        (('--sede', '1'), 'No such option: --sede'),
        (('--inject', 'leak'), '--inject: "leak" is not of the form FAULT@PHASE'),
        (('--inject', 'leek@seed'), 'there is no fault "leek"; did you mean "leak"?'),
        (('--inject', 'leak@sede'), 'has no phase "sede"; did you mean "seed"?'),
        (
            ('--inject', 'leak@seed', '--inject', 'dropped_vial@seed'),
            'dropped_vial cannot strike in seed: it strikes in MoveContainer, ProcessVial;'
            ' phases with such an operation: fill',
        ),
    ],
)
def test_wrong_option_is_named(refused: Refused, options: tuple[str, ...], said: str) -> None:
    assert said in refused(*options)


def test_folder_below_a_file_is_refused(refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / 'file'
    file.write_text('mine')
    assert f'--out: {file}/run cannot be written' in refused('--out', file / 'run')
    assert f'--out: {file} cannot be written' in refused('--out', file)
    assert file.read_text() == 'mine'


def test_folder_that_the_system_refuses_is_refused(refused: Refused) -> None:
    assert '--out: /proc/medicell cannot be written' in refused('--out', '/proc/medicell')


@pytest.mark.parametrize('name', ['record.sqlite', 'summary.json', 'recipe.yaml', 'journals'])
def test_folder_with_results_is_refused_and_left_as_it_was(
    refused: Refused, tmp_path: Path, name: str
) -> None:
    taken = tmp_path / 'taken'
    taken.mkdir()
    (taken / name).write_text('of another run')
    assert f'{taken} already holds {name}' in refused('--out', taken)
    assert [item.name for item in taken.iterdir()] == [name]
    assert (taken / name).read_text() == 'of another run'


NODE = 'import sys; from medicell_nodes.main import {0}; sys.exit({0}())'
ORCHESTRATOR = 'import sys; from medicell_orchestrator.main import main; sys.exit(main())'


@pytest.mark.parametrize(
    ('code', 'options', 'said'),
    [
        (
            NODE.format('incubator'),
            ['-p', 'telemetry_perriod_s:=60.0'],
            'incubator.telemetry_perriod_s: unknown parameter; known are',
        ),
        (
            NODE.format('incubator'),
            ['-p', 'telemetry_period_s:=-60.0'],
            'incubator.telemetry_period_s: -60.0 is outside',
        ),
        (
            NODE.format('world'),
            ['--params-file', '{file}'],
            '{file}:3: world.sead: unknown parameter; known are',
        ),
        (
            ORCHESTRATOR,
            ['-p', 'autostrat:=false'],
            'orchestrator.autostrat: unknown parameter; known are',
        ),
    ],
    ids=['device', 'value', 'file', 'orchestrator'],
)
def test_wrong_parameter_of_a_node_ends_it_with_exit_2(
    cli: Cli, tmp_path: Path, code: str, options: list[str], said: str
) -> None:
    file = tmp_path / 'cell.params.yaml'
    file.write_text('world:\n  ros__parameters:\n    sead: 3\n', encoding='utf-8')
    given = [item.format(file=file) for item in options]
    process = cli.program([sys.executable, '-c', code, '--ros-args', *given])
    ended = cli.end_of(process, 60.0)
    assert ended.code == 2, ended.err
    assert said.format(file=file) in ended.err
    assert 'Traceback' not in ended.err


def test_wrong_input_is_answered_before_ros_is_loaded(cli: Cli, tmp_path: Path) -> None:
    code = (
        'import sys; from medicell_bringup.cli import main; '
        f'code = main(["run", "--inject", "leak@nowhere", "--out", {str(tmp_path / "out")!r}]); '
        'print(code, sorted({"rclpy", "matplotlib", "fpdf", "cv2"} & set(sys.modules)))'
    )
    ended = cli.end_of(cli.program([sys.executable, '-c', code]), 60.0)
    assert ended.out.split('\n')[0] == '2 []', ended.out + ended.err
