"""One rendered label at a time: how badly it is seen, and whether it is read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from medicell_core.containers import container_id, label_text
from medicell_core.errors import ErrorCode, MedicellError
from medicell_devices.identity import MOST_PICTURES
from medicell_sim.labels import Sight, Wear, photograph, printed, usual_sight, usual_wear
from medicell_vision.labels import Symbology, decode_label, label_squares

KINDS = {
    'tilt': '0 to 65 degrees',
    'blur': 'standard deviation 0.1 to 0.9 squares',
    'glare': 'up to a third of the code saturated',
    'damage': 'scratches and rubbed places',
    'all': 'each of these by chance up to this, and shade, grain and a bad print too',
}
"""What is varied, the others being as they usually are, and from best to worst."""
USUAL = 'as in a cell'
"""The kind in which all is as it usually is, with as many pictures as a driver takes."""
BINS = 10

READ, UNREAD, WRONG = 'read', 'not read', 'read wrong'
MS_PER_S = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCase:
    """A label that was rendered and read; times are CPU time in ms."""

    kind: str
    symbology: Symbology
    severity: float
    outcome: str
    render_ms: float
    decode_ms: float


def kind_of(kind: str) -> str:
    """Return from what to what a kind goes."""
    return KINDS[kind]


def read_labels(seed: int, numbers: Sequence[int]) -> list[LabelCase]:
    """Render and read the labels of these numbers."""
    return [_case(seed, number) for number in numbers]


def label_picture(
    text: str,
    kind: str,
    severity: float,
    chance: np.random.Generator,
    symbology: Symbology = Symbology.DATAMATRIX,
) -> npt.NDArray[np.uint8]:
    """Return one picture of a label that is seen so badly, 0 to 1, in one way or in all."""
    wear, sight = _badly(kind, severity, chance)
    container = text.split('|')[1]
    label = printed(label_squares(text, symbology), wear, chance, lines=(container,))
    return photograph(label, sight, chance)


def _case(seed: int, number: int) -> LabelCase:
    chance = np.random.default_rng([seed, number])
    turn, place = divmod(number, len(KINDS) + 1)
    kind = (*KINDS, USUAL)[place]
    symbology = tuple(Symbology)[turn % len(Symbology)]
    severity = float(chance.uniform(0.0, 1.0))
    batch = f'MC-2026-{number:05d}'
    text = label_text(batch, container_id(batch, f'vial_{number % 24 + 1:02d}'))
    render_s = decode_s = 0.0
    outcome = UNREAD
    for _ in range(MOST_PICTURES if kind == USUAL else 1):
        begun_s = time.process_time()
        picture = label_picture(text, kind, severity, chance, symbology)
        rendered_s = time.process_time()
        outcome = _outcome(picture, text)
        render_s += rendered_s - begun_s
        decode_s += time.process_time() - rendered_s
        if outcome != UNREAD:
            break
    return LabelCase(
        kind=kind,
        symbology=symbology,
        severity=severity,
        outcome=outcome,
        render_ms=render_s * MS_PER_S,
        decode_ms=decode_s * MS_PER_S,
    )


def _outcome(picture: npt.NDArray[np.uint8], text: str) -> str:
    try:
        said = decode_label(picture)
    except MedicellError as error:
        if error.code is not ErrorCode.LABEL_UNREADABLE:
            raise
        return UNREAD
    return READ if said == text else WRONG


def _badly(kind: str, severity: float, chance: np.random.Generator) -> tuple[Wear, Sight]:
    wear, sight = usual_wear(chance), usual_sight(chance)
    if kind == 'tilt':
        return wear, replace(sight, tilt=severity)
    if kind == 'blur':
        return wear, replace(sight, blur=severity)
    if kind == 'glare':
        return wear, replace(sight, glare=severity)
    if kind == 'damage':
        return replace(wear, damage=severity), sight
    if kind == 'all':
        fault, damage, tilt, blur, glare, shade, grain = (
            severity * chance.uniform(0.0, 1.0, 7)
        ).tolist()
        return (
            Wear(print_fault=fault, damage=damage),
            Sight(tilt=tilt, blur=blur, glare=glare, shade=shade, grain=grain),
        )
    return wear, sight
