"""The page of the command line, from what the commands themselves declare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medicell_bringup.catalogue import COMMANDS
from medicell_bringup.documents.markdown import code, page, section, table

INTRODUCTION = (
    '`./medicell COMMAND [OPTIONS]`. Each command sets the workspace up first when that is '
    'needed. `./medicell COMMAND --help` prints the same as this page.'
)
EXIT_CODES = (
    ('0', 'done; of `run`: ready for release'),
    ('1', 'something failed that is not the input'),
    ('2', 'wrong input: nothing was started and nothing overwritten'),
    (
        '3',
        '`run`: made, and failed its limits, or without a fault that was injected, or that is not '
        'known; `verify`: the record was altered',
    ),
    ('4', '`run`: held or aborted, or left open with a question'),
    ('130', 'interrupted'),
)


def command_line_page() -> str:
    """Return the page of commands with their options."""
    import typer.main  # noqa: PLC0415

    from medicell_bringup.cli import app  # noqa: PLC0415
    from medicell_bringup.workspace.main import OWN_COMMANDS, SETUP, setup_parser  # noqa: PLC0415

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return page(
        'Command line',
        INTRODUCTION,
        section('Exit codes', table(('code', 'meaning'), EXIT_CODES)),
        section(code('setup'), _sentence(SETUP), _setup_options(setup_parser())),
        *(_command(name, commands[name]) for name in COMMANDS),
        *(section(code(name), _sentence(text)) for name, text in OWN_COMMANDS.items()),
    )


def _sentence(text: str) -> str:
    return f'{text[0].upper()}{text[1:]}.'


def _setup_options(parser: Any) -> str:
    rows = (
        (code(item.option_strings[-1]), 'off', item.help)
        for item in parser._actions
        if item.option_strings and item.dest != 'help'
    )
    return table(('option', 'default', 'meaning'), rows)


def _command(name: str, command: Any) -> str:
    shown = [item for item in command.params if not getattr(item, 'hidden', False)]
    arguments = [item for item in shown if item.param_type_name == 'argument']
    usage = ' '.join([f'./medicell {name}', '[OPTIONS]', *map(_argument, arguments)])
    return section(
        code(name),
        command.help or '',
        f'```text\n{usage}\n```',
        table(('argument or option', 'default', 'meaning'), _rows(shown)),
    )


def _argument(item: Any) -> str:
    name = item.metavar or item.name.upper()
    return str(name) if item.required else f'[{name}]'


def _rows(items: list[Any]) -> Iterator[tuple[str, ...]]:
    for item in items:
        help_text = ' '.join((item.help or '').split())
        if item.param_type_name == 'argument':
            default = 'needed' if item.required else _default(item)
            yield code(_argument(item).strip('[]')), default, help_text
            continue
        name = ', '.join(code(text) for text in [*item.opts, *item.secondary_opts])
        if not item.is_flag:
            name += f' {code(item.metavar or item.name.upper())}'
        yield name, _default(item), help_text


def _default(item: Any) -> str:
    if getattr(item, 'is_flag', False):
        return 'off' if not item.default else 'on'
    return 'none' if item.default in (None, [], ()) else code(str(item.default))
