"""The command line answers bad usage with one line and exit 2."""

from __future__ import annotations

import pytest
from typer.main import get_command

from medicell_bringup import cli
from medicell_bringup.catalogue import COMMANDS
from medicell_bringup.workspace.main import help_text
from medicell_core.errors import ErrorCode, InputError, MedicellError


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['fly'], "No such command 'fly'"),
        (['verify'], "Missing argument 'file'"),
        (['verify', 'a', '--hed', 'x'], '--hed'),
        (['run', '--seed', 'seven'], "Invalid value for '--seed'"),
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
