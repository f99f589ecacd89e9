"""What is known of a vial in its cycle: what was measured, and what the journal tells."""

from __future__ import annotations

import math
from collections.abc import Iterable

from medicell_core.operations import (
    CapVial,
    CapVialResult,
    FillVial,
    FillVialResult,
    LabelVial,
    LabelVialResult,
    MoveContainerResult,
    ProcessVial,
    ProcessVialResult,
    StopperVial,
    StopperVialResult,
)
from medicell_core.serialise import outcome_from_json
from medicell_devices.cycle_robot import VialSeen
from medicell_devices.steps import JournalledSteps
from medicell_record.journal import JsonObject, OperationJournal

TARE = 'TareVial'


class VialFigures:
    """The figures of one cycle, which become its result; NaN for what is not known."""

    def __init__(self, steps: JournalledSteps) -> None:
        self._steps = steps
        self.filled: FillVialResult | None = None
        self.before_ml = 0.0
        """What earlier cycles have told to be in the vial; the last that could weigh it tells."""
        self.opened_s = self.closed_s = math.nan
        self.force_n = self.torque_nm = math.nan
        self.label = ''
        self.step = ''
        self.moved: list[MoveContainerResult] = []

    def recall(self, vial: str, journal: OperationJournal) -> None:
        """Take what the journal tells of a cycle that was broken off.

        What came into the vial in it is what no earlier cycle has told. A step that has not ended
        tells nothing.
        """
        steps = self._steps
        self.filled = steps.result('fill', FillVial, FillVialResult)
        pressed = steps.result('stopper', StopperVial, StopperVialResult)
        crimped = steps.result('cap', CapVial, CapVialResult)
        labelled = steps.result('label', LabelVial, LabelVialResult)
        self.opened_s = steps.figure(TARE, 'at_s')
        if pressed is not None:
            self.closed_s, self.force_n = steps.figure('stopper', 'at_s'), pressed.force_n
        self.torque_nm = math.nan if crimped is None else crimped.torque_nm
        self.label = '' if labelled is None else labelled.label_text
        told = journal.latest(
            ProcessVial.__name__, 'vial', vial, fits=lambda item: math.isfinite(_told_ml(item))
        )
        if told is not None and told.outcome is not None:
            self.before_ml = _told_ml(told.outcome)

    def take_fills_as_told(self) -> None:
        """Take what is in the vial by its last fill that was weighed for what has been told."""
        fills = self._steps.results('fill', FillVial, FillVialResult)
        weighed = (fill.volume_ml for fill in fills if math.isfinite(fill.volume_ml))
        self.before_ml = next(weighed, 0.0)

    def open_s(self, now_s: float) -> float:
        """Return for how long product has stood open; NaN when none has come."""
        return (now_s if math.isnan(self.closed_s) else self.closed_s) - self.opened_s

    def result(self, seen: VialSeen, *, label_prints: int, now_s: float) -> ProcessVialResult:
        """Return all that is known, of a vial as it is seen now."""
        filled, moved = self.filled, self.moved
        return ProcessVialResult(
            net_weight_g=math.nan if filled is None else filled.net_weight_g,
            volume_ml=math.nan if filled is None else filled.volume_ml,
            added_ml=self._added_ml(),
            tare_g=self._steps.figure(TARE, 'tare_g') if filled is None else filled.tare_g,
            top_ups=0 if filled is None else filled.top_ups,
            in_flight_s=math.nan if filled is None else filled.in_flight_s,
            open_s=self.open_s(now_s),
            closed_for_s=self._closed_for_s(now_s) if seen.stoppered else math.nan,
            force_n=self.force_n,
            torque_nm=self.torque_nm,
            label_text=self.label,
            label_prints=label_prints,
            step=self.step,
            station=seen.station,
            moves=len(moved),
            path_length_m=sum(item.path_length_m for item in moved),
            planned_samples=sum(item.planned_samples for item in moved),
            planned_gap_m=_least(item.planned_gap_m for item in moved),
            planned_breaches=sum(item.planned_breaches for item in moved),
            measured_samples=sum(item.measured_samples for item in moved),
            measured_gap_m=_least(item.measured_gap_m for item in moved),
            measured_breaches=sum(item.measured_breaches for item in moved),
        )

    def _added_ml(self) -> float:
        """Return what came in this operation; NaN when product came and nothing has weighed it."""
        if self.filled is None:
            return 0.0 if math.isnan(self.opened_s) else math.nan
        return self.filled.volume_ml - self.before_ml

    def _closed_for_s(self, now_s: float) -> float:
        closed_s = self._steps.figure('stopper', 'at_s')
        return 0.0 if math.isnan(closed_s) else now_s - closed_s


def _told_ml(outcome: JsonObject) -> float:
    """Return the volume that a cycle has told, in mL; NaN when it told none."""
    told = outcome_from_json(ProcessVial.__name__, outcome).result
    return told.volume_ml if isinstance(told, ProcessVialResult) else math.nan


def _least(values: Iterable[float]) -> float:
    """Return the least of what is known; NaN when nothing is."""
    return min((value for value in values if not math.isnan(value)), default=math.nan)
