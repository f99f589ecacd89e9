"""The simulated microscope: stage, stainer, focus sweep and camera over a cartridge."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, OperationFailed, OperationRefused
from medicell_core.operations import (
    AcquireImages,
    AcquireImagesResult,
    AnalyseImages,
    AnalyseImagesResult,
    Operation,
    ReadLabel,
    ReadLabelResult,
    Role,
)
from medicell_devices.checks import check_choice, check_range
from medicell_devices.contract import OperationContext
from medicell_devices.failure import PartlyDone
from medicell_devices.settings import ImagingSettings
from medicell_devices.simulated.base import SimulatedDriver
from medicell_devices.simulated.machinery import FOCUS, STAGE, focus_at, stage_at
from medicell_sim.optics import render
from medicell_sim.port import Scene, WorldPort
from medicell_vision.cytometry import analyse
from medicell_vision.focus import focus_score

BRIGHT_FIELD = 'bright_field'
FLUORESCENCE = 'fluorescence'
MODALITIES = (BRIGHT_FIELD, FLUORESCENCE)

FOCUS_WINDOW_PX = 512
"""Side of the window in the middle of the field by which the focus sweep judges."""
FOCUS_PASSES = 2
PLATEAU = 0.98
"""Places this close to the best score are as sharp: the middle of them is the focus."""
FINER = 5.0
"""How much finer each pass of the sweep is."""

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Pictures of one cartridge with what turns pixels into cells per millilitre."""

    batch_id: str
    modality: str
    um_per_px: float
    depth_um: float
    dilution: float
    images: tuple[Picture, ...]


