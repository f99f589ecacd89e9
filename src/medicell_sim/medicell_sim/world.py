"""The simulated world: the one owner of the truth, behind the ports of drivers and scenario."""

from __future__ import annotations

import threading
from collections.abc import Callable

from medicell_core.containers import Material
from medicell_sim.air import Air
from medicell_sim.assays import assay
from medicell_sim.audit import balance_of, truth_of
from medicell_sim.donors import draw_donor
from medicell_sim.dosing import Needle
from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.incubation import Incubation
from medicell_sim.incubator import Incubator
from medicell_sim.instruments import Instruments
from medicell_sim.kit import Kit
from medicell_sim.labels import scan
from medicell_sim.liquids import Liquids
from medicell_sim.materials import hang
from medicell_sim.microscope import Microscope
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import (
    ArmView,
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
from medicell_sim.robot import Robot
from medicell_sim.timed import TimedWorld

_TUBED = ('fluid_handler/', 'incubator/')
"""Stations whose containers hang on tubing with a hand clamp."""


class World(TimedWorld):
    """Implements WorldPort and WorldControl; its `timeline` serves callers that must not block.

    `speed` is simulated over wall time, infinity for leaps; `rest_pace` the same while nobody
    waits for an operation, 0 for time that stands. `on_time` is told every new time.
    """

    def __init__(
        self,
        parameters: WorldParameters,
        seed: int,
        *,
        paused_until_idle: bool,
        speed: float,
        bays: list[str],
        rest_pace: float = 1.0,
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
        self._needle = Needle(parameters, self._liquids, seed=seed)
        self._incubator = Incubator(
            parameters, self._kit, self._incubation, self._instruments, self._faults
        )
        self._microscope = Microscope(parameters, self._faults, seed=seed)
        self._robot = Robot(parameters, self._kit, self._faults, seed=seed)
        self._air = Air(parameters, self._faults, seed=seed)
        super().__init__(
            start_s=parameters.world.start_s,
            paused_until_idle=paused_until_idle,
            speed=speed,
            leap_limit_s=parameters.world.leap_limit_s,
            rest_pace=rest_pace,
            on_time=on_time,
        )

    def look(self, container: str) -> ContainerView:
        """Return what can be seen of a container."""
        with self._lock:
            item = self._kit.get(container)
            if (
                item.connected
                and item.location.startswith(_TUBED)
                and self._faults.strike(
                    Hook.LOOK,
                    operation_id=self.timeline.running,
                    place=container,
                    now_s=self.now_s(),
                )
            ):
                item.clamped = True
            self._robot.look(item, self.timeline.running, self.now_s())
            return item.view()

    def at(self, location: str) -> str:
        """Return the id of the container at a location, or an empty string."""
        with self._lock:
            return self._robot.at(location, self.timeline.running, self.now_s())

    def read_label(self, container: str) -> str:
        """Return the text of a container's label; empty when it cannot be read."""
        with self._lock:
            return scan(
                self._p.fault,
                self._faults,
                self._kit.get(container),
                operation_id=self.timeline.running,
                now_s=self.now_s(),
            )

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

    def dispense(
        self,
        *,
        operation_id: str,
        source: str,
        vial: str,
        duration_s: float,
        rate_ml_min: float,
        shut: bool,
    ) -> PumpReading:
        """Let the filling needle run for a time that has just passed."""
        with self._lock:
            reading = self._needle.dispense(
                operation_id=operation_id,
                source=self._kit.get(source),
                vial=self._kit.get(vial),
                duration_s=0.0 if self._robot.emergency_stopped else duration_s,
                rate_ml_min=rate_ml_min,
                shut=shut,
                now_s=self.now_s(),
            )
            self._robot.filling(operation_id, self.now_s())
            return reading

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
            self._incubator.set_climate(
                bay,
                temperature_c=temperature_c,
                co2_pct=co2_pct,
                agitation_rpm=agitation_rpm,
                now_s=self.now_s(),
            )

    def set_door(self, bay: str, *, open_: bool) -> None:
        """Open or close a bay's door; closing it also ends that it is ajar."""
        with self._lock:
            self._incubator.set_door(bay, open_=open_, now_s=self.now_s())

    def bay(self, bay: str) -> BayReading:
        """Read a bay's sensors; raises UNKNOWN_BAY."""
        with self._lock:
            return self._incubator.read(
                bay, operation_id=self.timeline.running, now_s=self.now_s()
            )

    def probes(self, bay: str) -> ProbeReading:
        """Read the probes of the vessel in a bay; raises BAY_EMPTY."""
        with self._lock:
            return self._incubator.probes(
                bay, operation_id=self.timeline.running, now_s=self.now_s()
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
            now_s = self.now_s()
            return self._microscope.scene(
                operation_id=operation_id,
                container=container,
                amounts=self._incubation.peek(self._kit.get(container), now_s),
                field_index=field_index,
                modality=modality,
                dilution=dilution,
                now_s=now_s,
            )

    def correct_focus(self, offset_um: float) -> None:
        """Move the objective by an offset, which stays until the next correction."""
        with self._lock:
            self._microscope.correct_focus(offset_um)

    def carry(self, *, operation_id: str, container: str, station: str) -> bool:
        """Carry a container to a station; False when it was dropped on the way."""
        with self._lock:
            item = self._kit.get(container)
            self._incubation.commit(item, self.now_s())
            return self._robot.carry(operation_id, item, station, self.now_s())

    def arm(self) -> ArmView:
        """Return what ails the arm's drives now; a fault of this operation strikes now."""
        with self._lock:
            return self._robot.arm(self.timeline.running, self.now_s())

    def emergency_stopped(self) -> bool:
        """Return whether the emergency stop is pressed."""
        with self._lock:
            return self._robot.emergency_stopped

    def stopper(self, *, operation_id: str, vial: str) -> float:
        """Press a stopper in; returns the peak force in newtons."""
        with self._lock:
            return self._robot.stopper(operation_id, self._kit.get(vial))

    def cap(self, *, operation_id: str, vial: str) -> float:
        """Crimp a cap; returns the torque in newton metres, 0 without a stopper to hold it."""
        with self._lock:
            return self._robot.cap(operation_id, self._kit.get(vial))

    def stick_label(self, *, operation_id: str, container: str, text: str) -> None:
        """Put a printed label on a container, over the old one."""
        with self._lock:
            self._kit.get(container).label = text

    def particles(self, *, operation_id: str, duration_s: float) -> ParticleReading:
        """Count particles in the air drawn over a time that has just passed."""
        with self._lock:
            return self._air.particles(operation_id, duration_s, self.now_s())

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
                self._kit.add(
                    hang(
                        self._p,
                        self._donor,
                        material,
                        batch_id=batch_id,
                        apheresis_label=apheresis_label,
                        now_s=self.now_s(),
                    )
                )

    def inject(self, fault: str, phase: str) -> None:
        """Arm a fault for a phase."""
        with self._lock:
            self._faults.inject(fault, phase)

    def remedy(self, fault: str) -> None:
        """End a fault, as a person's intervention would."""
        with self._lock:
            for ended in self._faults.end(fault):
                if ended.kind.hook is Hook.BAY:
                    self._incubator.repair(ended, self.now_s())
                elif ended.kind.hook is Hook.LOOK:
                    self._kit.get(ended.place).clamped = False
                elif ended.kind.hook is Hook.SUPPLY:
                    self._liquids.restore(ended)
                elif ended.kind.name == 'vial_out_of_reach':
                    self._robot.put_in_place(self._kit.get(ended.place))
                elif ended.kind.hook is Hook.STATION:
                    self._robot.take_away(self._kit.get(ended.place))
                elif ended.kind.name == 'out_of_focus':
                    self._microscope.restore()

    def faults(self) -> list[FaultView]:
        """Return the scenario's faults and what became of them."""
        with self._lock:
            return self._faults.views()

    def balance(self) -> Balance:
        """Return the conservation check over everything since the world began."""
        with self._lock:
            self._incubation.commit_all(self.now_s())
            return balance_of(self._kit)

    def truth(self, container: str) -> Truth:
        """Return the truth about a container."""
        with self._lock:
            return truth_of(self._incubation.peek(self._kit.get(container), self.now_s()))
