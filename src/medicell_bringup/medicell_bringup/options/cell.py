"""The commands that work with a cell: run, launch, status, command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medicell_bringup.options.shared import (
    ByOption,
    ConfigOption,
    NamespaceOption,
    ReasonOption,
)
from medicell_bringup.people import Order
from medicell_bringup.shipped import cell_file_of, shipped_config
from medicell_record.motion import Simulator

app = typer.Typer()


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
    by: ByOption = '',
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
            by=by,
            gap_s=gap,
            simulator=simulator,
            namespace=namespace,
        )
    )


@app.command('launch', help='Start a cell of one process per node, as `ros2 launch` does.')
def launch_command(
    description: Annotated[
        str, typer.Argument(help='One of: cell, devices, orchestrator, rviz, simulation.')
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


@app.command('command', help='Tell the batch of a running cell to hold, resume or abort; answer.')
def command_command(
    order: Annotated[
        Order | None,
        typer.Argument(
            metavar='ORDER',
            help='hold, resume, abort, or answer with --question and --choice. What the batch does'
            ' is shown without it.',
        ),
    ] = None,
    *,
    by: ByOption = '',
    reason: ReasonOption = '',
    question: Annotated[
        str, typer.Option(metavar='ID', help='The question that is answered.')
    ] = '',
    choice: Annotated[str, typer.Option(help='One of the choices of the question.')] = '',
    namespace: NamespaceOption = '',
    config: ConfigOption = None,
) -> int:
    """Hand the options of an order over to its command."""
    from medicell_bringup.commands.command import CommandOptions, command

    return command(
        CommandOptions(
            order=order,
            by=by,
            reason=reason,
            question=question,
            choice=choice,
            cell=cell_file_of(config or shipped_config()),
            namespace=namespace,
        )
    )