class SimulatedImaging(SimulatedDriver):
    """Imaging station on a world; keeps the newest image sets, and the focus it has found."""

    role = Role.IMAGING

    def __init__(self, port: WorldPort, settings: ImagingSettings) -> None:
        super().__init__(port, settings)
        self._settings = settings
        self._keeping = threading.Lock()
        self._sets: OrderedDict[str, ImageSet] = OrderedDict()
        self._latest: Picture | None = None
        self._focus_score = 0.0
        self._focus_offset_um = 0.0
        self._illumination = 1.0
        self._lamp = False

    def lanes(self, goal: Operation) -> frozenset[str]:
        """Return the stage, or the computer for an analysis."""
        return frozenset({'computer' if isinstance(goal, AnalyseImages) else 'stage'})

    def telemetry(self) -> dict[str, float]:
        """Return the last focus score, the objective's offset, the lamp and the sets kept."""
        return {
            **super().telemetry(),
            'focus_score': self._focus_score,
            'focus_offset_um': self._focus_offset_um,
            'lamp': float(self._lamp),
            'illumination': self._illumination,
            'image_sets': float(len(self._sets)),
        }

    def latest_image(self) -> Picture | None:
        """Return the newest picture: (H, W) grey, or (2, H, W) nuclei and CAR label."""
        return self._latest

    def read_label(self, goal: ReadLabel, context: OperationContext) -> ReadLabelResult:
        """Read a container's label with the inlet's camera."""
        with self._admitted(goal, context) as texts:
            return ReadLabelResult(label_text=texts['container'])

    def acquire_images(
        self, goal: AcquireImages, context: OperationContext
    ) -> AcquireImagesResult:
        """Stain, focus if asked, take a picture per field, and judge focus and light."""
        with self._admitted(goal, context):
            self._check_acquisition(goal)
            context.sleep(self._settings.stain_s, step='staining')
            with self._moving(context):
                self._lamp = True
            try:
                if goal.refocus:
                    self._sweep(goal, context)
                scenes, images = self._take_fields(goal, context)
            finally:
                self._lamp = False
            self._check_light(scenes)
            worst = worst_score(images)
            self._focus_score = worst
            result = AcquireImagesResult(image_set=goal.operation_id, focus_score=worst)
            if worst < self._settings.min_focus_score:
                raise PartlyDone(
                    ErrorCode.OUT_OF_FOCUS,
                    f'focus score is {worst:.2f}; at least {self._settings.min_focus_score:g} '
                    f'is needed',
                    AcquireImagesResult(image_set='', focus_score=worst),
                )
            self._keep(goal, scenes[0], images)
            return result

    def analyse_images(
        self, goal: AnalyseImages, context: OperationContext
    ) -> AnalyseImagesResult:
        """Count the cells of a kept image set; raises TOO_FEW_CELLS and TOO_DENSE too."""
        with self._admitted(goal, context):
            with self._keeping:
                found = self._sets.get(goal.image_set)
                known = ', '.join(self._sets) or 'none'
            if found is None:
                raise OperationRefused(
                    ErrorCode.UNKNOWN_IMAGE_SET,
                    f'image_set is {goal.image_set!r}; kept are {known}',
                )
            if found.batch_id != goal.batch_id:
                raise OperationRefused(
                    ErrorCode.IDENTITY_MISMATCH,
                    f'image_set shows cells of {found.batch_id!r}; the batch is {goal.batch_id!r}',
                )
            context.sleep(self._settings.analysis_s, step='counting')
            counted = analyse(
                list(found.images),
                modality=found.modality,
                um_per_px=found.um_per_px,
                depth_um=found.depth_um,
                dilution=found.dilution,
            )
            return AnalyseImagesResult(
                cells_counted=counted.cells_counted,
                viable_per_ml=counted.viable_per_ml,
                viable_per_ml_se=counted.viable_per_ml_se,
                viability_pct=counted.viability_pct,
                viability_pct_se=counted.viability_pct_se,
                diameter_um=counted.diameter_um,
                car_positive_pct=counted.car_positive_pct,
                car_positive_pct_se=counted.car_positive_pct_se,
            )

    def _make_safe(self) -> None:
        self._lamp = False

    def _check_acquisition(self, goal: AcquireImages) -> None:
        settings = self._settings
        check_choice('modality', goal.modality, MODALITIES, ErrorCode.INVALID_GOAL)
        check_range(
            'fields', goal.fields, (1, settings.max_fields), '', ErrorCode.FIELD_OUT_OF_RANGE
        )
        check_range(
            'dilution', goal.dilution, (1.0, settings.max_dilution), '', ErrorCode.INVALID_GOAL
        )
        self._look('container', goal.container, (ContainerKind.CARTRIDGE,))
        held_ml = max(0.0, self._port.weigh(goal.container) / settings.density_g_ml)
        if held_ml < settings.min_sample_ml:
            raise OperationRefused(
                ErrorCode.NO_SAMPLE,
                f'container: {goal.container} holds {held_ml:.3f} mL; needed are '
                f'{settings.min_sample_ml:g} mL',
            )

    def _take_fields(
        self, goal: AcquireImages, context: OperationContext
    ) -> tuple[list[Scene], list[Picture]]:
        scenes: list[Scene] = []
        images: list[Picture] = []
        for index in range(goal.fields):
            context.sleep(self._settings.field_s, step='taking pictures')
            scenes.append(self._scene(goal, index, context))
            images.append(render(scenes[-1], goal.modality))
            self._latest = images[-1]
            context.report((index + 1) / goal.fields, 'taking pictures')
        return scenes, images

    def _scene(self, goal: AcquireImages, index: int, context: OperationContext) -> Scene:
        with self._moving(context):
            for joint, place_m in zip(STAGE, stage_at(index), strict=True):
                self._machinery.drive(joint, place_m)
            return self._port.scene(
                operation_id=goal.operation_id,
                container=goal.container,
                field_index=index,
                modality=goal.modality,
                dilution=goal.dilution,
            )

    def _sweep(self, goal: AcquireImages, context: OperationContext) -> None:
        """Move the objective through its range and leave it where the picture is sharpest.

        Two passes, the second one finer; a field with nothing to focus on moves nothing.
        """
        settings = self._settings
        best_um = self._focus_offset_um
        reach_um, step_um = settings.focus_range_um, settings.focus_step_um
        for _ in range(FOCUS_PASSES):
            places = best_um + np.arange(-reach_um, reach_um + step_um / 2.0, step_um)
            scores = [self._score_at(float(place), goal, context) for place in places]
            if max(scores) >= 0.0:
                sharp = np.asarray(scores) >= PLATEAU * max(scores)
                best_um = float(places[sharp].mean())
            reach_um, step_um = step_um, step_um / FINER
        self._move_focus(best_um, context)

    def _score_at(self, place_um: float, goal: AcquireImages, context: OperationContext) -> float:
        """Return the focus score of the middle of the first field; -1 when it shows nothing."""
        self._move_focus(place_um, context)
        scene = middle_of(self._scene(goal, 0, context), FOCUS_WINDOW_PX)
        score = float(focus_score(render(scene, goal.modality)))
        return score if math.isfinite(score) else -1.0

    def _move_focus(self, place_um: float, context: OperationContext) -> None:
        context.sleep(self._settings.focus_step_s, step='focus sweep')
        with self._moving(context):
            self._port.correct_focus(place_um - self._focus_offset_um)
            self._focus_offset_um = place_um
            self._machinery.drive(FOCUS, focus_at(place_um))

    def _check_light(self, scenes: list[Scene]) -> None:
        """Raise ILLUMINATION_FAILED when the lamp's own monitor sees too little light."""
        least = self._settings.min_illumination
        self._illumination = min(scene.illumination for scene in scenes)
        if self._illumination < least:
            raise OperationFailed(
                ErrorCode.ILLUMINATION_FAILED,
                f'the lamp gives {self._illumination:.2f} of its nominal light; at least '
                f'{least:g} is needed',
            )

    def _keep(self, goal: AcquireImages, scene: Scene, images: list[Picture]) -> None:
        with self._keeping:
            self._sets[goal.operation_id] = ImageSet(
                batch_id=goal.batch_id,
                modality=goal.modality,
                um_per_px=scene.um_per_px,
                depth_um=scene.depth_um,
                dilution=goal.dilution,
                images=tuple(images),
            )
            while len(self._sets) > self._settings.kept_image_sets:
                self._sets.popitem(last=False)


def worst_score(images: list[Picture]) -> float:
    """Return the lowest focus score; empty fields have none, and NaN is said when all are."""
    scores = [float(focus_score(image)) for image in images]
    return min((score for score in scores if math.isfinite(score)), default=math.nan)


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
