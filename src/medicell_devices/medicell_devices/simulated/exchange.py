"""A bay's exchange of medium: supernatant out, fresh medium in, each metered by load cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from medicell_core.errors import ErrorCode, MedicellError, OperationFailed, OperationRefused
from medicell_core.operations import ExchangeMedium, ExchangeMediumResult
from medicell_devices.checks import check_positive, check_range
from medicell_devices.contract import Moving, OperationContext
from medicell_devices.failure import PartlyDone
from medicell_devices.settings import IncubatorSettings
from medicell_devices.simulated.fluid_path import FluidPath
from medicell_devices.simulated.liquids import Scales
from medicell_sim.port import ContainerView, Flow, WorldPort

SETTLED = 'settled'
FILTER = 'filter'


class Exchange:
    """The pumps of one bay; `check_bay` raises when the bay's climate or door ends an exchange."""

    def __init__(
        self,
        port: WorldPort,
        settings: IncubatorSettings,
        moving: Moving,
        check_bay: Callable[[str], None],
        bay: str,
    ) -> None:
        self._port = port
        self._settings = settings
        self._moving = moving
        self._check_bay = check_bay
        self._bay = bay
        self._scales = Scales(
            port=port,
            density_g_ml=settings.density_g_ml,
            tolerance_ml=settings.weight_tolerance_ml,
            tolerance_pct=settings.weight_tolerance_pct,
        )
        self.path = FluidPath(
            self._scales,
            moving,
            max_pressure_kpa=settings.max_pressure_kpa,
            strokes_of=lambda _: settings.strokes,
            max_pump_error_pct=settings.max_pump_error_pct,
            valve_s=settings.valve_s,
        )

    def check(self, goal: ExchangeMedium, vessel: str, waste: ContainerView) -> None:
        """Raise what the machine would refuse: volume, rate, content of medium, room in waste."""
        settings = self._settings
        limits = (settings.min_exchange_ml, settings.max_exchange_ml)
        check_range('volume_ml', goal.volume_ml, limits, 'mL', ErrorCode.VOLUME_OUT_OF_RANGE)
        if vessel in (goal.medium, goal.waste):
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'{vessel} in {goal.bay} is medium or waste of the goal'
            )
        if goal.mode == 'perfusion':
            check_positive('duration_s', goal.duration_s, 's')
            rate = goal.volume_ml / goal.duration_s * 60.0
            if rate > settings.exchange_rate_ml_min:
                raise OperationRefused(
                    ErrorCode.RATE_OUT_OF_RANGE,
                    f'volume_ml over duration_s is {rate:.2f} mL/min; the limit is '
                    f'{settings.exchange_rate_ml_min:g} mL/min',
                )
        else:
            held = self._scales.volume_ml(vessel)
            if held <= goal.volume_ml:
                raise OperationRefused(
                    ErrorCode.EMPTY_SOURCE,
                    f'volume_ml is {goal.volume_ml:g} mL; {vessel} holds {held:.2f} mL',
                )
        self._scales.require_content('medium', goal.medium, goal.volume_ml)
        self._scales.require_room('waste', waste, goal.volume_ml)

    def replace(
        self, goal: ExchangeMedium, vessel: str, context: OperationContext
    ) -> ExchangeMediumResult:
        """Withdraw the whole volume from above the settled cells, then add the same volume."""
        rate = self._settings.exchange_rate_ml_min
        strokes = self._settings.strokes
        done = _Done(goal.volume_ml)
        with done.reported(), self.path.flow(context, rate, vessel, goal.waste):
            for left in range(strokes, 0, -1):
                part_ml = done.due_ml / left
                self._withdraws(goal, vessel, context, rate_ml_min=rate, mode=SETTLED)
                context.sleep(part_ml / rate * 60.0, step='withdrawing supernatant')
                self._withdraw(goal, vessel, context, done, volume_ml=part_ml, mode=SETTLED)
                context.report(0.5 * (1.0 - (left - 1) / strokes), 'withdrawing supernatant')
        with done.reported(), self.path.flow(context, rate, goal.medium, vessel):
            for left in range(strokes, 0, -1):
                part_ml = done.owed_ml / left
                self._adds(goal, vessel, context, rate_ml_min=rate)
                context.sleep(part_ml / rate * 60.0, step='adding medium')
                self._add(goal, vessel, context, done, volume_ml=part_ml, rate_ml_min=rate)
                context.report(1.0 - 0.5 * (left - 1) / strokes, 'adding medium')
        return done.result()

    def perfuse(
        self, goal: ExchangeMedium, vessel: str, context: OperationContext
    ) -> ExchangeMediumResult:
        """Withdraw through the filter and add in small turns over the goal's duration."""
        strokes = self._settings.perfusion_strokes
        rate = goal.volume_ml / goal.duration_s * 60.0
        done = _Done(goal.volume_ml)
        with (
            done.reported(),
            self.path.flow(context, rate, vessel, goal.waste, goal.medium),
        ):
            for left in range(strokes, 0, -1):
                self._withdraws(goal, vessel, context, rate_ml_min=rate, mode=FILTER)
                self._adds(goal, vessel, context, rate_ml_min=rate)
                context.sleep(goal.duration_s / strokes, step='perfusing')
                self._check_bay(self._bay)
                part_ml = done.due_ml / left
                self._withdraw(goal, vessel, context, done, volume_ml=part_ml, mode=FILTER)
                owed_ml = done.owed_ml
                self._add(goal, vessel, context, done, volume_ml=owed_ml, rate_ml_min=rate)
                context.report(1.0 - (left - 1) / strokes, 'perfusing')
        return done.result()

    def _withdraws(
        self,
        goal: ExchangeMedium,
        vessel: str,
        context: OperationContext,
        *,
        rate_ml_min: float,
        mode: str,
    ) -> None:
        flow = Flow(
            operation_id=context.owner,
            verb='withdraw',
            source=vessel,
            target=goal.waste,
            rate_ml_min=rate_ml_min,
            mode=mode,
        )
        self.path.runs(context, flow)

    def _adds(
        self, goal: ExchangeMedium, vessel: str, context: OperationContext, *, rate_ml_min: float
    ) -> None:
        flow = Flow(
            operation_id=context.owner,
            verb='pump',
            source=goal.medium,
            target=vessel,
            rate_ml_min=rate_ml_min,
        )
        self.path.runs(context, flow)

    def _withdraw(
        self,
        goal: ExchangeMedium,
        vessel: str,
        context: OperationContext,
        done: _Done,
        *,
        volume_ml: float,
        mode: str,
    ) -> None:
        with self._moving(context):
            reading = self._port.withdraw(
                operation_id=context.owner,
                source=vessel,
                waste=goal.waste,
                volume_ml=volume_ml,
                mode=mode,
            )
        done.withdrawn_ml += reading.moved_ml
        self.path.check(reading)
        if reading.source_empty:
            raise OperationFailed(ErrorCode.EMPTY_SOURCE, f'{vessel} ran empty')

    def _add(
        self,
        goal: ExchangeMedium,
        vessel: str,
        context: OperationContext,
        done: _Done,
        *,
        volume_ml: float,
        rate_ml_min: float,
    ) -> None:
        with self._moving(context):
            reading = self._port.pump(
                operation_id=context.owner,
                source=goal.medium,
                target=vessel,
                volume_ml=volume_ml,
                rate_ml_min=rate_ml_min,
            )
        done.added_ml += reading.moved_ml
        self.path.check(reading)
        if reading.source_empty and done.due_ml + done.owed_ml > self._scales.tolerance_of(
            goal.volume_ml
        ):
            raise OperationFailed(ErrorCode.EMPTY_SOURCE, f'{goal.medium} ran empty')


class _Done:
    """What an exchange has withdrawn and added so far."""

    def __init__(self, volume_ml: float) -> None:
        self._volume_ml = volume_ml
        self.withdrawn_ml = 0.0
        self.added_ml = 0.0

    @property
    def due_ml(self) -> float:
        """What is still to be withdrawn."""
        return max(0.0, self._volume_ml - self.withdrawn_ml)

    @property
    def owed_ml(self) -> float:
        """What was withdrawn and not yet replaced."""
        return max(0.0, self.withdrawn_ml - self.added_ml)

    def result(self) -> ExchangeMediumResult:
        """Return both volumes."""
        return ExchangeMediumResult(withdrawn_ml=self.withdrawn_ml, added_ml=self.added_ml)

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Add both volumes to any error of the body."""
        try:
            yield
        except MedicellError as error:
            done = f'{self.withdrawn_ml:.2f} mL withdrawn, {self.added_ml:.2f} mL added'
            raise PartlyDone.after(error, done, self.result()) from error
