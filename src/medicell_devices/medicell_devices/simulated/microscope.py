"""The simulated microscope's moving parts: stage, objective, lamp and camera."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_core.operations import AcquireImages, FindFocus, ScanFields
from medicell_devices.checks import check_range
from medicell_devices.contract import Moving, OperationContext
from medicell_devices.contracts.imaging import Shot
from medicell_devices.settings import ImagingSettings
from medicell_devices.simulated.machinery import FOCUS, STAGE, focus_at, stage_at
from medicell_sim.optics import render
from medicell_sim.port import Scene, WorldPort
from medicell_vision.focus import focus_score

FOCUS_WINDOW_PX = 512
"""Side of the window in the middle of the field by which the focus sweep judges."""
FOCUS_PASSES = 2
PLATEAU = 0.98
"""Places this close to the best score are as sharp: the middle of them is the focus."""
FINER = 5.0
"""How much finer each pass of the sweep is."""
MM_PER_M = 1000.0

Picture = npt.NDArray[np.uint8]
Looking = AcquireImages | FindFocus | ScanFields
"""Goals that look at a cartridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A picture with where it was taken and what its optics are."""

    field: int
    shot: Shot
    depth_um: float
    illumination: float
    """The lamp's own monitor, relative to nominal."""


class Microscope:
    """Looks at places of a cartridge's chamber; keeps the focus that it has found.

    `moving` is asked before every movement, and `drive` is told each of them.
    """

    def __init__(
        self,
        port: WorldPort,
        settings: ImagingSettings,
        *,
        moving: Moving,
        drive: Callable[[str, float], None],
    ) -> None:
        self._port = port
        self._settings = settings
        self._moving = moving
        self._drive = drive
        self.offset_um = 0.0
        self.illumination = 1.0
        self.lamp = False
        self.latest: Shot | None = None

    def places(self, first: int) -> Iterator[int]:
        """Yield the places of the chamber from one on, as far as the stage reaches."""
        while not self._beyond(first):
            yield first
            first += 1

    def check_place(self, name: str, place: int) -> None:
        """Raise FIELD_OUT_OF_RANGE for a place of the chamber that the stage does not reach."""
        beyond = self._beyond(place)
        if beyond:
            raise OperationRefused(ErrorCode.FIELD_OUT_OF_RANGE, f'{name}: place {place} {beyond}')

    def check_sweep(self, range_um: float, step_um: float) -> None:
        """Raise INVALID_GOAL for a sweep that the objective does not reach or resolve."""
        limit_um, least_um = self._settings.focus_limit_um, self._settings.focus_least_step_um
        code = ErrorCode.INVALID_GOAL
        check_range('range_um', range_um, (least_um, limit_um), 'um', code)
        check_range('step_um', step_um, (least_um, range_um), 'um', code)
        if abs(self.offset_um) + range_um > limit_um:
            raise OperationRefused(
                code,
                f'range_um is {range_um:g} um about an offset of {self.offset_um:g} um; the '
                f'objective goes from {-limit_um:g} to {limit_um:g} um',
            )

    @contextmanager
    def lit(self, context: OperationContext) -> Iterator[None]:
        """Have the lamp lit while the body runs."""
        with self._moving(context):
            self.lamp = True
        try:
            yield
        finally:
            self.lamp = False

    def take(self, goal: Looking, place: int, context: OperationContext) -> Taken:
        """Take a picture of a place, with the focus as it is."""
        context.sleep(self._settings.field_s, step='taking pictures')
        scene = self._scene(goal, place, context)
        self.illumination = scene.illumination
        self.latest = Shot(
            picture=render(scene, goal.modality),
            um_per_px=scene.um_per_px,
            at_s=self._port.now_s(),
        )
        return Taken(
            field=place,
            shot=self.latest,
            depth_um=scene.depth_um,
            illumination=scene.illumination,
        )

    def sweep(
        self,
        goal: Looking,
        place: int,
        context: OperationContext,
        *,
        range_um: float,
        step_um: float,
    ) -> float:
        """Move the objective through a range and leave it where the picture is sharpest.

        Two passes, the second one finer, within the objective's limits; a field with nothing to
        focus on moves nothing. Returns the best score, -1 where there is nothing to focus on.
        """
        limit_um = self._settings.focus_limit_um
        best_um, best = self.offset_um, -1.0
        for _ in range(FOCUS_PASSES):
            steps = best_um + np.arange(-range_um, range_um + step_um / 2.0, step_um)
            offsets = steps[np.abs(steps) <= limit_um]
            scores = [self._score_at(float(um), goal, place, context) for um in offsets]
            best = max(scores, default=-1.0)
            if best >= 0.0:
                sharp = np.asarray(scores) >= PLATEAU * best
                best_um = float(offsets[sharp].mean())
            range_um, step_um = step_um, step_um / FINER
        self._move_focus(best_um, context)
        return best

    def _beyond(self, place: int) -> str:
        """Return how a place is beyond the stage's reach, in words; empty if it is not."""
        reach = (self._settings.stage_x_mm, self._settings.stage_y_mm)
        for axis, at_m, (low, high) in zip('xy', stage_at(place), reach, strict=True):
            if not low <= at_m * MM_PER_M <= high:
                at_mm = at_m * MM_PER_M
                return f'is at {axis} {at_mm:g} mm; the stage goes from {low:g} to {high:g} mm'
        return ''

    def _scene(self, goal: Looking, place: int, context: OperationContext) -> Scene:
        with self._moving(context):
            for joint, at_m in zip(STAGE, stage_at(place), strict=True):
                self._drive(joint, at_m)
            return self._port.scene(
                operation_id=goal.operation_id,
                container=goal.container,
                field_index=place,
                modality=goal.modality,
                dilution=goal.dilution,
            )

    def _score_at(
        self, offset_um: float, goal: Looking, place: int, context: OperationContext
    ) -> float:
        """Return the focus score of the middle of a field; -1 when it shows nothing."""
        self._move_focus(offset_um, context)
        scene = middle_of(self._scene(goal, place, context), FOCUS_WINDOW_PX)
        score = float(focus_score(render(scene, goal.modality)))
        return score if math.isfinite(score) else -1.0

    def _move_focus(self, offset_um: float, context: OperationContext) -> None:
        context.sleep(self._settings.focus_step_s, step='focus sweep')
        with self._moving(context):
            self._port.correct_focus(offset_um - self.offset_um)
            self.offset_um = offset_um
            self._drive(FOCUS, focus_at(offset_um))


def middle_of(scene: Scene, side_px: int) -> Scene:
    """Return the window in the middle of a field, as a camera reads it out for focusing."""
    width, height = min(side_px, scene.width_px), min(side_px, scene.height_px)
    left, top = (scene.width_px - width) / 2.0, (scene.height_px - height) / 2.0
    inside = [
        index
        for index, (x, y) in enumerate(zip(scene.x_px, scene.y_px, strict=True))
        if left <= x < left + width and top <= y < top + height
    ]
    share = width * height / (scene.width_px * scene.height_px)
    return replace(
        scene,
        width_px=width,
        height_px=height,
        x_px=[scene.x_px[index] - left for index in inside],
        y_px=[scene.y_px[index] - top for index in inside],
        diameter_um=[scene.diameter_um[index] for index in inside],
        dead=[scene.dead[index] for index in inside],
        car_positive=[scene.car_positive[index] for index in inside],
        debris=round(scene.debris * share),
    )
