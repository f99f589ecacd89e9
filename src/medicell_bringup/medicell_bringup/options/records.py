"""The commands that read and sign records: verify, sign, export, users, upgrade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medicell_bringup.options.shared import ByOption, ConfigOption, ReasonOption, StateOption
from medicell_bringup.people import UsersAction
from medicell_bringup.shipped import shipped_config
from medicell_record.access.permissions import UserRole
from medicell_record.signing.meanings import Meaning

app = typer.Typer()


@app.command(
    'verify', help="Check a record's chain and checkpoints: exit 0 sound, 2 no record, 3 altered."
)
def verify_command(
    record: Annotated[
        str,
        typer.Argument(
            metavar='FILE|FOLDER|URL',
            help='A record.sqlite, the folder of a batch, or postgresql://...?batch=NAME.',
        ),
    ],
    head: Annotated[
        str | None,
        typer.Option(help='Head hash written down elsewhere.'),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help='Public key of the cell that made it; those of the cells here if none.'),
    ] = None,
    state: StateOption = None,
) -> int:
    """Hand the options of a check over to its command."""
    from medicell_bringup.commands.verify import verify_record

    return verify_record(record, head=head, key=key, state=state)


@app.command(
    'sign',
    help='Sign a batch that has ended, close a deviation, enter a final result, see what is open.',
)
def sign_command(
    folder: Annotated[Path, typer.Argument(help='The folder of a batch.')],
    meaning: Annotated[
        Meaning | None,
        typer.Argument(
            metavar='MEANING',
            help=f'{", ".join(Meaning)}; closed needs --deviation, tested --test, --result and'
            ' --reference. What is signed and what is open is shown without it.',
        ),
    ] = None,
    *,
    by: ByOption = '',
    deviation: Annotated[
        str, typer.Option(metavar='D001', help='The deviation to be closed.')
    ] = '',
    test: Annotated[
        str, typer.Option(metavar='TEST', help='The test whose final result is entered.')
    ] = '',
    result: Annotated[str, typer.Option(metavar='RESULT', help='negative or positive.')] = '',
    reference: Annotated[
        str, typer.Option(metavar='TEXT', help="The laboratory's name for the result.")
    ] = '',
    days: Annotated[
        float,
        typer.Option(
            metavar='DAYS',
            help='Of a rehearsal: days since its end, for a final result. Else the clock tells.',
        ),
    ] = 0.0,
    reason: ReasonOption = '',
    config: ConfigOption = None,
    state: StateOption = None,
) -> int:
    """Hand the options of a signature over to its command."""
    from medicell_bringup.commands.sign import SignOptions, sign_batch

    return sign_batch(
        SignOptions(
            folder=folder,
            meaning=meaning,
            by=by,
            deviation=deviation,
            test=test,
            result=result,
            reference=reference,
            days=days,
            reason=reason,
            config=config or shipped_config(),
            state=state,
        )
    )


@app.command(
    'export', help='Write a batch that has ended to one archive, readable without this software.'
)
def export_command(
    folder: Annotated[Path, typer.Argument(metavar='DIR', help='The folder of a batch.')],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar='FILE.zip', help='The archive; never overwritten. DIR.zip by default.'
        ),
    ] = None,
    config: ConfigOption = None,
    state: StateOption = None,
) -> int:
    """Hand the options of an archive over to its command."""
    from medicell_bringup.commands.export import ExportOptions, export

    return export(
        ExportOptions(folder=folder, out=out, config=config or shipped_config(), state=state)
    )


@app.command('users', help="The cell's accounts: list, add, change, unlock.")
def users_command(
    action: Annotated[
        UsersAction,
        typer.Argument(
            metavar='ACTION',
            help='list, init (the first administrator), add, roles, password, unlock, disable,'
            ' history.',
        ),
    ] = UsersAction.LIST,
    user: Annotated[str, typer.Argument(metavar='USER', help='Whose account.')] = '',
    *,
    name: Annotated[str, typer.Option(help='Printed name, as it stands by a signature.')] = '',
    role: Annotated[
        list[UserRole] | None,
        typer.Option(
            metavar='ROLE',
            help='operator, supervisor, quality, qualified_person, physician, maintenance or'
            ' administrator; repeatable.',
        ),
    ] = None,
    by: ByOption = '',
    reason: ReasonOption = '',
    max_failures: Annotated[
        int | None,
        typer.Option(help='Of init: wrong passwords in a row that lock an account; 5 by default.'),
    ] = None,
    expiry_days: Annotated[
        float | None,
        typer.Option(help='Of init: days that a password holds; 180 by default.'),
    ] = None,
    config: ConfigOption = None,
    state: StateOption = None,
) -> int:
    """Hand the options of an account over to its command."""
    from medicell_bringup.commands.users import UsersOptions, users

    return users(
        UsersOptions(
            action=action,
            user=user,
            name=name,
            roles=role or [],
            by=by,
            reason=reason,
            max_failures=max_failures,
            expiry_days=expiry_days,
            config=config or shipped_config(),
            state=state,
        )
    )


@app.command('upgrade', help="Bring an older record's tables, or the accounts', to today's.")
def upgrade_command(
    record: Annotated[
        str,
        typer.Argument(
            metavar='FILE|FOLDER|URL',
            help="The record, as `verify` takes it; without one the cell's accounts.",
        ),
    ] = '',
    *,
    config: ConfigOption = None,
    state: StateOption = None,
) -> int:
    """Hand the options of an upgrade over to its command."""
    from medicell_bringup.commands.upgrade import UpgradeOptions, upgrade

    return upgrade(UpgradeOptions(record=record, config=config or shipped_config(), state=state))
