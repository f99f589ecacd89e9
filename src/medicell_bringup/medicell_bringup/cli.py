"""The command line: options here, the work in a lazily imported module per command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from medicell_bringup.catalogue import COMMANDS
from medicell_bringup.people import UsersAction
from medicell_bringup.shipped import cell_file_of, shipped_config
from medicell_core.errors import InputError, MedicellError
from medicell_record.access.permissions import UserRole
from medicell_record.motion import Simulator
from medicell_record.signing.rules import Meaning

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


def _checked_namespace(text: str) -> str:
    from medicell_bringup.launching.arguments import check_namespace

    if text:
        check_namespace('--namespace', text)
    return text


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder with cell.yaml, recipes and patients, or a cell's file in such a one;"
        ' the shipped one by default.'
    ),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the cells' keys, anchors and accounts; $XDG_STATE_HOME/medicell or"
        ' ~/.local/state/medicell by default.'
    ),
]
ByOption = Annotated[
    str,
    typer.Option('--as', metavar='USER', help='Who does it; the password is asked for.'),
]
ReasonOption = Annotated[str, typer.Option(help='Why, for the record.')]
NamespaceOption = Annotated[
    str,
    typer.Option(
        help="Namespace of the cell; its name in the cell's file by default.",
        callback=_checked_namespace,
    ),
]


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


@app.command('run', help='Run one batch from leukapheresis to labelled vials.')
def run_command(
    *,
    recipe: Annotated[
        str | None,
        typer.Option(help='A shipped recipe by name, or a recipe file; car_t_12_day by default.'),
    ] = None,
    patient: Annotated[
        Path | None, typer.Option(help='Patient file; the shipped example by default.')
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help='Seed of donor, instruments and faults; 1 by default.')
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help='Folder for the results; made, and never overwritten.')
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(help='Simulated seconds per second of wall time; `max` by default.'),
    ] = None,
    processes: Annotated[
        bool, typer.Option('--processes', help='One process per node instead of one for all.')
    ] = False,
    inject: Annotated[
        list[str] | None,
        typer.Option(metavar='FAULT@PHASE', help='Let a fault strike in a phase; repeatable.'),
    ] = None,
    join: Annotated[
        bool, typer.Option('--join', help='Make the batch on a cell that is launched already.')
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(metavar='DIR', help='Take up the batch whose process has died in a folder.'),
    ] = None,
    gap: Annotated[
        float | None,
        typer.Option(
            metavar='SECONDS',
            help='With --resume: for so long of its time nobody has controlled the cell; by'
            ' default, as long as by the wall.',
        ),
    ] = None,
    simulator: Annotated[
        Simulator, typer.Option(help="By what the cell moves: computed, or Gazebo's physics.")
    ] = Simulator.BUILTIN,
    namespace: NamespaceOption = '',
    config: ConfigOption = None,
) -> int:
    """Hand the options of a run over to its command."""
    from medicell_bringup.commands.run import RunOptions, run

    return run(
        RunOptions(
            recipe=recipe,
            patient=patient,
            seed=seed,
            out=out,
            speed=speed,
            processes=processes,
            inject=inject or [],
            config=config or shipped_config(),
            join=join,
            resume=resume,
            gap_s=gap,
            simulator=simulator,
            namespace=namespace,
        )
    )


@app.command('launch', help='Start a cell of one process per node, as `ros2 launch` does.')
def launch_command(
    description: Annotated[
        str, typer.Argument(help='One of: cell, devices, orchestrator, rviz.')
    ] = 'cell',
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar='NAME:=VALUE...', help='Launch arguments; see --show-args.'),
    ] = None,
    *,
    show_args: Annotated[
        bool, typer.Option('--show-args', help='Show the arguments and start nothing.')
    ] = False,
) -> int:
    """Hand the arguments of a launch over to its command."""
    from medicell_ros import startup

    with startup.uncollected():
        from medicell_bringup.commands.launch import launch

    return launch(description, arguments or [], show_arguments=show_args)


@app.command('status', help="Ask a cell's nodes for their state: exit 0 if all are active.")
def status_command(
    config: ConfigOption = None,
    namespace: NamespaceOption = '',
    timeout: Annotated[
        float, typer.Option(min=0.0, help='Wall seconds that the nodes may take to answer.')
    ] = 10.0,
) -> int:
    """Hand the options of a look at the cell over to its command."""
    from medicell_bringup.commands.status import status

    cell = cell_file_of(config or shipped_config())
    return status(cell, namespace=namespace, timeout_s=timeout)


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


@app.command('sign', help='Sign a batch that has ended, close a deviation, or see what is open.')
def sign_command(
    folder: Annotated[Path, typer.Argument(help='The folder of a batch.')],
    meaning: Annotated[
        Meaning | None,
        typer.Argument(
            metavar='MEANING',
            help='performed, reviewed, approved, rejected, released; closed with --deviation.'
            ' What is signed and what is open is shown without it.',
        ),
    ] = None,
    *,
    by: ByOption = '',
    deviation: Annotated[
        str, typer.Option(metavar='D001', help='The deviation to be closed.')
    ] = '',
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
            help='operator, supervisor, quality, qualified_person, maintenance or administrator;'
            ' repeatable.',
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


@app.command('tree', help='Draw a recipe as its behaviour tree.')
def tree_command(
    recipe: Annotated[str, typer.Argument(help='A shipped recipe by name, or a recipe file.')],
    out: Annotated[
        Path | None, typer.Option(help='Write to this .svg, .png, .dot or .txt file instead.')
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Hand the options of a drawing over to its command."""
    from medicell_bringup.commands.tree import draw_recipe

    return draw_recipe(recipe, out=out, config=config or shipped_config())


