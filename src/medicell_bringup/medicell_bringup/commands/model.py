"""`medicell model`: the cell's model checked, as URDF, and as a picture."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

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

SHOWN_STATION = 'fill'
"""Where the arm is in a picture of the model alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What is wanted of the model; `live` draws what a running cell's scene publishes.

    `when` waits for markers of a namespace, such as `swept`.
    """

    out: Path | None
    picture: Path | None
    view: str
    live: bool
    when: str
    namespace: str
    samples: int
    config: Path


def show_model(options: ModelOptions) -> int:
    """Expand and check the model; write and draw it where asked to.

    Raises InputError for what is wrong in the cell's file or the model, an unknown view, a
    missing renderer.
    """
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
        _draw(description, shipped_geometry(), options, options.picture)
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


def _draw(description: Description, geometry: Path, options: ModelOptions, out: Path) -> None:
    from medicell_bringup.model import picture  # noqa: PLC0415 - Pillow, only for a picture

    if options.view not in picture.VIEWS:
        known = ', '.join(picture.VIEWS)
        raise InputError(
            ErrorCode.INVALID_GOAL, f'{options.view!r} is not one of {known}', field='--view'
        )
    view = picture.VIEWS[options.view]
    if not options.live:
        from medicell_bringup.model.kit import kit_bodies  # noqa: PLC0415

        shape = load_geometry(geometry)
        posture = RobotCell(shape).grip_posture(SHOWN_STATION)
        poses = description.poses(dict(zip(JOINT_NAMES, posture, strict=True)))
        kit = kit_bodies(cell_file_of(options.config).parent, poses, shape)
        bodies = [*picture.bodies_of(description, poses), *kit]
        notes = picture.titles_of(description, poses)
    else:
        from medicell_bringup.model.live import bodies_and_notes, hear_scene  # noqa: PLC0415

        markers, positions = hear_scene(
            options.namespace or f'/{load_cell(cell_file_of(options.config)).cell}',
            when=options.when,
        )
        poses = description.poses(positions)
        shown, notes = bodies_and_notes(markers, poses)
        bodies = [*picture.bodies_of(description, poses), *shown]
    picture.draw(bodies, notes, view, out, samples=options.samples)
    sys.stdout.write(f'{out}\n')
