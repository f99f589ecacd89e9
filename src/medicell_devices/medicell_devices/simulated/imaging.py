"""The simulated imaging station: stainer and microscope over a cartridge, and the counting."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, OperationFailed, OperationRefused
from medicell_core.operations import (
    AcquireImages,
    AcquireImagesResult,
    AnalyseImages,
    AnalyseImagesResult,
    FindFocus,
    FindFocusResult,
    Operation,
    ReadLabel,
    ReadLabelResult,
    Role,
    ScanFields,
    ScanFieldsResult,
)
from medicell_devices.checks import check_choice, check_range
from medicell_devices.contract import OperationContext
from medicell_devices.contracts.imaging import Analysis, Picture, Shot
from medicell_devices.failure import PartlyDone
from medicell_devices.settings import ImagingSettings
from medicell_devices.simulated.base import SimulatedDriver
from medicell_devices.simulated.machinery import stage_at
from medicell_devices.simulated.microscope import MM_PER_M, Looking, Microscope, Taken
from medicell_devices.simulated.retaking import Series
from medicell_sim.port import WorldPort
from medicell_vision.cytometry import (
    BRIGHT_FIELD,
    FLUORESCENCE,
    CytometryResult,
    Settings,
    analyse,
    find_bright_field,
    find_fluorescent,
)
from medicell_vision.focus import focus_score
from medicell_vision.gate import covered
from medicell_vision.overlay import overlay

MODALITIES = (BRIGHT_FIELD, FLUORESCENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Pictures of one cartridge with what turns pixels into cells per millilitre."""

    batch_id: str
    modality: str
    depth_um: float
    dilution: float
    shots: tuple[Shot, ...]
    findings: list[str]


