"""The simulated incubator: bays that keep their climate, a shuttle, exchange pumps, probes."""

from __future__ import annotations

import math

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, MedicellError, OperationRefused
from medicell_core.operations import (
    ExchangeMedium,
    ExchangeMediumResult,
    Incubate,
    IncubateResult,
    LoadBay,
    LoadBayResult,
    MeasureProbes,
    MeasureProbesResult,
    MoveToBay,
    MoveToBayResult,
    Operation,
    Role,
    SetClimate,
    SetClimateResult,
)
from medicell_devices.checks import check_choice, check_positive, check_range
from medicell_devices.contract import OperationContext
from medicell_devices.failure import PartlyDone
from medicell_devices.settings import IncubatorSettings
from medicell_devices.simulated.base import SimulatedDriver
from medicell_devices.simulated.bays import (
    Band,
    Extremes,
    SetPoints,
    check_agitation,
    last_told,
    require_closed,
    require_empty,
    require_vessel,
)
from medicell_devices.simulated.exchange import Exchange
from medicell_devices.simulated.machinery import DOOR_OPEN_RAD, door_joint, withdraw
from medicell_devices.simulated.probes import averaged
from medicell_sim.port import BayReading, WorldPort


class SimulatedIncubator(SimulatedDriver):
    """Incubator on a world; bays work beside each other, each with its own exchange pumps.

    The safe state of a bay is the climate it has: heat and gas stay on, since switching them
    off would harm the cells; pumps stop, the shuttle stands, doors are closed.
    """

    role = Role.INCUBATOR

    def __init__(self, port: WorldPort, settings: IncubatorSettings) -> None:
        super().__init__(port, settings)
        self._settings = settings
        self._set_points: dict[str, SetPoints] = {}
        self._exchanges = {
            bay: Exchange(port, settings, self._moving, self._check_alarm, bay)
            for bay in settings.bays
        }

    def lanes(self, goal: Operation) -> frozenset[str]:
        """Return the bays that an operation occupies; probes can be read at any time."""
        if isinstance(goal, MoveToBay):
            return frozenset({goal.from_bay, goal.to_bay, 'shuttle'})
        if isinstance(goal, LoadBay):
            return frozenset({goal.bay, 'shuttle'})
        if isinstance(goal, MeasureProbes):
            return frozenset({f'{goal.bay}/probes'})
        return frozenset({getattr(goal, 'bay', 'shuttle')})

    def telemetry(self) -> dict[str, float]:
        """Return each bay's sensors, and its exchange pump's rate."""
        readings = super().telemetry()
        for bay in self._settings.bays:
            now = self._port.bay(bay)
            readings[f'{bay}.temperature_c'] = now.temperature_c
            readings[f'{bay}.co2_pct'] = now.co2_pct
            readings[f'{bay}.agitation_rpm'] = now.agitation_rpm
            readings[f'{bay}.door_open'] = float(now.door_open)
            readings[f'{bay}.occupied'] = float(bool(now.container))
            readings[f'{bay}.exchange_rate_ml_min'] = self._exchanges[bay].path.rate_ml_min
        return readings

    def load_bay(self, goal: LoadBay, context: OperationContext) -> LoadBayResult:
        """Open the door, take the vessel in, close the door."""
        with self._admitted(goal, context):
            reading = self._bay('bay', goal.bay)
            require_empty(goal.bay, reading)
            require_closed(goal.bay, reading)
            view = self._look('container', goal.container, (ContainerKind.VESSEL,))
            if view.location.startswith('incubator/'):
                raise OperationRefused(
                    ErrorCode.INVALID_GOAL,
                    f'container: {goal.container} is in {view.location} already: MoveToBay',
                )
            self._carry(goal.container, (goal.bay,), goal.bay, context)
            return LoadBayResult()

    def move_to_bay(self, goal: MoveToBay, context: OperationContext) -> MoveToBayResult:
        """Carry a vessel between bays; one whose own door is ajar can still be taken out."""
        with self._admitted(goal, context):
            source, target = self._bay('from_bay', goal.from_bay), self._bay('to_bay', goal.to_bay)
            vessel = require_vessel(goal.from_bay, source)
            require_empty(goal.to_bay, target)
            require_closed(goal.to_bay, target)
            self._identify(goal, 'from_bay', vessel)
            self._carry(vessel, (goal.from_bay, goal.to_bay), goal.to_bay, context)
            return MoveToBayResult()

    def set_climate(self, goal: SetClimate, context: OperationContext) -> SetClimateResult:
        """Give set-points and wait until heat, gas and agitation have come to them."""
        settings = self._settings
        with self._admitted(goal, context):
            code = ErrorCode.SETPOINT_OUT_OF_RANGE
            check_range('temperature_c', goal.temperature_c, settings.temperature_c, 'degC', code)
            check_range('co2_pct', goal.co2_pct, settings.co2_pct, '%', code)
            check_range('agitation_rpm', goal.agitation_rpm, settings.agitation_rpm, 'rpm', code)
            reading = self._bay('bay', goal.bay)
            require_closed(goal.bay, reading)
            if reading.container:
                self._identify(goal, 'bay', reading.container)
            wanted = SetPoints(
                temperature_c=goal.temperature_c,
                co2_pct=goal.co2_pct,
                agitation_rpm=goal.agitation_rpm,
            )
            with self._moving(context):
                self._apply(goal.bay, wanted)
                self._set_points[goal.bay] = wanted
            reached = self._wait_reached(goal.bay, wanted, context)
            return SetClimateResult(temperature_c=reached.temperature_c, co2_pct=reached.co2_pct)

    def incubate(self, goal: Incubate, context: OperationContext) -> IncubateResult:
        """Watch a bay for a time; raises when it leaves its bands for longer than tolerated."""
        with self._admitted(goal, context):
            check_positive('duration_s', goal.duration_s, 's')
            self._occupied(goal, goal.bay)
            wanted = self._wanted(goal.bay, context)
            band = Band(temperature_c=goal.temperature_tolerance_c, co2_pct=goal.co2_tolerance_pct)
            seen = Extremes()
            try:
                self._watch(goal, wanted, band, seen, context)
            except MedicellError as error:
                raise PartlyDone.after(error, seen.text(), seen.result()) from error
            return seen.result()

    def exchange_medium(
        self, goal: ExchangeMedium, context: OperationContext
    ) -> ExchangeMediumResult:
        """Take supernatant out and give fresh medium, in a batch or by perfusion."""
        with self._admitted(goal, context):
            check_choice('mode', goal.mode, ('batch', 'perfusion'), ErrorCode.INVALID_GOAL)
            vessel = self._occupied(goal, goal.bay)
            views = {
                'vessel': self._look_joined('bay', vessel, (ContainerKind.VESSEL,)),
                'waste': self._look_joined(
                    'waste', goal.waste, (ContainerKind.WASTE, ContainerKind.BAG)
                ),
            }
            self._look_joined('medium', goal.medium, (ContainerKind.BAG, ContainerKind.VESSEL))
            exchange = self._exchanges[goal.bay]
            exchange.check(goal, vessel, views['waste'])
            if goal.mode == 'perfusion':
                return exchange.perfuse(goal, vessel, context)
            return self._exchange_settled(goal, vessel, exchange, context)

    def measure_probes(
        self, goal: MeasureProbes, context: OperationContext
    ) -> MeasureProbesResult:
        """Average the probes; raises PROBE_FAILED naming those that gave nothing."""
        with self._admitted(goal, context):
            self._bay('bay', goal.bay)
            vessel = require_vessel(goal.bay, self._port.bay(goal.bay))
            self._identify(goal, 'bay', vessel)
            readings = []
            for _ in range(self._settings.probe_readings):
                context.sleep(self._settings.probe_interval_s, step='reading probes')
                readings.append(self._port.probes(goal.bay))
            return averaged(readings, self._port.bay(goal.bay))

    def _make_safe(self) -> None:
        for exchange in self._exchanges.values():
            exchange.path.shut()

    def _bay(self, field: str, bay: str) -> BayReading:
        check_choice(field, bay, self._settings.bays, ErrorCode.UNKNOWN_BAY)
        return self._port.bay(bay)

    def _occupied(self, goal: Operation, bay: str) -> str:
        """Return the vessel of a closed bay; its label is read too."""
        reading = self._bay('bay', bay)
        vessel = require_vessel(bay, reading)
        require_closed(bay, reading)
        self._identify(goal, 'bay', vessel)
        return vessel

    def _wanted(self, bay: str, context: OperationContext) -> SetPoints:
        """Return a bay's set-points as told; after a restart, by the journal."""
        wanted = self._set_points.get(bay)
        if wanted is None:
            wanted = last_told(context.journal, bay)
        if wanted is None:
            raise OperationRefused(
                ErrorCode.SETPOINT_OUT_OF_RANGE, f'{bay} has been given no set-points: SetClimate'
            )
        self._set_points[bay] = wanted
        return wanted

    def _apply(self, bay: str, wanted: SetPoints) -> None:
        self._port.set_climate(
            bay=bay,
            temperature_c=wanted.temperature_c,
            co2_pct=wanted.co2_pct,
            agitation_rpm=wanted.agitation_rpm,
        )

    def _carry(
        self, vessel: str, doors: tuple[str, ...], bay: str, context: OperationContext
    ) -> None:
        """Move a vessel with the shuttle; the doors are closed again whatever happens."""
        try:
            with self._moving(context):
                for door in doors:
                    self._port.set_door(door, open_=True)
                    self._machinery.drive(door_joint(door), DOOR_OPEN_RAD)
            context.sleep(self._settings.shuttle_s, step=f'carrying {vessel} to {bay}')
            with self._moving(context):
                self._port.place(vessel, f'incubator/{bay}')
        finally:
            for door in doors:
                self._port.set_door(door, open_=False)
            for door in doors:
                withdraw(self._machinery, door_joint(door))

    def _wait_reached(self, bay: str, wanted: SetPoints, context: OperationContext) -> BayReading:
        settings = self._settings
        band = Band(temperature_c=settings.reach_band_c, co2_pct=settings.reach_band_co2_pct)
        deadline_s = self._port.now_s() + settings.reach_timeout_s
        while True:
            context.sleep(settings.reach_poll_s, step=f'{bay} comes to its set-points')
            reading = self._port.bay(bay)
            require_closed(bay, reading)
            violation = band.violation(bay, reading, wanted)
            if violation is None:
                check_agitation(bay, reading, wanted, settings.min_agitation_pct)
                return reading
            if self._port.now_s() >= deadline_s:
                raise PartlyDone.after(
                    violation,
                    f'not reached in {settings.reach_timeout_s:g} s',
                    SetClimateResult(temperature_c=reading.temperature_c, co2_pct=reading.co2_pct),
                )

    def _watch(
        self,
        goal: Incubate,
        wanted: SetPoints,
        band: Band,
        seen: Extremes,
        context: OperationContext,
    ) -> None:
        started_s = self._port.now_s()
        left_band_s = math.inf
        while True:
            reading = self._port.bay(goal.bay)
            seen.take(reading)
            require_closed(goal.bay, reading)
            check_agitation(goal.bay, reading, wanted, self._settings.min_agitation_pct)
            violation = band.violation(goal.bay, reading, wanted)
            now_s = self._port.now_s()
            left_band_s = math.inf if violation is None else min(left_band_s, now_s)
            if violation is not None and now_s - left_band_s >= goal.tolerated_excursion_s:
                raise violation
            left_s = started_s + goal.duration_s - now_s
            if left_s <= 0.0:
                return
            context.report(1.0 - left_s / goal.duration_s, 'incubating')
            pause_s = self._settings.check_interval_s
            if violation is not None:
                pause_s = min(pause_s, self._settings.excursion_check_s)
            context.sleep(min(left_s, pause_s))

    def _exchange_settled(
        self, goal: ExchangeMedium, vessel: str, exchange: Exchange, context: OperationContext
    ) -> ExchangeMediumResult:
        """Stand the vessel still, exchange, and agitate again whatever happens."""
        wanted = self._wanted(goal.bay, context)
        static = SetPoints(
            temperature_c=wanted.temperature_c, co2_pct=wanted.co2_pct, agitation_rpm=0.0
        )
        with self._moving(context):
            self._apply(goal.bay, static)
        try:
            context.sleep(self._settings.settle_s, step='cells settle')
            self._check_alarm(goal.bay)
            return exchange.replace(goal, vessel, context)
        finally:
            self._apply(goal.bay, wanted)

    def _check_alarm(self, bay: str) -> None:
        """Raise when a bay in exchange is open or far from its climate."""
        settings = self._settings
        reading = self._port.bay(bay)
        require_closed(bay, reading)
        wanted = self._set_points.get(bay)
        if wanted is None:
            return
        alarm = Band(temperature_c=settings.alarm_band_c, co2_pct=settings.alarm_band_co2_pct)
        violation = alarm.violation(bay, reading, wanted)
        if violation is not None:
            raise violation
