"""The commands that draw, compare and measure: tree, model, study, bench, vision and others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medicell_bringup.options.shared import ConfigOption, checked_namespace
from medicell_bringup.shipped import shipped_config
from medicell_core.errors import ErrorCode, InputError

app = typer.Typer()


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
            callback=checked_namespace,
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
        raise InputError(ErrorCode.INVALID_GOAL, 'study: give either --seeds N or --calibration')
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
        list[str] | None,
        typer.Argument(
            metavar='GROUP...',
            help='Groups; if none, all but those of imaging (`inspection`, `vision`, `spoiled`).'
            ' After `vision` and `spoiled`, folders of data sets as in `datasets`.',
        ),
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
    inspected: Annotated[
        int,
        typer.Option(min=28, help='How many defective vials the group `inspection` is shown.'),
    ] = 2000,
    kills: Annotated[
        int, typer.Option(min=1, help='How many processes of batches `recovery` kills.')
    ] = 40,
    node_kills: Annotated[
        int, typer.Option(min=0, help='How often `recovery` kills each node of a launched cell.')
    ] = 1,
    spoiled: Annotated[
        int, typer.Option(min=1, help='How many pictures the group `spoiled` spoils.')
    ] = 500,
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
        inspected=inspected,
        kills=kills,
        node_kills=node_kills,
        spoiled=spoiled,
    )
    return bench(groups or [], options, output)


@app.command('vision', help='Find the cells of pictures: tables, and drawn into the pictures.')
def vision_command(
    *,
    source: Annotated[
        Path, typer.Argument(metavar='FILE|FOLDER', help='Grey PNG or TIFF of 8 or 16 bit.')
    ],
    modality: Annotated[
        str, typer.Option(help='`bright_field` or `fluorescence`.')
    ] = 'bright_field',
    cell_px: Annotated[
        float | None,
        typer.Option(
            min=4.0,
            max=400.0,
            help='Diameter of a usual cell (fluorescence: nucleus) in pixels; 20 or 25 by'
            ' default, as in the data sets.',
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help='Folder for tables and annotated pictures; made if need be.')
    ] = Path('vision'),
) -> int:
    """Hand the options of an analysis over to its command."""
    from medicell_bringup.commands.vision import VisionOptions, analyse_pictures

    return analyse_pictures(
        VisionOptions(source=source, out=out, modality=modality, cell_px=cell_px)
    )


@app.command('faults', help='Try every fault at every phase, and judge what came of it.')
def faults_command(
    *,
    recipe: Annotated[
        str, typer.Option(help='A shipped recipe by name, or a recipe file.')
    ] = 'car_t_3_day',
    patient: Annotated[
        Path | None, typer.Option(help='Patient file; the shipped example by default.')
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help='A fault by name; may be repeated. All if none.'),
    ] = None,
    phase: Annotated[
        list[str] | None,
        typer.Option(help='A phase by name or path; may be repeated. All if none.'),
    ] = None,
    seed: Annotated[int, typer.Option(help='Seed of every batch.')] = 1,
    jobs: Annotated[
        int, typer.Option(min=0, help='Batches made side by side; 0 for one per core.')
    ] = 0,
    json: Annotated[
        Path | None, typer.Option(help='Write the matrix to this new file as well.')
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help='Draw the matrix into this .png file.')
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help='Write the page of the documentation to this file.')
    ] = None,
    read: Annotated[
        Path | None,
        typer.Option(
            help='Show the matrix of this JSON file; what --fault or --phase names is tried anew.'
        ),
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Hand the options of a campaign over to its command."""
    from medicell_bringup.campaign.making import Setting
    from medicell_bringup.commands.faults import (
        FaultsOptions,
        FaultsOutput,
        again,
        faults,
        read_matrix,
    )

    output = FaultsOutput(json_file=json, picture=picture, page=page)
    if read is not None and not fault and not phase:
        return again(read, output)
    setting = Setting(recipe=recipe, patient=patient, seed=seed, config=config or shipped_config())
    options = FaultsOptions(setting=setting, faults=fault or [], phases=phase or [], jobs=jobs)
    return faults(options, output, earlier=read_matrix(read) if read else None)


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
