"""`medicell model`: the cell's model checked, as URDF, and as a picture."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medicell_bringup.model.agreement import check_robot
from medicell_bringup.model.checks import check
from medicell_bringup.shipped import cell_file_of
from medicell_core.errors import ErrorCode, InputError
from medicell_devices.cell_config import load_cell
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell
from medicell_motion.description import Description, parse
from medicell_motion.expansion import expand_shipped, shipped_geometry
from medicell_motion.geometry import load_geometry

if TYPE_CHECKING:
    from medicell_bringup.model.rendering import View

SHOWN_STATION = 'fill'
"""Where the arm is in a picture of the model alone, and the vial in one of a replay."""
STILL, MOVING = '.png', ('.webp', '.gif')
"""Kinds of files with one moment, and with an animation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What is wanted of the model; `live` draws what a running cell's scene publishes.

    `replay` draws what was measured in a run: its folder, or the file. `when` waits for markers
    of a namespace, such as `swept`; of a replay it names a station. `move` names two stations
    between which a vial is planned to be carried. `view` is empty for the usual one.
    """

    out: Path | None
    picture: Path | None
    view: str
    live: bool
    replay: Path | None
    move: str
    when: str
    namespace: str
    samples: int
    config: Path


def show_model(options: ModelOptions) -> int:
    """Expand and check the model; write and draw it where asked to.

    Raises InputError for what is wrong in the cell's file or the model, an unknown view, a log
    that cannot be replayed, a file that cannot be written, a missing renderer.
    """
    _check_drawing(options)
    cell_file = cell_file_of(options.config)
    # What xacro says of a wrong one does not name it.
    load_cell(cell_file, drivers_of=())
    text = expand_shipped(cell_file)
    description = parse(text)
    check(description)
    check_robot(description, load_geometry(shipped_geometry()))
    sys.stdout.write(summary(description))
    if options.out is not None:
        options.out.write_text(text, encoding='utf-8')
    if options.picture is not None:
        _draw(description, options, options.picture)
        sys.stdout.write(f'{options.picture}\n')
    return 0


def summary(description: Description) -> str:
    """Return a few lines that say what a model consists of."""
    links = description.links.values()
    mass = sum(link.inertia.mass_kg for link in links if link.inertia is not None)
    bodies = sum(len(link.collisions) for link in links)
    return (
        f'{description.name}: {len(description.links)} links under {description.root()},'
        f' {len(description.moving_joints)} moving joints,'
        f' {bodies} collision bodies, {mass:.0f} kg\n'
    )


def _check_drawing(options: ModelOptions) -> None:
    """Raise InputError for options that contradict each other, or a file that cannot be."""
    if bool(options.replay) + bool(options.move) + options.live > 1:
        raise _refused('--replay', '--move and --live draw different things: say one of them')
    if options.picture is None:
        for option, said in (('--replay', options.replay), ('--move', options.move)):
            if said:
                raise _refused(option, 'is drawn into a file: say which by --picture')
        return
    kinds = (STILL,) if options.replay is None else (STILL, *MOVING)
    if options.picture.suffix.lower() not in kinds:
        raise _refused('--picture', f'{options.picture} does not end in {" or ".join(kinds)}')
    if options.replay is not None and options.when and options.picture.suffix.lower() in MOVING:
        raise _refused('--when', f'is a moment, and {options.picture} moves: take a {STILL}')
    folder = options.picture.parent
    if not folder.is_dir():
        raise _refused('--picture', f'there is no folder {folder}')
    if options.picture.is_dir() or not os.access(folder, os.W_OK):
        raise _refused('--picture', f'{options.picture} cannot be written')


def _draw(description: Description, options: ModelOptions, out: Path) -> None:
    from medicell_bringup.model import picture  # noqa: PLC0415 - Pillow, only for a picture

    inside = options.replay is not None or options.move
    name = options.view or (picture.CYCLE if inside else picture.CELL)
    if name not in picture.VIEWS:
        known = ', '.join(picture.VIEWS)
        raise _refused('--view', f'{name!r} is not one of {known}')
    view = picture.VIEWS[name]
    if options.replay is not None:
        _draw_replay(options.replay, description, view, options.when, out)
    elif options.move:
        from medicell_bringup.model.planned import draw_move  # noqa: PLC0415

        draw_move(description, view, options.move, out)
    elif options.live:
        _draw_live(description, view, options, out)
    else:
        _draw_model(description, view, options, out)


def _draw_model(description: Description, view: View, options: ModelOptions, out: Path) -> None:
    """Draw the model with a kit that is ready."""
    from medicell_bringup.model import picture  # noqa: PLC0415
    from medicell_bringup.model.kit import kit_bodies  # noqa: PLC0415

    shape = load_geometry(shipped_geometry())
    posture = RobotCell(shape).grip_posture(SHOWN_STATION)
    poses = description.poses(dict(zip(JOINT_NAMES, posture, strict=True)))
    kit = kit_bodies(cell_file_of(options.config).parent, poses, shape)
    bodies = [*picture.bodies_of(description, poses), *kit]
    notes = picture.titles_of(description, poses)
    picture.draw(bodies, notes, view, out, samples=options.samples)


def _draw_live(description: Description, view: View, options: ModelOptions, out: Path) -> None:
    """Draw what a running cell's scene publishes."""
    from medicell_bringup.model import picture  # noqa: PLC0415
    from medicell_bringup.model.live import bodies_and_notes, hear_scene  # noqa: PLC0415

    markers, positions = hear_scene(
        options.namespace or f'/{load_cell(cell_file_of(options.config)).cell}',
        when=options.when,
    )
    poses = description.poses(positions)
    shown, notes = bodies_and_notes(markers, poses)
    bodies = [*picture.bodies_of(description, poses), *shown]
    picture.draw(bodies, notes, view, out, samples=options.samples)


def _draw_replay(
    source: Path, description: Description, view: View, station: str, out: Path
) -> None:
    """Draw what was measured in a run: one moment, or moving."""
    from medicell_bringup.model.replay import Replay, read_log  # noqa: PLC0415

    replay = Replay(read_log(source), description, load_geometry(shipped_geometry()), view)
    if out.suffix.lower() in MOVING:
        replay.draw(out)
    else:
        replay.draw_moment(station or SHOWN_STATION, out)


def _refused(option: str, text: str) -> InputError:
    return InputError(ErrorCode.INVALID_GOAL, text, field=option)
