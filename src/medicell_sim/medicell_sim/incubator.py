"""The incubator as drivers reach it: set-points, doors, sensors and probes of its bays."""

from __future__ import annotations

import math

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim.faults import Fault, FaultBoard, Hook
from medicell_sim.incubation import Incubation
from medicell_sim.instruments import Instruments
from medicell_sim.kit import Kit
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import BayReading, ProbeReading
from medicell_sim.probes import true_probes

DRIFT = 'bay_temperature_drift'
CO2_LOSS = 'co2_loss'
AJAR = 'door_ajar'


class Incubator:
    """Bays behind their controllers, with the faults that strike them."""

    def __init__(
        self,
        p: WorldParameters,
        kit: Kit,
        incubation: Incubation,
        instruments: Instruments,
        faults: FaultBoard,
    ) -> None:
        self._p = p
        self._kit = kit
        self._incubation = incubation
        self._instruments = instruments
        self._faults = faults

    def set_climate(
        self,
        bay: str,
        *,
        temperature_c: float,
        co2_pct: float,
        agitation_rpm: float,
        now_s: float,
    ) -> None:
        """Give set-points; a vessel whose agitation stops begins to settle now."""
        item = self._incubation.bay(bay, now_s)
        vessel = self._kit.at(f'incubator/{bay}')
        if vessel and item.agitation_rpm > 0.0:
            self._kit.get(vessel).mixed_s = now_s
        item.set(temperature_c=temperature_c, co2_pct=co2_pct, agitation_rpm=agitation_rpm)

    def set_door(self, bay: str, *, open_: bool, now_s: float) -> None:
        """Open or close a door; either ends that it is ajar."""
        item = self._incubation.bay(bay, now_s)
        item.door_open = open_
        item.door_ajar = False
        ajar = self._faults.active(AJAR, bay)
        if ajar is not None:
            ajar.active = False

    def read(self, bay: str, *, operation_id: str, now_s: float) -> BayReading:
        """Read a bay's sensors."""
        item = self._incubation.bay(bay, now_s)
        for fault in self._faults.strike(
            Hook.BAY, operation_id=operation_id, place=bay, now_s=now_s
        ):
            item.heater_failed = item.heater_failed or fault.kind.name == DRIFT
            item.valve_failed = item.valve_failed or fault.kind.name == CO2_LOSS
            item.door_ajar = item.door_ajar or fault.kind.name == AJAR
        get = self._instruments.get
        return BayReading(
            container=self._kit.at(f'incubator/{bay}'),
            temperature_c=get('bay_temperature', bay).read(item.temperature_c, now_s),
            co2_pct=get('bay_co2', bay).read(item.co2_pct, now_s),
            agitation_rpm=item.agitation_rpm,
            door_open=item.door_open or item.door_ajar,
        )

    def probes(self, bay: str, *, operation_id: str, now_s: float) -> ProbeReading:
        """Read the probes of the vessel in a bay; raises BAY_EMPTY."""
        item = self._incubation.bay(bay, now_s)
        vessel = self._kit.at(f'incubator/{bay}')
        if not vessel:
            raise OperationRefused(ErrorCode.BAY_EMPTY, f'bay: {bay} holds no vessel')
        self._faults.strike(Hook.PROBES, operation_id=operation_id, place=bay, now_s=now_s)
        if self._faults.active('probe_failure', bay) is not None:
            nan = math.nan
            return ProbeReading(glucose_mm=nan, lactate_mm=nan, ph=nan, dissolved_oxygen_pct=nan)
        container = self._kit.get(vessel)
        true = true_probes(
            self._p.culture,
            self._incubation.peek(container, now_s),
            area_cm2=container.area_cm2,
            co2_pct=item.co2_pct,
            agitation_rpm=item.agitation_rpm,
        )
        get = self._instruments.get
        oxygen = get('dissolved_oxygen', bay).read(true.dissolved_oxygen_pct, now_s)
        return ProbeReading(
            glucose_mm=get('glucose', bay).read(true.glucose_mm, now_s),
            lactate_mm=get('lactate', bay).read(true.lactate_mm, now_s),
            ph=get('ph', bay).read(true.ph, now_s),
            dissolved_oxygen_pct=oxygen,
        )

    def repair(self, fault: Fault, now_s: float) -> None:
        """Undo what an ended fault has done to its bay."""
        bay = self._incubation.bay(fault.place, now_s)
        bay.heater_failed = bay.heater_failed and fault.kind.name != DRIFT
        bay.valve_failed = bay.valve_failed and fault.kind.name != CO2_LOSS
        bay.door_ajar = bay.door_ajar and fault.kind.name != AJAR
