"""Poses that Gazebo measured, drawn again: a picture of one moment, or a vial's cycle moving."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from medicell_interfaces.msg import ContainerState
from PIL import Image, ImageDraw, ImageFont, ImageOps

from medicell_bringup.model.casting import Stage
from medicell_bringup.model.cycle import Cycle
from medicell_bringup.model.kit import container_bodies
from medicell_bringup.model.picture import bodies_of, font_file
from medicell_bringup.model.rendering import Body, View
from medicell_bringup.results import POSES
from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, InputError
from medicell_gazebo.pose_log import PoseLog
from medicell_gazebo.poses import turns_of
from medicell_gazebo.world import STATION_PREFIX
from medicell_motion.description import Array, Description
from medicell_motion.geometry import CellGeometry

KINDS = {'.webp': 'WEBP', '.gif': 'GIF'}
"""Of files that move, by how their names end."""
FRAMES, FRAME_MS, END_MS = 96, 100, 1500
SOURCE = 'replayed from poses that Gazebo measured'

_STILL = 1e-3
"""Rad or m by which a joint that its drive holds may be off."""
_CAPACITY_ML, _FULL_ML = 10.0, 8.0
"""How full a vial is drawn: the log knows of no liquid."""
_CONTENT = 'cryo_medium'
_CLOSE_M, _CLOSE_SHARE = 0.12, 0.27
"""What is seen of the vial's surroundings in the corner, and its share of the height."""
_QUALITY, _EFFORT = 80, 6
"""Of WebP."""
_INK, _PAPER = (24, 30, 36), (255, 255, 255, 200)
_FAINT, _EDGE = (70, 80, 90), (90, 100, 110)


def read_log(path: Path) -> PoseLog:
    """Return the log of a run's folder, or of a file; raises InputError where there is none."""
    if not path.is_dir():
        return PoseLog.read(path)
    if not (path / POSES).is_file():
        text = f'has no {POSES}: `medicell run --simulator gazebo` leaves one'
        raise InputError(ErrorCode.INVALID_GOAL, text, file=str(path))
    return PoseLog.read(path / POSES)


