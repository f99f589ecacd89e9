"""The command line: what it is given goes to a command, and what that raises to the user."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from medicell_bringup.catalogue import COMMANDS
from medicell_bringup.options import cell, records, studies
from medicell_core.errors import InputError, MedicellError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name='medicell',
    help='Medicell, the control software of a robotic cell-manufacturing workcell.',
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for part in (cell, records, studies):
    app.add_typer(part.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(given or ['--help'], prog_name='medicell', standalone_mode=False)
    except TyperException as error:
        hint = (
            f'medicell {given[0]} --help' if given and given[0] in COMMANDS else 'medicell --help'
        )
        return _fail(f'{error.format_message()} (see `{hint}`)', EXIT_USAGE)
    except InputError as error:
        return _fail(error.message, EXIT_USAGE)
    except MedicellError as error:
        return _fail(f'{error.code.name} ({int(error.code)}): {error.message}', EXIT_FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return _fail('interrupted', EXIT_INTERRUPTED)
    except BrokenPipeError:
        # A reader such as `head` went away: nothing more can be said, and nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    return int(code or 0)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f'medicell: {message}\n')
    return code


if __name__ == '__main__':
    sys.exit(main())
