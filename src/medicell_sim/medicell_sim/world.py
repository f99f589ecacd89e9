"""The simulated world: the one owner of the truth, behind the ports of drivers and scenario."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np
from medicell_core.containers import ContainerKind, Material, container_id, label_text
from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim import contents
from medicell_sim.assays import assay
from medicell_sim.contents import Component
from medicell_sim.donors import draw_donor
from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.incubation import Incubation
from medicell_sim.instruments import Instruments, stream
from medicell_sim.kit import Kit, SimContainer
from medicell_sim.liquids import Liquids
from medicell_sim.materials import hang
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import (
    Balance,
    BayReading,
    ContainerView,
    FaultView,
    ParticleReading,
    ProbeReading,
    PumpReading,
    Scene,
    Truth,
)
from medicell_sim.probes import true_probes
from medicell_sim.scene import Optics, draw_scene
from medicell_sim.timeline import Timeline

_PCT = 100.0
_L_PER_M3 = 1000.0
_S_PER_MIN = 60.0
_WRONG_IDENTITY = 'OTHER-PATIENT'


class World:
    """Implements WorldPort and WorldControl; its `timeline` serves callers that must not block.

    `speed` is simulated over wall time, infinity for leaps. `on_time` is told every new time.
    """

    def __init__(
        self,
        parameters: WorldParameters,
        seed: int,
        *,
        paused_until_idle: bool,
        speed: float,
        bays: list[str],
        on_time: Callable[[float], None] | None = None,
    ) -> None:
        self._p = parameters
        self._seed = seed
        self._lock = threading.RLock()
        self._kit = Kit()
        self._faults = FaultBoard()
        self._donor = draw_donor(parameters.donor, seed)
        self._instruments = Instruments(
            parameters.instruments, seed=seed, start_s=parameters.world.start_s
        )
        self._incubation = Incubation(
            parameters, self._kit, self._donor.biology, seed=seed, bays=bays
        )
        self._liquids = Liquids(
            parameters, self._kit, self._incubation, self._instruments, self._faults, seed=seed
        )
        self._focus_um = 0.0
        self.timeline = Timeline(
            start_s=parameters.world.start_s,
            paused_until_idle=paused_until_idle,
            speed=speed,
            leap_limit_s=parameters.world.leap_limit_s,
            on_time=on_time,
        )

    def now_s(self) -> float:
        """Return the time in seconds since the Unix epoch."""
        return self.timeline.now_s()

    def begin(self, owner: str) -> None:
        """Announce an owner and block until its turn."""
        self.timeline.begin(owner)

    def sleep(self, owner: str, duration_s: float) -> None:
        """Block for a duration of simulated time."""
        self.timeline.sleep(owner, duration_s)

    def end(self, owner: str) -> None:
        """Announce that an owner needs no more time."""
        self.timeline.end(owner)

    def register(self, owner: str) -> None:
        """Announce an owner without waiting."""
        self.timeline.register(owner)

    def close(self) -> None:
        """End every sleep with WORLD_CLOSED."""
        self.timeline.close()

    def look(self, container: str) -> ContainerView:
        """Return what can be seen of a container."""
        with self._lock:
            item = self._kit.get(container)
            if item.connected and self._strike(Hook.LOOK, place=container):
                item.clamped = True
            return item.view()

    def at(self, location: str) -> str:
        """Return the id of the container at a location, or an empty string."""
        with self._lock:
            return self._kit.at(location)

    def read_label(self, container: str) -> str:
        """Return the text of a container's label; empty when it cannot be read."""
        with self._lock:
            item = self._kit.get(container)
            self._strike(Hook.LABEL, place=container)
            smear = self._faults.active('label_unreadable', container)
            if smear is not None:
                smear.strokes += 1
                smear.active = smear.strokes < self._p.fault.label_reads
                return ''
            if self._faults.active('wrong_bag', container) is not None:
                return label_text(_WRONG_IDENTITY, container)
            return item.label

    def weigh(self, container: str) -> float:
        """Return the net weight in grams with the load cell's error."""
        with self._lock:
            item = self._kit.get(container)
            return self._liquids.scale(item).read(item.volume_ml, self.now_s())

    def pump(
        self, *, operation_id: str, source: str, target: str, volume_ml: float, rate_ml_min: float
    ) -> PumpReading:
        """Move up to `volume_ml` in one stroke."""
        with self._lock:
            return self._liquids.pump(
                operation_id=operation_id,
                source=self._kit.get(source),
                target=self._kit.get(target),
                volume_ml=volume_ml,
                rate_ml_min=rate_ml_min,
                now_s=self.now_s(),
            )

    def mix(self, container: str) -> None:
        """Suspend settled cells evenly."""
        with self._lock:
            self._liquids.mix(self._kit.get(container), self.now_s())

    def select_cells(
        self,
        *,
        operation_id: str,
        source: str,
        target: str,
        waste: str,
        reagent: str,
        reagent_volume_ml: float,
        buffer: str,
        buffer_volume_ml: float,
    ) -> PumpReading:
        """Perform the separation's effect on the contents, at once."""
        with self._lock:
            return self._liquids.select_cells(
                operation_id=operation_id,
                source=self._kit.get(source),
                target=self._kit.get(target),
                waste=self._kit.get(waste),
                reagent=self._kit.get(reagent),
                reagent_volume_ml=reagent_volume_ml,
                buffer=self._kit.get(buffer),
                buffer_volume_ml=buffer_volume_ml,
                now_s=self.now_s(),
            )

    def wash(
        self,
        *,
        operation_id: str,
        source: str,
        target: str,
        waste: str,
        buffer: str,
        buffer_volume_ml: float,
        final_volume_ml: float,
    ) -> PumpReading:
        """Perform the wash's effect on the contents, at once."""
        with self._lock:
            return self._liquids.wash(
                operation_id=operation_id,
                source=self._kit.get(source),
                target=self._kit.get(target),
                waste=self._kit.get(waste),
                buffer=self._kit.get(buffer),
                buffer_volume_ml=buffer_volume_ml,
                final_volume_ml=final_volume_ml,
                now_s=self.now_s(),
            )

    def withdraw(
        self, *, operation_id: str, source: str, waste: str, volume_ml: float, mode: str
    ) -> PumpReading:
        """Take supernatant out, `settled` or through the `filter`."""
        with self._lock:
            return self._liquids.withdraw(
                operation_id=operation_id,
                source=self._kit.get(source),
                waste=self._kit.get(waste),
                volume_ml=volume_ml,
                mode=mode,
                now_s=self.now_s(),
            )

    def place(self, container: str, location: str) -> None:
        """Put a container at a free location; raises STATION_OCCUPIED, UNKNOWN_BAY."""
        with self._lock:
            item = self._kit.get(container)
            station, _, bay = location.partition('/')
            if station == 'incubator':
                self._incubation.bay(bay, self.now_s())
            self._incubation.commit(item, self.now_s())
            self._kit.move(container, location)

    def set_climate(
        self, *, bay: str, temperature_c: float, co2_pct: float, agitation_rpm: float
    ) -> None:
        """Give a bay's controller its set-points."""
        with self._lock:
            item = self._incubation.bay(bay, self.now_s())
            item.set(temperature_c=temperature_c, co2_pct=co2_pct, agitation_rpm=agitation_rpm)

    def set_door(self, bay: str, *, open_: bool) -> None:
        """Open or close a bay's door; closing it also ends that it is ajar."""
        with self._lock:
            item = self._incubation.bay(bay, self.now_s())
            item.door_open = open_
            item.door_ajar = False
            ajar = self._faults.active('door_ajar', bay)
            if ajar is not None:
                ajar.active = False

    def bay(self, bay: str) -> BayReading:
        """Read a bay's sensors; raises UNKNOWN_BAY."""
        with self._lock:
            now_s = self.now_s()
            item = self._incubation.bay(bay, now_s)
            for name in self._strike(Hook.BAY, place=bay):
                item.heater_failed = item.heater_failed or name == 'bay_temperature_drift'
                item.valve_failed = item.valve_failed or name == 'co2_loss'
                item.door_ajar = item.door_ajar or name == 'door_ajar'
            get = self._instruments.get
            return BayReading(
                container=self._kit.at(f'incubator/{bay}'),
                temperature_c=get('bay_temperature', bay).read(item.temperature_c, now_s),
                co2_pct=get('bay_co2', bay).read(item.co2_pct, now_s),
                agitation_rpm=item.agitation_rpm,
                door_open=item.door_open or item.door_ajar,
            )

    def probes(self, bay: str) -> ProbeReading:
        """Read the probes of the vessel in a bay; raises BAY_EMPTY."""
        with self._lock:
            now_s = self.now_s()
            item = self._incubation.bay(bay, now_s)
            vessel = self._kit.at(f'incubator/{bay}')
            if not vessel:
                raise OperationRefused(ErrorCode.BAY_EMPTY, f'bay: {bay} holds no vessel')
            self._strike(Hook.PROBES, place=bay)
            if self._faults.active('probe_failure', bay) is not None:
                return ProbeReading(
                    glucose_mm=math.nan,
                    lactate_mm=math.nan,
                    ph=math.nan,
                    dissolved_oxygen_pct=math.nan,
                )
            container = self._kit.get(vessel)
            true = true_probes(
                self._p.culture,
                self._incubation.peek(container, now_s),
                area_cm2=container.area_cm2,
                co2_pct=item.co2_pct,
                agitation_rpm=item.agitation_rpm,
            )
            get = self._instruments.get
            return ProbeReading(
                glucose_mm=get('glucose', bay).read(true.glucose_mm, now_s),
                lactate_mm=get('lactate', bay).read(true.lactate_mm, now_s),
                ph=get('ph', bay).read(true.ph, now_s),
                dissolved_oxygen_pct=get('dissolved_oxygen', bay).read(
                    true.dissolved_oxygen_pct, now_s
                ),
            )

    def scene(
        self,
        *,
        operation_id: str,
        container: str,
        field_index: int,
        modality: str,
        dilution: float,
    ) -> Scene:
        """Draw the cells that lie under one field of a cartridge."""
        with self._lock:
            item = self._kit.get(container)
            self._strike(Hook.SCENE, place='', operation_id=operation_id)
            fault = self._p.fault
            slipped = self._faults.active('out_of_focus') is not None
            dim = self._faults.active('lamp_dim') is not None
            return draw_scene(
                self._p.optics,
                seed=self._seed,
                operation_id=operation_id,
                container=container,
                amounts=self._incubation.peek(item, self.now_s()),
                field_index=field_index,
                modality=modality,
                dilution=dilution,
                optics=Optics(
                    defocus_um=(fault.defocus_um if slipped else 0.0) + self._focus_um,
                    illumination=fault.lamp_illumination if dim else 1.0,
                ),
            )

    def correct_focus(self, offset_um: float) -> None:
        """Move the objective by an offset, which stays until the next correction."""
        with self._lock:
            self._focus_um = offset_um

    def carry(self, *, operation_id: str, container: str, station: str) -> bool:
        """Carry a container to a station; False when it was dropped on the way."""
        with self._lock:
            item = self._kit.get(container)
            self._incubation.commit(item, self.now_s())
            vial = item.kind is ContainerKind.VIAL
            if vial and self._strike(Hook.CARRY, place=container, operation_id=operation_id):
                self._kit.move(container, 'floor')
                return False
            self._kit.move(container, station)
            return True

    def stopper(self, *, operation_id: str, vial: str) -> float:
        """Press a stopper in; returns the peak force in newtons."""
        with self._lock:
            self._kit.get(vial).stoppered = True
            rng = stream(self._seed, 'stopper', operation_id, vial)
            p = self._p.robot
            return float(p.stopper_force_n + p.stopper_force_sd_n * rng.normal())

    def cap(self, *, operation_id: str, vial: str) -> float:
        """Crimp a cap; returns the torque in newton metres, 0 without a stopper to hold it."""
        with self._lock:
            item = self._kit.get(vial)
            if not item.stoppered:
                return 0.0
            item.capped = True
            rng = stream(self._seed, 'cap', operation_id, vial)
            p = self._p.robot
            return float(p.cap_torque_nm + p.cap_torque_sd_nm * rng.normal())

    def stick_label(self, *, operation_id: str, container: str, text: str) -> None:  # noqa: ARG002
        """Put a printed label on a container, over the old one."""
        with self._lock:
            self._kit.get(container).label = text

    def particles(self, *, operation_id: str, duration_s: float) -> ParticleReading:
        """Count particles in the air drawn over a time that has just passed."""
        with self._lock:
            self._strike(Hook.AIR, place='', operation_id=operation_id)
            excursion = self._faults.active('particle_excursion')
            p, now_s = self._p.air, self.now_s()
            if excursion is not None and now_s - excursion.since_s > self._p.fault.excursion_s:
                excursion.active = False
                excursion = None
            factor = 1.0 if excursion is None else p.excursion_factor
            rng = stream(self._seed, 'air', operation_id, repr(now_s))
            flow = p.flow_l_min + p.flow_sd_l_min * rng.normal()
            air_m3 = flow * duration_s / _S_PER_MIN / _L_PER_M3
            return ParticleReading(
                count_0_5_um=int(rng.poisson(p.background_0_5_um_per_m3 * factor * air_m3)),
                count_5_um=int(rng.poisson(p.background_5_um_per_m3 * factor * air_m3)),
                flow_l_min=float(flow),
            )

    def assay(self, *, operation_id: str, container: str, test: str) -> float:
        """Return a laboratory's figure for a test, with its error."""
        with self._lock:
            amounts = self._incubation.peek(self._kit.get(container), self.now_s())
            return assay(
                self._p.laboratory, amounts, test, seed=self._seed, operation_id=operation_id
            )

    def load(self, batch_id: str, materials: list[Material], apheresis_label: str) -> None:
        """Put a batch's kit into the cell."""
        with self._lock:
            for material in materials:
                self._kit.add(self._new(batch_id, material, apheresis_label))

    def inject(self, fault: str, phase: str) -> None:
        """Arm a fault for a phase."""
        with self._lock:
            self._faults.inject(fault, phase)

    def remedy(self, fault: str) -> None:
        """End a fault, as a person's intervention would."""
        with self._lock:
            for ended in self._faults.end(fault):
                if ended.kind.hook is Hook.BAY:
                    bay = self._incubation.bay(ended.place, self.now_s())
                    bay.heater_failed = bay.heater_failed and fault != 'bay_temperature_drift'
                    bay.valve_failed = bay.valve_failed and fault != 'co2_loss'
                    bay.door_ajar = bay.door_ajar and fault != 'door_ajar'
                elif ended.kind.hook is Hook.LOOK:
                    self._kit.get(ended.place).clamped = False
                elif ended.kind.hook is Hook.SUPPLY:
                    self._liquids.restore(ended)

    def idle(self, sequence: int, outstanding: list[str]) -> None:
        """Take the orchestrator's word on what it waits for."""
        self.timeline.idle(sequence, outstanding)

    def faults(self) -> list[FaultView]:
        """Return the scenario's faults and what became of them."""
        with self._lock:
            return self._faults.views()

    def balance(self) -> Balance:
        """Return the conservation check over everything since the world began."""
        with self._lock:
            self._incubation.commit_all(self.now_s())
            ledger = self._kit.ledger
            volume = math.fsum(item.volume_ml for item in self._kit)
            cells = math.fsum(contents.nucleated_cells(item.amounts) for item in self._kit)
            volume_gap = ledger.volume_in_ml - ledger.volume_lost_ml - volume
            made = ledger.cells_in + ledger.cells_born
            cells_gap = made - ledger.cells_lysed - ledger.cells_lost - cells
            return Balance(
                volume_in_ml=ledger.volume_in_ml,
                volume_now_ml=volume,
                volume_lost_ml=ledger.volume_lost_ml,
                volume_error_pct=_PCT * abs(volume_gap) / max(ledger.volume_in_ml, 1.0),
                cells_in=ledger.cells_in,
                cells_born=ledger.cells_born,
                cells_lysed=ledger.cells_lysed,
                cells_lost=ledger.cells_lost,
                cells_now=cells,
                cells_error_pct=_PCT * abs(cells_gap) / max(ledger.cells_in, 1.0),
            )

    def truth(self, container: str) -> Truth:
        """Return the truth about a container."""
        with self._lock:
            item = self._kit.get(container)
            amounts = self._incubation.peek(item, self.now_s())
            viable = contents.viable_t_cells(amounts)
            car = float(amounts[Component.CAR_POSITIVE])
            return Truth(
                volume_ml=contents.volume_ml(amounts),
                viable_untransduced=float(amounts[Component.UNTRANSDUCED]),
                viable_car_positive=car,
                dead=float(amounts[Component.DEAD]),
                glucose_mm=contents.concentration(amounts, Component.GLUCOSE_UMOL),
                lactate_mm=contents.concentration(amounts, Component.LACTATE_UMOL),
                activation=float(amounts[Component.ACTIVATION] / viable) if viable else 0.0,
                vector_copies_per_car_cell=float(amounts[Component.COPIES] / car) if car else 0.0,
                extra={item.name.lower(): float(amounts[item]) for item in Component},
            )

    def _strike(self, hook: Hook, *, place: str, operation_id: str = '') -> list[str]:
        """Let faults strike in the phase of an operation, by default the one that runs."""
        struck = self._faults.strike(
            hook,
            operation_id=operation_id or self.timeline.running,
            place=place,
            now_s=self.now_s(),
        )
        return [fault.kind.name for fault in struck]

    def _new(self, batch_id: str, material: Material, apheresis_label: str) -> SimContainer:
        identifier = container_id(batch_id, material.name)
        apheresis = material.content == 'leukapheresis'
        return SimContainer(
            id=identifier,
            kind=material.kind,
            capacity_ml=material.capacity_ml,
            location=material.location,
            label=label_text(apheresis_label if apheresis else batch_id, identifier),
            amounts=np.array(hang(self._p, self._donor, material.content, material.volume_ml)),
            area_cm2=material.capacity_ml / self._p.culture.full_depth_cm,
            mixed_s=self.now_s(),
            synced_s=self.now_s(),
            connected=material.kind is not ContainerKind.VIAL,
        )