class Replay:
    """A vial's cycle in the cell: what stands is drawn once, what moves in every picture.

    Liquid, stopper, cap and label have no physics. They are drawn once the tool that brings them
    was measured to be down over the vial; a label when it has stood at the labeller.
    Raises InputError for a log of another model, or one in which no vial is carried.
    """

    def __init__(
        self, log: PoseLog, description: Description, geometry: CellGeometry, view: View
    ) -> None:
        unknown = sorted(set(log.joints) - set(description.joints))
        if unknown:
            text = f'the model has no {unknown[0]}: the log is of another one'
            raise InputError(ErrorCode.INVALID_GOAL, text, field='joints')
        self._log, self._description, self._geometry = log, description, geometry
        places = {name: pose[:3, 3] for name, pose in description.poses({}).items()}
        self.cycle = Cycle(
            log,
            {
                name.removeprefix(STATION_PREFIX): places[name]
                for name in places
                if name.removeprefix(STATION_PREFIX) in geometry.stations
            },
        )
        during = log.positions[self.cycle.first : self.cycle.last + 1]
        driven = np.flatnonzero(np.ptp(during, axis=0) > _STILL)
        moving = _carried_by(description, {log.joints[column] for column in driven})
        self._moving = _part(description, moving)
        self._view = view
        still = _part(description, set(description.links) - moving)
        self._stage = Stage(
            bodies_of(still, self._poses(self.cycle.first)),
            view,
            ceiling_m=float(places['air_ceiling'][2]),
        )

    def picture(self, row: int) -> Image.Image:
        """Return a row of the log as a picture, with the time and what happens."""
        bodies = [*bodies_of(self._moving, self._poses(row)), *self._vials(row)]
        picture = Image.fromarray(self._stage.draw(bodies))
        self._magnify(picture, bodies, row)
        at_s = self._log.times_s[row] - self._log.times_s[self.cycle.first]
        name = self.cycle.vial.rpartition('.')[2]
        _caption(picture, f'{at_s:.1f} s   {name}: {self.cycle.text(row)}')
        return picture

    def draw(self, out: Path) -> None:
        """Draw the cycle into a file of a kind that moves."""
        first, *others = [self.picture(row) for row in self.cycle.rows(FRAMES)]
        lasting = [*(FRAME_MS for _ in others), END_MS]
        encoded = io.BytesIO()
        first.save(
            encoded,
            format=KINDS[out.suffix.lower()],
            save_all=True,
            append_images=others,
            duration=lasting,
            loop=0,
            quality=_QUALITY,
            method=_EFFORT,
        )
        # Encoding takes long: until it is done the file is as it was.
        out.write_bytes(encoded.getvalue())

    def draw_moment(self, station: str, out: Path) -> None:
        """Draw the vial while it is worked at; raises InputError for a station it was not at."""
        self.picture(self.cycle.row_at(station)).save(out, optimize=True)

    def _magnify(self, picture: Image.Image, bodies: list[Body], row: int) -> None:
        """Show the vial larger in a corner, seen from the same point."""
        here = self._log.poses[: row + 1, self.cycle.column, :3]
        x, y, z = (float(value) for value in here[np.isfinite(here[:, 0])][-1])
        away_m = float(np.linalg.norm(np.subtract(self._view.eye_m, (x, y, z))))
        edge = round(_CLOSE_SHARE * picture.height)
        near = replace(
            self._view,
            target_m=(x, y, z),
            angle_deg=2.0 * math.degrees(math.atan(_CLOSE_M / 2.0 / away_m)),
            width_px=edge,
            height_px=edge,
        )
        close = ImageOps.expand(Image.fromarray(self._stage.close_up(bodies, near)), 2, _EDGE)
        margin = picture.height // 50
        picture.paste(close, (picture.width - close.width - margin, margin))

    def _poses(self, row: int) -> dict[str, Array]:
        return self._description.poses(
            dict(zip(self._log.joints, map(float, self._log.positions[row]), strict=True))
        )

    def _vials(self, row: int) -> list[Body]:
        """Return the vials as the scene's markers show them, at their measured poses."""
        poses, containers = {}, []
        for name, pose in zip(self._log.vials, self._log.poses[row], strict=True):
            if not np.isfinite(pose[0]):
                continue
            poses[name] = np.eye(4)
            poses[name][:3, :3], poses[name][:3, 3] = turns_of(pose), pose[:3]
            vial = ContainerState(
                name=name,
                kind=ContainerKind.VIAL.value,
                capacity_ml=_CAPACITY_ML,
                location=name,
            )
            if name == self.cycle.vial:
                vial.contents = [_CONTENT]
                vial.volume_ml = _FULL_ML * self.cycle.filled(row)
                vial.condition = self.cycle.condition(row)
            containers.append(vial)
        return container_bodies(containers, poses, self._geometry)


def _carried_by(description: Description, joints: set[str]) -> set[str]:
    """Return the links that these joints move."""
    rows = description.joints.values()
    waiting = [joint.child for joint in rows if {joint.name, joint.mimics} & joints]
    found: set[str] = set()
    while waiting:
        link = waiting.pop()
        found.add(link)
        waiting.extend(joint.child for joint in rows if joint.parent == link)
    return found


def _part(description: Description, links: set[str]) -> Description:
    kept = {name: link for name, link in description.links.items() if name in links}
    return replace(description, links=kept)


def _caption(picture: Image.Image, text: str) -> None:
    """Write what happens at the top, and where the poses are from at the bottom."""
    pen = ImageDraw.Draw(picture, 'RGBA')
    size = picture.height // 24
    large, small = (ImageFont.truetype(font_file(), points) for points in (size, size * 2 // 3))
    pad = size // 2
    for at, anchor, words, font, ink in (
        ((2 * pad, 2 * pad), 'lt', text, large, _INK),
        ((2 * pad, picture.height - 2 * pad), 'lb', SOURCE, small, _FAINT),
    ):
        left, top, right, bottom = pen.textbbox(at, words, font=font, anchor=anchor)
        frame = (left - pad, top - pad, right + pad, bottom + pad)
        pen.rounded_rectangle(frame, radius=pad, fill=_PAPER)
        pen.text(at, words, font=font, anchor=anchor, fill=ink)
