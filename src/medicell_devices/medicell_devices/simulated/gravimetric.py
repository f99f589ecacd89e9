"""Filling by weight: fast, slowly, and in drops until the balance finds what was asked for."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from medicell_core.errors import ErrorCode, MedicellError, OperationFailed
from medicell_core.operations import FillVial, FillVialResult
from medicell_devices.contract import Moving, OperationContext
from medicell_devices.failure import PartlyDone
from medicell_devices.in_flight import InFlight
from medicell_devices.settings import FillRobotSettings
from medicell_devices.simulated.fluid_path import FluidPath
from medicell_sim.port import Flow, PumpReading, WorldPort

ENDED = (ErrorCode.CANCELLED, ErrorCode.STOPPED, ErrorCode.EMERGENCY_STOP)


@dataclass(slots=True, kw_only=True)
class _Fill:
    """A fill under way: what the balance has found in the vial until now."""

    goal: FillVial
    tare_g: float
    held_ml: float = 0.0
    top_ups: int = 0


class GravimetricFiller:
    """The needle and the balance under it; knows for every source what comes late.

    A dose is a time for which the valve is open. What comes after it has shut is learnt from
    the slow doses, whose weight tells it, and left out of the next one.
    """

    def __init__(
        self, port: WorldPort, path: FluidPath, moving: Moving, settings: FillRobotSettings
    ) -> None:
        self._port = port
        self._path = path
        self._moving = moving
        self._settings = settings
        self._in_flight: dict[str, InFlight] = {}

    def tare(self, vial: str, context: OperationContext) -> float:
        """Return what the balance shows before the fill, in g."""
        return self._weigh(vial, context, 'taring')

    def fill(
        self,
        goal: FillVial,
        tare_g: float,
        context: OperationContext,
        *,
        fresh: bool,
        needle: AbstractContextManager[None],
    ) -> FillVialResult:
        """Fill up to a volume; unless the vial is fresh, from what the balance finds in it.

        `needle` is down in the vial while liquid may run.

        Raises FILL_OUT_OF_TOLERANCE, and what a pump meets, each with what has come.
        """
        fill = _Fill(goal=goal, tare_g=tare_g)
        if not fresh:
            fill.held_ml = self._net_ml(fill, context)
        try:
            with needle:
                self._dose_all(fill, context)
        except MedicellError as error:
            raise self._partly_filled(error, fill) from error
        result = self._result(fill)
        self._judge(goal, result)
        return result

    def in_flight(self, source: str, context: OperationContext) -> InFlight:
        """Return what comes late from a source: as learnt, by the journal after a restart."""
        known = self._in_flight.get(source)
        if known is None:
            known = self._first_guess()
            told = context.journal.latest('FillVial', 'source', source)
            if told is not None and told.outcome and told.outcome.get('result'):
                seconds = float(told.outcome['result']['in_flight_s'])
                known = self._first_guess(seconds)
            self._in_flight[source] = known
        return known

    def _dose_all(self, fill: _Fill, context: OperationContext) -> None:
        """Dose in stages, then in drops, until the balance finds what was asked for."""
        wanted_ml = fill.goal.volume_ml
        for share, rate in self._stages():
            whole = False
            while not whole:
                missing_ml = wanted_ml * share - fill.held_ml
                whole = self._dose(fill, missing_ml, rate, context)
        while self._wants_top_up(fill):
            missing_ml = wanted_ml - fill.held_ml
            self._dose(fill, missing_ml, self._settings.top_up_rate_ml_min, context)
            fill.top_ups += 1

    def _first_guess(self, seconds: float | None = None) -> InFlight:
        settings = self._settings
        return InFlight(
            seconds=settings.in_flight_s if seconds is None else seconds,
            least_gain=settings.in_flight_least_gain,
            most_step_s=settings.in_flight_most_step_s,
        )

    def _stages(self) -> tuple[tuple[float, float], ...]:
        """Return up to which part of the volume, and at which rate."""
        settings = self._settings
        return (
            (settings.fast_share, settings.fast_rate_ml_min),
            (1.0, settings.slow_rate_ml_min),
        )

    def _wants_top_up(self, fill: _Fill) -> bool:
        settings, wanted_ml = self._settings, fill.goal.volume_ml
        least_ml = wanted_ml * settings.top_up_below_pct / 100.0
        return wanted_ml - fill.held_ml > least_ml and fill.top_ups < settings.most_top_ups

    def _dose(
        self, fill: _Fill, volume_ml: float, rate_ml_min: float, context: OperationContext
    ) -> bool:
        """Dose once and weigh; not at all when more would come late than is wanted.

        Returns whether it came whole: a protective stop may have broken it off.
        """
        late = self.in_flight(fill.goal.source, context)
        open_s = late.open_s(volume_ml, rate_ml_min)
        if open_s <= 0.0 and rate_ml_min > self._settings.top_up_rate_ml_min:
            return True
        open_s = max(open_s, self._settings.least_open_s)
        whole = self._pour(fill.goal, open_s, rate_ml_min, context)
        before_ml, fill.held_ml = fill.held_ml, self._net_ml(fill, context)
        if whole and rate_ml_min == self._settings.slow_rate_ml_min:
            arrived_ml = fill.held_ml - before_ml
            self._in_flight[fill.goal.source] = late.learnt(
                arrived_ml=arrived_ml, open_s=open_s, rate_ml_min=rate_ml_min
            )
        return whole

    def _pour(
        self, goal: FillVial, open_s: float, rate_ml_min: float, context: OperationContext
    ) -> bool:
        """Open the valve for a time, in strokes after each of which the sensors are read.

        Returns whether it was open for all of it.
        """
        told_ml = moved_ml = 0.0
        left_s = open_s
        with self._path.flow(context, rate_ml_min, goal.source, goal.vial):
            while left_s > 0.0:
                stroke_s = min(left_s, self._settings.stroke_s)
                left_s -= stroke_s
                shut = left_s <= 0.0
                reading = self._stroke(goal, stroke_s, rate_ml_min, context, shut=shut)
                if reading is None:
                    return False
                self._path.check(reading)
                if reading.source_empty:
                    raise OperationFailed(ErrorCode.EMPTY_SOURCE, f'{goal.source} ran empty')
                told_ml += rate_ml_min / 60.0 * stroke_s
                moved_ml += reading.moved_ml
                if not shut:
                    self._path.check_metering(told_ml, moved_ml)
        return True

    def _stroke(
        self,
        goal: FillVial,
        stroke_s: float,
        rate_ml_min: float,
        context: OperationContext,
        *,
        shut: bool,
    ) -> PumpReading | None:
        """Let liquid run for a time; None when the valve was shut from outside meanwhile."""
        begun_s, told = self._port.now_s(), False
        flow = Flow(
            operation_id=context.owner,
            verb='dispense',
            source=goal.source,
            target=goal.vial,
            rate_ml_min=rate_ml_min,
        )
        try:
            self._path.runs(context, flow)
            context.sleep(stroke_s, step='filling')
            if self._path.open_valves:
                with self._moving(context):
                    told = True
                    return self._dispense(goal, stroke_s, rate_ml_min, context, shut=shut)
        except MedicellError as error:
            if error.code in ENDED and not told:
                self._broken_off(goal, begun_s, rate_ml_min, context)
            raise
        self._broken_off(goal, begun_s, rate_ml_min, context)
        return None

    def _broken_off(
        self, goal: FillVial, begun_s: float, rate_ml_min: float, context: OperationContext
    ) -> None:
        """Let come what ran until the valve was shut, whoever had it shut."""
        with suppress(MedicellError):
            ended_s = self._path.shut_at_s
            if math.isnan(ended_s) or ended_s < begun_s:
                ended_s = self._port.now_s()
            self._dispense(goal, ended_s - begun_s, rate_ml_min, context, shut=True)

    def _dispense(
        self,
        goal: FillVial,
        duration_s: float,
        rate_ml_min: float,
        context: OperationContext,
        *,
        shut: bool,
    ) -> PumpReading:
        return self._port.dispense(
            operation_id=context.owner,
            source=goal.source,
            vial=goal.vial,
            duration_s=duration_s,
            rate_ml_min=rate_ml_min,
            shut=shut,
        )

    def _weigh(self, vial: str, context: OperationContext, step: str) -> float:
        context.sleep(self._settings.balance_settle_s, step=step)
        return self._read(vial)

    def _read(self, vial: str) -> float:
        count = self._settings.weigh_readings
        return sum(self._port.weigh(vial) for _ in range(count)) / count

    def _net_ml(self, fill: _Fill, context: OperationContext) -> float:
        gross_g = self._weigh(fill.goal.vial, context, 'weighing')
        return (gross_g - fill.tare_g) / self._settings.density_g_ml

    def _partly_filled(self, error: MedicellError, fill: _Fill) -> MedicellError:
        """Return the error with what the balance finds in the vial, if it can be read."""
        try:
            net_g = self._read(fill.goal.vial) - fill.tare_g
        except MedicellError:
            return error
        fill.held_ml = net_g / self._settings.density_g_ml
        return PartlyDone(error.code, error.message, self._result(fill))

    def _result(self, fill: _Fill) -> FillVialResult:
        late = self._in_flight.get(fill.goal.source, self._first_guess())
        return FillVialResult(
            net_weight_g=fill.held_ml * self._settings.density_g_ml,
            volume_ml=fill.held_ml,
            tare_g=fill.tare_g,
            top_ups=fill.top_ups,
            in_flight_s=late.seconds,
        )

    def _judge(self, goal: FillVial, result: FillVialResult) -> None:
        """Raise FILL_OUT_OF_TOLERANCE unless the fill is right whatever the balance's error."""
        settings = self._settings
        most_ml = goal.volume_ml * settings.fill_tolerance_pct / 100.0
        doubt_ml = settings.balance_uncertainty_g / settings.density_g_ml
        if abs(result.volume_ml - goal.volume_ml) > most_ml - doubt_ml:
            raise PartlyDone(
                ErrorCode.FILL_OUT_OF_TOLERANCE,
                f'{goal.vial} holds {result.volume_ml:.3f} mL; {goal.volume_ml:g} mL within '
                f'{settings.fill_tolerance_pct:g} % was asked for, less the '
                f'{doubt_ml * 1000.0:g} uL by which the balance may err',
                result,
            )