class SimulatedImaging(SimulatedDriver):
    """Imaging station on a world; keeps the newest image sets, and the focus it has found."""

    role = Role.IMAGING

    def __init__(self, port: WorldPort, settings: ImagingSettings) -> None:
        super().__init__(port, settings)
        self._settings = settings
        self._microscope = Microscope(port, settings, moving=self._moving, drive=self._drive)
        self._keeping = threading.Lock()
        self._sets: OrderedDict[str, ImageSet] = OrderedDict()
        self._analysis: Analysis | None = None
        self._focus_score = 0.0

    def lanes(self, goal: Operation) -> frozenset[str]:
        """Return the stage, or the computer for an analysis."""
        return frozenset({'computer' if isinstance(goal, AnalyseImages) else 'stage'})

    def telemetry(self) -> dict[str, float]:
        """Return the last focus score, the objective's offset, the lamp and the sets kept."""
        return {
            **super().telemetry(),
            'focus_score': self._focus_score,
            'focus_offset_um': self._microscope.offset_um,
            'lamp': float(self._microscope.lamp),
            'illumination': self._microscope.illumination,
            'image_sets': float(len(self._sets)),
        }

    def latest_shot(self) -> Shot | None:
        """Return the newest picture."""
        return self._microscope.latest

    def latest_analysis(self) -> Analysis | None:
        """Return what the last analysis has found."""
        return self._analysis

    def read_label(self, goal: ReadLabel, context: OperationContext) -> ReadLabelResult:
        """Read a container's label with the inlet's camera."""
        with self._admitted(goal, context) as texts:
            return ReadLabelResult(label_text=texts['container'])

    def acquire_images(
        self, goal: AcquireImages, context: OperationContext
    ) -> AcquireImagesResult:
        """Stain, focus if asked, and take a good picture per field, some of them again."""
        with self._admitted(goal, context):
            self._check_fields(0, goal.fields)
            self._check_sample(goal)
            self._stain(context)
            with self._microscope.lit(context):
                if goal.refocus:
                    self._microscope.sweep(
                        goal,
                        0,
                        context,
                        range_um=self._settings.focus_range_um,
                        step_um=self._settings.focus_step_um,
                    )
                series = Series(self._microscope, self._settings, goal, context)
                taken = self._taken(series)
            result = series.result(goal.operation_id)
            self._focus_score = result.focus_score
            self._keep(goal, taken, result.findings)
            return result

    def find_focus(self, goal: FindFocus, context: OperationContext) -> FindFocusResult:
        """Sweep the objective at one place; raises OUT_OF_FOCUS and TOO_FEW_CELLS too."""
        with self._admitted(goal, context):
            self._microscope.check_place('field', goal.field)
            self._microscope.check_sweep(goal.range_um, goal.step_um)
            self._check_sample(goal)
            self._stain(context)
            with self._microscope.lit(context):
                score = self._microscope.sweep(
                    goal, goal.field, context, range_um=goal.range_um, step_um=goal.step_um
                )
            found = FindFocusResult(offset_um=self._microscope.offset_um, focus_score=score)
            least = self._settings.min_focus_score
            if score < 0.0:
                raise OperationFailed(
                    ErrorCode.TOO_FEW_CELLS, f'place {goal.field} shows nothing to focus on'
                )
            self._focus_score = score
            if score < least:
                raise PartlyDone(
                    ErrorCode.OUT_OF_FOCUS,
                    f'the best focus score is {score:.2f}, at {found.offset_um:.0f} um; at least '
                    f'{least:g} is needed',
                    found,
                )
            return found

    def scan_fields(self, goal: ScanFields, context: OperationContext) -> ScanFieldsResult:
        """Look at places of the chamber and tell of each how it looks; nothing is refused."""
        with self._admitted(goal, context):
            self._check_fields(goal.first_field, goal.fields)
            self._check_sample(goal)
            self._stain(context)
            taken = []
            with self._microscope.lit(context):
                for index in range(goal.fields):
                    place = goal.first_field + index
                    taken.append(self._microscope.take(goal, place, context))
                    context.report((index + 1) / goal.fields, 'taking pictures')
            stages = [stage_at(item.field) for item in taken]
            return ScanFieldsResult(
                x_mm=[MM_PER_M * x_m for x_m, _ in stages],
                y_mm=[MM_PER_M * y_m for _, y_m in stages],
                focus_score=[float(focus_score(item.shot.picture)) for item in taken],
                light=[item.illumination for item in taken],
                covered_pct=[
                    100.0 * covered(item.shot.picture, goal.modality, item.shot.um_per_px)
                    for item in taken
                ],
            )

    def analyse_images(
        self, goal: AnalyseImages, context: OperationContext
    ) -> AnalyseImagesResult:
        """Count the cells of a kept image set; raises TOO_FEW_CELLS and TOO_DENSE too."""
        with self._admitted(goal, context):
            found = self._kept(goal)
            context.sleep(self._settings.analysis_s, step='counting')
            counted = analyse(
                [shot.picture for shot in found.shots],
                modality=found.modality,
                um_per_px=found.shots[0].um_per_px,
                depth_um=found.depth_um,
                dilution=found.dilution,
            )
            result = result_of(counted, found.findings)
            self._analysis = Analysis(
                operation_id=goal.operation_id,
                batch_id=goal.batch_id,
                modality=found.modality,
                shot=found.shots[-1],
                annotated=annotated(found.shots[-1], found.modality),
                figures=result,
            )
            context.report(1.0, 'counted')
            return result

    def _make_safe(self) -> None:
        self._microscope.lamp = False

    def _drive(self, joint: str, position: float) -> None:
        self._machinery.drive(joint, position)

    def _check_fields(self, first: int, fields: int) -> None:
        """Raise FIELD_OUT_OF_RANGE for too many places, or one beyond the stage's reach."""
        limits = (1, self._settings.max_fields)
        check_range('fields', fields, limits, '', ErrorCode.FIELD_OUT_OF_RANGE)
        for place in range(first, first + fields):
            self._microscope.check_place('fields', place)

    def _check_sample(self, goal: Looking) -> None:
        settings = self._settings
        check_choice('modality', goal.modality, MODALITIES, ErrorCode.INVALID_GOAL)
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

    def _stain(self, context: OperationContext) -> None:
        context.sleep(self._settings.stain_s, step='staining')

    def _taken(self, series: Series) -> list[Taken]:
        """Take the pictures, and know the focus score of those that are refused too."""
        try:
            return series.take()
        except PartlyDone:
            self._focus_score = series.result('').focus_score
            raise

    def _kept(self, goal: AnalyseImages) -> ImageSet:
        """Return a kept set; raises UNKNOWN_IMAGE_SET, and IDENTITY_MISMATCH for another batch."""
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
        return found

    def _keep(self, goal: AcquireImages, taken: list[Taken], findings: list[str]) -> None:
        with self._keeping:
            self._sets[goal.operation_id] = ImageSet(
                batch_id=goal.batch_id,
                modality=goal.modality,
                depth_um=taken[0].depth_um,
                dilution=goal.dilution,
                shots=tuple(item.shot for item in taken),
                findings=findings,
            )
            while len(self._sets) > self._settings.kept_image_sets:
                self._sets.popitem(last=False)


def result_of(counted: CytometryResult, findings: list[str]) -> AnalyseImagesResult:
    """Return the figures of an analysis with the findings of its pictures."""
    return AnalyseImagesResult(
        cells_counted=counted.cells_counted,
        viable_per_ml=counted.viable_per_ml,
        viable_per_ml_se=counted.viable_per_ml_se,
        viability_pct=counted.viability_pct,
        viability_pct_se=counted.viability_pct_se,
        diameter_um=counted.diameter_um,
        car_positive_pct=counted.car_positive_pct,
        car_positive_pct_se=counted.car_positive_pct_se,
        findings=list(findings),
    )


def annotated(shot: Shot, modality: str) -> Picture:
    """Return a picture with what is found in it, (H, W, 3) RGB."""
    find = find_bright_field if modality == BRIGHT_FIELD else find_fluorescent
    return overlay(shot.picture, find(shot.picture, shot.um_per_px, Settings()))
