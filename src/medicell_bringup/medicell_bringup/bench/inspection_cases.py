"""One rendered vial at a time: what is wrong with it, and what the inspection says."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from medicell_core.errors import ErrorCode, MedicellError
from medicell_sim.vials.camera import Inspection
from medicell_sim.vials.chance import DEFECTS, JUDGED, Case, Style, defective_vial, good_vial
from medicell_vision.vials.found import Inspected, VialPictures
from medicell_vision.vials.inspect import inspect_vial

GOOD = 'good'
GOOD_EVERY = 3
"""Every so many-th vial is a good one."""
MS_PER_S = 1e3
NO_VIAL = 'no vial found'


@dataclass(frozen=True, slots=True, kw_only=True)
class VialCase:
    """A vial that was rendered and inspected; `reasons` are why it was not accepted.

    `volume_error_ml` is of the volume against the true one, and `error_ml` its standard error.
    """

    kind: str
    severity: float
    reasons: tuple[str, ...]
    volume_error_ml: float
    error_ml: float
    inspect_ms: float


def inspect_vials(seed: int, numbers: Sequence[int]) -> list[VialCase]:
    """Render and inspect the vials of these numbers, in the style that nothing was tuned on."""
    cv2.setNumThreads(1)
    return [_case(seed, number) for number in numbers]


def kind_at(number: int) -> str:
    """Return what is wrong with the vial of a number: each kind in turn, now and then nothing."""
    turn, place = divmod(number, GOOD_EVERY)
    if place == GOOD_EVERY - 1:
        return GOOD
    return DEFECTS[(turn * (GOOD_EVERY - 1) + place) % len(DEFECTS)]


def vial_case(kind: str, seed: int, number: int, style: Style = JUDGED) -> tuple[Case, Inspection]:
    """Return a vial by chance, and the camera in front of it."""
    chance = np.random.default_rng([seed, number, zlib.crc32(style.name.encode())])
    case = good_vial(style, chance) if kind == GOOD else defective_vial(style, kind, chance)
    return case, Inspection(case.vial, case.sight, chance)


def inspected(case: Case, camera: Inspection) -> tuple[VialPictures, Inspected]:
    """Take the pictures of a vial and inspect them."""
    taken = camera.take()
    pictures = VialPictures(still=taken.still, swirled=taken.swirled, dark=taken.dark)
    return pictures, inspect_vial(pictures, wanted_ml=case.wanted_ml)


def _case(seed: int, number: int) -> VialCase:
    kind = kind_at(number)
    case, camera = vial_case(kind, seed, number)
    taken = camera.take()
    pictures = VialPictures(still=taken.still, swirled=taken.swirled, dark=taken.dark)
    begun_s = time.process_time()
    try:
        found = inspect_vial(pictures, wanted_ml=case.wanted_ml)
    except MedicellError as error:
        if error.code is not ErrorCode.INVALID_GOAL:
            raise
        reasons: tuple[str, ...] = (NO_VIAL,)
        volume = error_ml = float('nan')
    else:
        reasons = found.reasons
        volume, error_ml = found.findings[0].value, found.findings[0].error
    return VialCase(
        kind=kind,
        severity=case.severity,
        reasons=reasons,
        volume_error_ml=volume - case.vial.volume_ml,
        error_ml=error_ml,
        inspect_ms=MS_PER_S * (time.process_time() - begun_s),
    )
