"""A pump, its pinch valves and its sensors: liquid moves in strokes, each one checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from medicell_core.errors import ErrorCode, MedicellError, OperationFailed
from medicell_core.operations import Result, TransferResult
from medicell_devices.contract import Moving, OperationContext
from medicell_devices.failure import PartlyDone
from medicell_devices.simulated.liquids import Scales, check_sensors
from medicell_sim.port import Flow, PumpReading

StrokesOf = Callable[[float], int]
"""In how many strokes a volume in mL is pumped, at least one."""

BeforeStroke = Callable[[OperationContext, str, float], None]
"""What a pump does before a stroke out of a source of a volume in mL."""


class FluidPath:
    """The liquid side of a device; safe (pump off, valves shut) whenever no operation runs."""

    def __init__(
        self,
        scales: Scales,
        moving: Moving,
        *,
        max_pressure_kpa: float,
        strokes_of: StrokesOf,
        max_pump_error_pct: float,
        valve_s: float,
        before_stroke: BeforeStroke | None = None,
        now_s: Callable[[], float] | None = None,
        on_pumped: Callable[[float], None] | None = None,
    ) -> None:
        self._on_pumped = on_pumped
        self._scales = scales
        self._moving = moving
        self._max_pressure_kpa = max_pressure_kpa
        self._strokes_of = strokes_of
        self._error_pct = max_pump_error_pct
        self._valve_s = valve_s
        self._before_stroke = before_stroke
        self._now_s = now_s
        self.open_valves: tuple[str, ...] = ()
        self.rate_ml_min = 0.0
        self.pressure_kpa = 0.0
        self.pumped_ml = 0.0
        self.shut_at_s = math.nan
        """When a running pump was switched off last, where there is a clock to tell."""

    def shut(self) -> None:
        """Switch the pump off and shut the valves."""
        if self.rate_ml_min > 0.0 and self._now_s is not None:
            with suppress(MedicellError):
                self.shut_at_s = self._now_s()
        self.open_valves = ()
        self.rate_ml_min = 0.0
        self.pressure_kpa = 0.0

    @contextmanager
    def flow(
        self, context: OperationContext, rate_ml_min: float, *containers: str
    ) -> Iterator[None]:
        """Open the valves of these containers and run the pump; both end with the body."""
        context.sleep(self._valve_s, step='valves open')
        with self._moving(context):
            self.open_valves = containers
            self.rate_ml_min = rate_ml_min
        try:
            yield
        finally:
            self.shut()
            if self._on_pumped is not None:
                self._on_pumped(self.pumped_ml)

    def runs(self, context: OperationContext, flow: Flow) -> None:
        """Say that the pump runs from now on: should nobody tell its end, it stops by itself."""
        with self._moving(context):
            self._scales.port.flow(flow)

    def check(self, reading: PumpReading) -> None:
        """Take in what the sensors say after a stroke; raises LEAK, OCCLUSION, BUBBLE."""
        self.pressure_kpa = reading.pressure_kpa
        self.pumped_ml += max(0.0, reading.moved_ml)
        check_sensors(reading, self._max_pressure_kpa)

    def check_metering(self, told_ml: float, moved_ml: float) -> None:
        """Raise HARDWARE_FAULT when the load cells find the pump off what it was told."""
        allowed_ml = told_ml * self._error_pct / 100.0 + self._scales.tolerance_ml
        if abs(moved_ml - told_ml) > allowed_ml:
            raise OperationFailed(
                ErrorCode.HARDWARE_FAULT,
                f'the pump was told {told_ml:.2f} mL and moved {moved_ml:.2f} mL; allowed are '
                f'{allowed_ml:.2f} mL off',
            )

    def pump(
        self,
        context: OperationContext,
        *,
        source: str,
        target: str,
        volume_ml: float,
        rate_ml_min: float,
        told_as: Callable[[TransferResult], Result] | None = None,
    ) -> TransferResult:
        """Move a volume, metered by the target's load cell.

        Raises PartlyDone with what has moved (as a TransferResult, or `told_as` the result of
        the operation that this movement is a part of): LEAK, OCCLUSION, BUBBLE, EMPTY_SOURCE,
        HARDWARE_FAULT when the pump is out of calibration or gives no stroke, CANCELLED,
        STOPPED.
        """
        moved = peak = asked = 0.0
        with self.flow(context, rate_ml_min, source, target):
            try:
                for left in range(self._strokes(volume_ml), 0, -1):
                    stroke_ml = max(0.0, volume_ml - moved) / left
                    reading = self._stroke(context, source, target, stroke_ml, rate_ml_min)
                    moved += reading.moved_ml
                    peak = max(peak, reading.pressure_kpa)
                    self.check(reading)
                    self._check_source(reading, source, volume_ml, moved)
                    if not reading.source_empty:
                        asked += stroke_ml
                        self.check_metering(asked, moved)
                    context.report(min(1.0, max(0.0, moved / volume_ml)), 'pumping')
            except MedicellError as error:
                done = f'{moved:.2f} of {volume_ml:.2f} mL moved from {source} to {target}'
                result = TransferResult(volume_ml=moved, peak_pressure_kpa=peak)
                told = result if told_as is None else told_as(result)
                raise PartlyDone.after(error, done, told) from error
        return TransferResult(volume_ml=moved, peak_pressure_kpa=peak)

    def _strokes(self, volume_ml: float) -> int:
        """Ask the pump; raises HARDWARE_FAULT for less than one stroke, which moves nothing."""
        strokes = self._strokes_of(volume_ml)
        if strokes < 1:
            raise OperationFailed(
                ErrorCode.HARDWARE_FAULT,
                f'the pump says {strokes} strokes for {volume_ml:g} mL; least is 1',
            )
        return strokes

    def _stroke(
        self,
        context: OperationContext,
        source: str,
        target: str,
        volume_ml: float,
        rate_ml_min: float,
    ) -> PumpReading:
        if self._before_stroke is not None:
            self._before_stroke(context, source, volume_ml)
        self.runs(
            context,
            Flow(
                operation_id=context.owner,
                verb='pump',
                source=source,
                target=target,
                rate_ml_min=rate_ml_min,
            ),
        )
        context.sleep(volume_ml / rate_ml_min * 60.0, step='pumping')
        with self._moving(context):
            return self._scales.port.pump(
                operation_id=context.owner,
                source=source,
                target=target,
                volume_ml=volume_ml,
                rate_ml_min=rate_ml_min,
            )

    def _check_source(
        self, reading: PumpReading, source: str, volume_ml: float, moved_ml: float
    ) -> None:
        missing = volume_ml - moved_ml
        if reading.source_empty and missing > self._scales.tolerance_of(volume_ml):
            raise OperationFailed(ErrorCode.EMPTY_SOURCE, f'{source} ran empty')
