"""A description, posed and with its markers, as a picture with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medicell_bringup.model.rendering import CLEAR, GLOWING, METAL, Body, View, render
from medicell_motion.description import Array, Description

FINISHES = {'steel': METAL, 'light': GLOWING, 'glass': CLEAR}
FLOOR = 'base_link'
"""The link whose slab is the floor: the picture has one without an edge."""

TITLES = {
    'fluid_handler': 'Fluid handler',
    'incubator': 'Incubator',
    'imaging': 'Imaging',
    'laboratory': 'Samples',
    'isolator': 'Isolator, grade A, with the fill robot',
    'freezer': 'Freezer',
    'orchestrator': 'Control',
}
"""What is written over a link when no markers say more."""

WIDTH_PX, HEIGHT_PX = 1600, 800
CELL, CYCLE = 'cell', 'cycle'
VIEWS: dict[str, View] = {
    name: View(eye_m=eye, target_m=target, angle_deg=angle, width_px=WIDTH_PX, height_px=HEIGHT_PX)
    for name, eye, target, angle in (
        (CELL, (8.9, 0.7, 2.2), (0.2, -0.22, 1.13), 45.5),
        ('bags', (4.7, 1.9, 1.95), (0.4, 1.92, 1.42), 42.0),
        ('filling', (0.78, -2.25, 1.80), (0.08, -1.38, 1.05), 68.0),
    )
} | {
    CYCLE: View(
        eye_m=(0.84, -1.15, 1.87),
        target_m=(0.02, -1.44, 0.98),
        angle_deg=78.0,
        width_px=720,
        height_px=540,
    )
}
"""By name: the whole cell, the fluid handler with the incubator, the inside of the isolator, and
all of the stations that a vial's cycle passes."""

_TITLE_M, _TITLE_OVER_M = 0.085, 0.16
_LEAST_PX, _MOST_PX = 9, 22
_INK, _PAPER, _EDGE = (24, 30, 36), (255, 255, 255, 218), (150, 160, 168)
_PAD_PX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text at a point of the root; `height_m` is that of a capital letter."""

    text: str
    at_m: tuple[float, float, float]
    height_m: float


def bodies_of(description: Description, poses: Mapping[str, Array]) -> list[Body]:
    """Return what is to be seen of a description whose links are at these poses."""
    bodies = []
    for link in description.links.values():
        if link.name == FLOOR:
            continue
        for shape in link.visuals:
            red, green, blue, opacity = description.materials[shape.material]
            bodies.append(
                Body(
                    kind=shape.kind,
                    size=shape.size,
                    pose=poses[link.name] @ shape.origin,
                    rgb=(red, green, blue),
                    finish=FINISHES.get(shape.material, ''),
                    opacity=opacity,
                )
            )
    return bodies


def titles_of(description: Description, poses: Mapping[str, Array]) -> list[Note]:
    """Return the names of the instruments, over each."""
    notes = []
    for name, text in TITLES.items():
        if name not in description.links:
            continue
        tops = [
            (poses[name] @ shape.origin)[2, 3] + _half_height(shape.size)
            for shape in description.links[name].visuals
        ]
        x, y, _ = poses[name][:3, 3]
        notes.append(Note(text=text, at_m=(x, y, max(tops) + _TITLE_OVER_M), height_m=_TITLE_M))
    return notes


def draw(
    bodies: Sequence[Body], notes: Sequence[Note], view: View, out: Path, *, samples: int
) -> None:
    """Render bodies, write the notes that can be read at this distance, and save the picture."""
    picture = Image.fromarray(render(bodies, view, samples=samples))
    _write(picture, notes, view)
    picture.save(out, optimize=True)


def _half_height(size: tuple[float, ...]) -> float:
    return size[2] / 2.0 if len(size) == 3 else size[-1] / 2.0


def _write(picture: Image.Image, notes: Sequence[Note], view: View) -> None:
    """Write notes, the nearest first; one that would cover another goes above it."""
    pen = ImageDraw.Draw(picture, 'RGBA')
    eye = np.array(view.eye_m)
    placed: list[tuple[float, float, float, float]] = []
    for note in sorted(notes, key=lambda item: float(np.linalg.norm(np.array(item.at_m) - eye))):
        size = _letters_px(note, view)
        if size < _LEAST_PX:
            continue
        font = ImageFont.truetype(font_file(), min(size, _MOST_PX))
        column, row = view.project(np.array([note.at_m]))[0]
        half = pen.multiline_textbbox((0, 0), note.text, font=font, anchor='mm')[2] + 2 * _PAD_PX
        column = min(max(column, half), view.width_px - half)
        box = pen.multiline_textbbox(
            (column, row), note.text, font=font, anchor='mm', align='center'
        )
        frame = (box[0] - _PAD_PX, box[1] - _PAD_PX, box[2] + _PAD_PX, box[3] + _PAD_PX)
        lift = _lift(frame, placed)
        frame = (frame[0], frame[1] - lift, frame[2], frame[3] - lift)
        placed.append(frame)
        pen.rounded_rectangle(frame, radius=_PAD_PX, fill=_PAPER, outline=_EDGE)
        pen.multiline_text(
            (column, row - lift), note.text, font=font, anchor='mm', align='center', fill=_INK
        )


def _letters_px(note: Note, view: View) -> int:
    """Return the size of a note's letters at its distance."""
    eye, target = np.array(view.eye_m), np.array(view.target_m)
    forward = (target - eye) / np.linalg.norm(target - eye)
    away = float((np.array(note.at_m) - eye) @ forward)
    if away <= 0.0:
        return 0
    scale = view.width_px / 2.0 / np.tan(np.deg2rad(view.angle_deg) / 2.0)
    return round(note.height_m * scale / away)


def _lift(
    frame: tuple[float, float, float, float], placed: list[tuple[float, float, float, float]]
) -> float:
    """Return by how many pixels a frame must go up to cover none of those placed."""
    lift = 0.0
    while True:
        top, bottom = frame[1] - lift, frame[3] - lift
        below = [
            other
            for other in placed
            if frame[0] < other[2] and other[0] < frame[2] and top < other[3] and other[1] < bottom
        ]
        if not below:
            return lift
        lift = frame[3] - min(other[1] for other in below) + 1.0


def font_file() -> str:
    """Return the file of the letters that matplotlib brings along."""
    import matplotlib  # noqa: PLC0415 - slow to import, and only the folder is asked for

    return str(Path(matplotlib.get_data_path()) / 'fonts' / 'ttf' / 'DejaVuSans.ttf')
