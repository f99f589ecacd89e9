"""Pictures that are good, or taken again: focus first, then another place, then the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

from medicell_core.errors import ErrorCode
from medicell_core.operations import AcquireImages, AcquireImagesResult
from medicell_devices.contract import OperationContext
from medicell_devices.failure import PartlyDone
from medicell_devices.settings import ImagingSettings
from medicell_devices.simulated.microscope import Microscope, Taken
from medicell_vision.cells.quality import Finding, Severity
from medicell_vision.gate import FOCUS, judge


class Series:
    """The pictures of one acquisition, each of which has passed the gate.

    A picture that is refused is taken again after a new sweep, and then at other places; both so
    often as the settings allow in the whole series. By a picture that is too dark or saturated
    nothing can be focused: it is taken at another place at once.
    """

    def __init__(
        self,
        microscope: Microscope,
        settings: ImagingSettings,
        goal: AcquireImages,
        context: OperationContext,
    ) -> None:
        self._microscope = microscope
        self._settings = settings
        self._goal = goal
        self._context = context
        self._sweeps_left = settings.retake_sweeps
        self._spare = islice(microscope.places(goal.fields), settings.retake_places)
        self._scores: list[float] = []
        self._retaken_for: list[ErrorCode] = []
        self._findings: list[str] = []

    def take(self) -> list[Taken]:
        """Return a picture per field; raises OUT_OF_FOCUS and ILLUMINATION_FAILED."""
        taken = []
        for field in range(self._goal.fields):
            taken.append(self._good(field))
            self._context.report((field + 1) / self._goal.fields, 'taking pictures')
        return taken

    def result(self, image_set: str) -> AcquireImagesResult:
        """Return what is to be told of the pictures; empty names none."""
        return AcquireImagesResult(
            image_set=image_set,
            focus_score=min(self._scores, default=math.nan),
            retakes=len(self._retaken_for),
            retaken_for=int(self._retaken_for[0]) if self._retaken_for else 0,
            findings=list(self._findings),
        )

    def _good(self, place: int) -> Taken:
        while True:
            taken = self._microscope.take(self._goal, place, self._context)
            score, findings = self._judged(taken)
            refused = [item for item in findings if item.severity is Severity.REFUSE]
            if refused:
                place = self._again(place, refused, score)
                continue
            self._score(score)
            self._note(place, findings)
            return taken

    def _again(self, place: int, refused: Sequence[Finding], score: float) -> int:
        """Do what may help and return the place to look at next; raises when nothing is left."""
        light = any(item.name != FOCUS for item in refused)
        code = ErrorCode.ILLUMINATION_FAILED if light else ErrorCode.OUT_OF_FOCUS
        if not light and self._sweeps_left > 0:
            self._sweeps_left -= 1
            self._microscope.sweep(
                self._goal,
                place,
                self._context,
                range_um=self._settings.focus_range_um,
                step_um=self._settings.focus_step_um,
            )
            where, done = place, f'focus swept anew to {self._microscope.offset_um:.0f} um'
        else:
            found = next(self._spare, None)
            if found is None:
                self._score(score)
                raise self._refusal(code, place, refused)
            where, done = found, f'place {found} taken instead'
        self._retaken_for.append(code)
        self._note(place, refused, done)
        return where

    def _refusal(self, code: ErrorCode, place: int, refused: Sequence[Finding]) -> PartlyDone:
        tried = '; '.join(self._findings) or 'nothing, as the settings allow nothing'
        self._note(place, refused)
        return PartlyDone(code, f'{self._findings[-1]}; tried: {tried}', self.result(''))

    def _judged(self, taken: Taken) -> tuple[float, tuple[Finding, ...]]:
        score, findings = judge(
            taken.shot.picture, self._goal.modality, least_focus=self._settings.min_focus_score
        )
        least = self._settings.min_illumination
        if taken.illumination >= least:
            return score, findings
        lamp = Finding(
            name="lamp's light",
            value=100.0 * taken.illumination,
            limit=100.0 * least,
            unit='% of nominal',
            severity=Severity.REFUSE,
        )
        return score, (lamp, *findings)

    def _score(self, score: float) -> None:
        if not math.isnan(score):
            self._scores.append(score)

    def _note(self, place: int, findings: Sequence[Finding], done: str = '') -> None:
        if findings:
            text = ', '.join(item.text for item in findings)
            self._findings.append(f'place {place}: {text}' + (f': {done}' if done else ''))
