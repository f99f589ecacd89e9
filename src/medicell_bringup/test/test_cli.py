"""The command line answers bad usage with one line and exit 2."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from typer.main import get_command

from medicell_bringup import cli
from medicell_bringup.catalogue import COMMANDS
from medicell_bringup.commands import run
from medicell_bringup.shipped import shipped_config
from medicell_bringup.workspace.main import help_text
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_gazebo import gazebo11


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['fly'], "No such command 'fly'"),
        (['verify'], "Missing argument 'FILE|FOLDER|URL'"),
        (['verify', 'a', '--hed', 'x'], '--hed'),
        (['run', '--seed', 'seven'], "Invalid value for '--seed'"),
        (['run', '--simulator', 'ode'], "Invalid value for '--simulator'"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.count('\n') == 1
    assert expected in captured.err
    assert '--help' in captured.err


@pytest.mark.parametrize(
    'arguments', [['run', '--join'], ['status'], ['model', '--live']], ids=lambda words: words[0]
)
def test_namespace_that_is_none_is_refused_at_once(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*arguments, '--namespace', 'a' * 60 + '-']) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.startswith("medicell: --namespace: 'aaa")
    assert captured.err.endswith(' is no ROS namespace\n')


@pytest.mark.parametrize(('option', 'value'), [('--seed', '0'), ('--speed', '0')])
def test_seed_and_speed_are_refused_on_a_joined_cell(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(['run', '--join', option, value]) == 2
    assert f'{option}: is said where the cell is launched' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('error', 'code', 'expected'),
    [
        (
            InputError(ErrorCode.RECIPE_INVALID, 'no such key', file='r.yaml', line=3, field='x'),
            2,
            'medicell: r.yaml:3: x: no such key\n',
        ),
        (
            MedicellError(ErrorCode.TIMEOUT, 'no answer in 5 s'),
            1,
            'medicell: TIMEOUT (11): no answer in 5 s\n',
        ),
    ],
)
def test_error_of_a_command_becomes_one_line_and_its_exit_code(
    error: MedicellError,
    code: int,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*arguments: object, **options: object) -> int:
        raise error

    monkeypatch.setattr(cli, 'app', fail)
    assert cli.main(['verify', 'x']) == code
    assert capsys.readouterr().err == expected


def test_help_of_script_and_command_line_name_the_same_commands() -> None:
    assert set(get_command(cli.app).commands) == set(COMMANDS)  # type: ignore[attr-defined]
    for name in ('setup', 'test', *COMMANDS):
        assert f'\n  {name} ' in help_text()


def test_file_that_is_no_record_exits_2(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(['verify', f'{tmp_path}/none.sqlite']) == 2
    assert 'NOT A RECORD' in capsys.readouterr().out


@pytest.mark.parametrize(
    'words',
    [
        ['run', '--out', '{folder}/out'],
        ['run', '--join', '--out', '{folder}/out'],
        ['status'],
        ['model'],
        ['study', '--seeds', '1'],
    ],
    ids=' '.join,
)
@pytest.mark.parametrize('name', ['cell.yaml', 'other.yaml'])
def test_config_is_a_folder_or_a_file_in_one(
    words: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / 'config'
    shutil.copytree(shipped_config(), folder)
    file = folder / name
    # Wrong: so the message names the file that was read, and nothing starts.
    file.write_text('cell: 1st cell\n', encoding='utf-8')
    config = folder if name == 'cell.yaml' else file
    said = [word.format(folder=tmp_path) for word in words]
    assert cli.main([*said, '--config', str(config)]) == 2
    assert f'{file}:' in capsys.readouterr().err


@pytest.mark.parametrize(
    'words',
    [
        ['run', '--recipe', '{recipe}', '--out', '{folder}/out'],
        ['run', '--join', '--recipe', '{recipe}', '--out', '{folder}/out'],
        ['status'],
        ['model'],
        ['study', '--seeds', '1', '--recipe', '{recipe}'],
        ['tree', '{recipe}'],
    ],
    ids=lambda words: ' '.join(words[:2]),
)
@pytest.mark.parametrize(
    ('missing', 'said'),
    [
        ('none', 'none: --config: there is no such folder'),
        ('config/cell2.yaml', 'config/cell2.yaml: --config: there is no such file'),
        ('config', 'config/cell.yaml: --config: there is no such file'),
    ],
)
def test_config_that_is_not_there_is_named(
    words: list[str],
    missing: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / 'config').mkdir()
    recipe = shipped_config() / 'recipes' / 'car_t_3_day.yaml'
    given = [word.format(folder=tmp_path, recipe=recipe) for word in words]
    assert cli.main([*given, '--config', str(tmp_path / missing)]) == 2
    told = capsys.readouterr().err
    assert f'{tmp_path}/{said}' in told
    assert told.count('\n') == 1, told


def test_tree_of_a_file_s_folder_is_that_of_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(shipped_config(), tmp_path / 'config')
    drawn = []
    for config in (tmp_path / 'config', tmp_path / 'config' / 'cell.yaml'):
        assert cli.main(['tree', 'car_t_3_day', '--config', str(config)]) == 0
        drawn.append(capsys.readouterr().out)
    assert drawn[0] == drawn[1]


def test_run_of_a_cell_without_simulated_drivers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, '_is_simulated', lambda *_: False)
    assert cli.main(['run', '--out', str(tmp_path / 'out')]) == 2
    assert 'cell.yaml is simulated: nothing to run' in capsys.readouterr().err


@pytest.mark.parametrize('option', ['--join', '--processes'])
def test_gazebo_is_run_in_one_process(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    assert cli.main(['run', '--simulator', 'gazebo', option, '--out', str(out)]) == 2
    assert f'without {option}' in capsys.readouterr().err
    assert not out.exists()


def test_machine_that_cannot_have_gazebo_is_told_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Neither mmdebstrap nor a tree that was made before.
    monkeypatch.setenv('MEDICELL_GAZEBO_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('PATH', str(tmp_path))
    assert cli.main(['run', '--simulator', 'gazebo', '--out', str(tmp_path / 'out')]) == 2
    assert 'mmdebstrap' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_gazebo_that_is_told_to_end_while_it_is_prepared_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told_to_end(_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    monkeypatch.setattr(gazebo11, 'prepared', told_to_end)
    try:
        code = cli.main(['run', '--simulator', 'gazebo', '--out', str(tmp_path / 'out')])
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGHUP), before, strict=True):
            signal.signal(number, handler)
    assert code == cli.EXIT_INTERRUPTED
    assert not (tmp_path / 'out').exists()