@app.command('model', help="Check the cell's model; write it as URDF or draw it.")
def model_command(
    *,
    out: Annotated[Path | None, typer.Option(help='Write the URDF to this file.')] = None,
    picture: Annotated[Path | None, typer.Option(help='Draw it into this .png file.')] = None,
    view: Annotated[
        str,
        typer.Option(help='`cell`, `bags`, `filling` or `cycle`; by default `cell`, or `cycle`.'),
    ] = '',
    live: Annotated[
        bool, typer.Option('--live', help="Draw a running cell with its scene's markers.")
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option(
            metavar='FOLDER|FILE',
            help="Draw a vial's cycle from the poses of a run in Gazebo; --picture then may be"
            ' .webp or .gif, which move.',
        ),
    ] = None,
    move: Annotated[
        str,
        typer.Option(
            metavar='START:GOAL',
            help='Draw how an open vial is planned to be carried between two stations.',
        ),
    ] = '',
    when: Annotated[
        str,
        typer.Option(
            help='Of a running cell: wait for its markers `swept`, or others. Of a replay as'
            ' .png: the station where the vial is, `fill` by default.'
        ),
    ] = '',
    namespace: Annotated[
        str,
        typer.Option(
            help="The running cell's namespace; the configured one by default.",
            callback=_checked_namespace,
        ),
    ] = '',
    samples: Annotated[
        int, typer.Option(min=1, max=4096, help='Samples per pixel: more take longer.')
    ] = 64,
    config: ConfigOption = None,
) -> int:
    """Hand the options of the model over to its command."""
    from medicell_bringup.commands.model import ModelOptions, show_model

    return show_model(
        ModelOptions(
            out=out,
            picture=picture,
            view=view,
            live=live,
            replay=replay,
            move=move,
            when=when,
            namespace=namespace,
            samples=samples,
            config=config or shipped_config(),
        )
    )


@app.command('study', help='Compare the model with published tables, or run many seeds.')
def study_command(
    *,
    calibration: Annotated[
        bool, typer.Option('--calibration', help='Model against each published row.')
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(help='Make this many whole batches, without ROS.')
    ] = None,
    first_seed: Annotated[int, typer.Option(help='Seed of the first batch.')] = 1,
    recipe: Annotated[
        str, typer.Option(help='A shipped recipe by name, or a recipe file.')
    ] = 'car_t_12_day',
    patient: Annotated[
        Path | None, typer.Option(help='Patient file; the shipped example by default.')
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help='Folder for the pictures and the figures as JSON.')
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Hand the options of a study over to its command."""
    from medicell_bringup.commands.study import StudyOptions, run_study, show_calibration

    if calibration == (seeds is not None):
        return _fail('study: give either --seeds N or --calibration', EXIT_USAGE)
    if seeds is None:
        return show_calibration(out=out)
    return run_study(
        StudyOptions(
            seeds=seeds,
            first_seed=first_seed,
            recipe=recipe,
            patient=patient,
            out=out,
            config=config or shipped_config(),
        )
    )


@app.command('bench', help='Measure what the cell costs: speed, memory, moves, vials.')
def bench_command(
    *,
    groups: Annotated[
        list[str] | None, typer.Argument(metavar='GROUP...', help='Groups; all if none.')
    ] = None,
    runs: Annotated[int, typer.Option(help='Values of each figure; the median is shown.')] = 3,
    recipe: Annotated[
        str, typer.Option(help='A shipped recipe by name, or a recipe file.')
    ] = 'car_t_12_day',
    seed: Annotated[int, typer.Option(help='Seed of every batch.')] = 1,
    vials: Annotated[int, typer.Option(help='How many vials the group `vials` fills.')] = 1000,
    pairs: Annotated[
        int, typer.Option(min=2, help='How many pairs of poses the group `motion` plans.')
    ] = 10_000,
    labels: Annotated[
        int, typer.Option(min=6, help='How many labels the group `labels` reads.')
    ] = 10_000,
    json: Annotated[
        Path | None, typer.Option(help='Write all figures to this new file as well.')
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(metavar='DIR', help='Draw a picture of each group there.')
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help='Write the page of the documentation to this file.')
    ] = None,
    read: Annotated[
        Path | None, typer.Option(help='Measure nothing: show the figures of this JSON file.')
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Hand the options of a measurement over to its command."""
    from medicell_bringup.bench.result import BenchOptions
    from medicell_bringup.commands.bench import Output, again, bench

    output = Output(json_file=json, pictures=pictures, page=page)
    if read is not None:
        return again(read, output)
    options = BenchOptions(
        recipe=recipe,
        seed=seed,
        runs=runs,
        config=config or shipped_config(),
        vials=vials,
        pairs=pairs,
        labels=labels,
    )
    return bench(groups or [], options, output)


@app.command('docs', help='Build the documentation as a site; a broken link fails it.')
def docs_command(
    *,
    out: Annotated[
        Path | None, typer.Option(help='Folder for the pages; build/docs of the checkout if none.')
    ] = None,
    external: Annotated[
        bool, typer.Option('--external', help='Ask for every address on the network as well.')
    ] = False,
) -> int:
    """Hand the options of the site over to its command."""
    from medicell_bringup.commands.docs import build_docs

    return build_docs(out=out, external=external)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f'medicell: {message}\n')
    return code


if __name__ == '__main__':
    sys.exit(main())
