"""The simulated world: the one owner of the truth, behind the ports of drivers and scenario."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medicell_core.containers import Material
from medicell_sim.air import Air
from medicell_sim.assays import assay
from medicell_sim.audit import balance_of, truth_of
from medicell_sim.donors import draw_donor
from medicell_sim.dosing import Needle
from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.flows import Flows
from medicell_sim.history.kept import Stateful, kept
from medicell_sim.identity import foreign_id, require_clear, see
from medicell_sim.incubation import Incubation
from medicell_sim.incubator import Incubator
from medicell_sim.instruments import Instruments
from medicell_sim.kit import Kit
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
    LabelScene,
    ParticleReading,
    ProbeReading,
    Scene,
    Truth,
)
from medicell_sim.pumping import LiquidWorld
from medicell_sim.robot import Robot

_TUBED = ('fluid_handler/', 'incubator/')
"""Stations whose containers hang on tubing with a hand clamp."""


class World(LiquidWorld):
    """Implements WorldPort and WorldControl; its `timeline` serves callers that must not block.

    `speed` is simulated over wall time, infinity for leaps; `rest_pace` the same while nobody
    waits for an operation, 0 for time that stands. `on_time` is told every new time. `history` is
    the file in which the world outlives its process: made when it is not there, and else taken
    up (`taken_up`), with `sync_history` such that it outlives a power cut too.
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
        history: Path | None = None,
        sync_history: bool = False,
    ) -> None:
        self._p = parameters
        self._seed = seed
        self._kit = Kit()
        self._faults = FaultBoard()
        self._donor = draw_donor(parameters.donor, seed)
        self._instruments = Instruments(
            parameters.instruments, seed=seed, start_s=parameters.world.start_s
        )
        self._incubation = Incubation(
            parameters, self._kit, self._donor.biology, self._faults, seed=seed, bays=bays
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
        self._flows = Flows(parameters.flow, self._kit, self._liquids, self._needle, self._robot)
        super().__init__(
            header={
                'bays': list(bays),
                'parameters': parameters.model_dump(mode='json'),
                'seed': seed,
                'world': time.time_ns(),
            },
            history=history,
            sync=sync_history,
            start_s=parameters.world.start_s,
            paused_until_idle=paused_until_idle,
            speed=speed,
            leap_limit_s=parameters.world.leap_limit_s,
            rest_pace=rest_pace,
            on_time=on_time,
        )

    def state(self) -> dict[str, Any]:
        """Return everything that the world is as JSON values, time and turns aside."""
        with self._lock:
            return {name: part.state() for name, part in self._parts().items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` told; of a world that was made of the same."""
        for name, part in self._parts().items():
            part.restore(state[name])

    def _parts(self) -> dict[str, Stateful]:
        """Return what can change, in the order in which it is restored; the rest is the seed's."""
        return {
            'kit': self._kit,
            'faults': self._faults,
            'flows': self._flows,
            'incubation': self._incubation,
            'instruments': self._instruments,
            'liquids': self._liquids,
            'microscope': self._microscope,
        }

    @kept
    def look(self, container: str) -> ContainerView:
        """Return what can be seen of a container."""
        item = self._kit.get(container)
        if (
            item.connected
            and item.location.startswith(_TUBED)
            and self._faults.strike(
                Hook.LOOK,
                operation_id=self._by,
                place=container,
                now_s=self._at_s,
            )
        ):
            item.clamped = True
        self._robot.look(item, self._by, self._at_s)
        return item.view()

    @kept
    def at(self, location: str) -> str:
        """Return the id of the container at a location, or an empty string."""
        return self._robot.at(location, self._by, self._at_s)

    def standing(self, place: str) -> list[str]:
        """Return the ids of the containers at a station, as they came."""
        with self._lock:
            return [item.id for item in self._kit if item.location.startswith(f'{place}/')]

    @kept
    def see_label(self, container: str) -> LabelScene:
        """Return what a camera has before it that looks at a container's label."""
        return see(
            self._p.fault,
            self._faults,
            self._kit,
            self._kit.get(container),
            seed=self._seed,
            operation_id=self._by,
            now_s=self._at_s,
        )

    @kept
    def weigh(self, container: str) -> float:
        """Return the net weight in grams with the load cell's error."""
        item = self._kit.get(container)
        return self._liquids.scale(item).read(item.volume_ml, self._at_s)

    @kept
    def place(self, container: str, location: str) -> None:
        """Put a container at a free location; raises STATION_OCCUPIED, UNKNOWN_BAY."""
        item = self._kit.get(container)
        station, _, bay = location.partition('/')
        if station == 'incubator':
            self._incubation.bay(bay, self._at_s)
        self._incubation.commit(item, self._at_s)
        self._kit.move(container, location)

    @kept
    def set_climate(
        self, *, bay: str, temperature_c: float, co2_pct: float, agitation_rpm: float
    ) -> None:
        """Give a bay's controller its set-points."""
        self._incubator.set_climate(
            bay,
            temperature_c=temperature_c,
            co2_pct=co2_pct,
            agitation_rpm=agitation_rpm,
            now_s=self._at_s,
        )

    @kept
    def set_door(self, bay: str, *, open_: bool) -> None:
        """Open or close a bay's door; closing it also ends that it is ajar."""
        self._incubator.set_door(bay, open_=open_, now_s=self._at_s)

    @kept
    def bay(self, bay: str) -> BayReading:
        """Read a bay's sensors; raises UNKNOWN_BAY."""
        self._incubation.strike(self._by, self._at_s)
        return self._incubator.read(bay, operation_id=self._by, now_s=self._at_s)

    @kept
    def probes(self, bay: str) -> ProbeReading:
        """Read the probes of the vessel in a bay; raises BAY_EMPTY."""
        vessel = self._kit.at(f'incubator/{bay}')
        if vessel:
            self._liquids.shock(self._by, self._kit.get(vessel), self._at_s)
        return self._incubator.probes(bay, operation_id=self._by, now_s=self._at_s)

    @kept
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
        now_s = self._at_s
        return self._microscope.scene(
            operation_id=operation_id,
            container=container,
            amounts=self._incubation.peek(self._kit.get(container), now_s),
            field_index=field_index,
            modality=modality,
            dilution=dilution,
            now_s=now_s,
        )

    @kept
    def correct_focus(self, offset_um: float) -> None:
        """Move the objective by an offset, which stays until the next correction."""
        self._microscope.correct_focus(offset_um)

    @kept
    def carry(self, *, operation_id: str, container: str, station: str) -> bool:
        """Carry a container to a station; False when it was dropped on the way."""
        item = self._kit.get(container)
        self._incubation.commit(item, self._at_s)
        return self._robot.carry(operation_id, item, station, self._at_s)

    @kept
    def arm(self) -> ArmView:
        """Return what ails the arm's drives now; a fault of this operation strikes now."""
        return self._robot.arm(self._by, self._at_s)

    def emergency_stopped(self) -> bool:
        """Return whether the emergency stop is pressed."""
        with self._lock:
            return self._robot.emergency_stopped

    @kept
    def stopper(self, *, operation_id: str, vial: str) -> float:
        """Press a stopper in; returns the peak force in newtons."""
        return self._robot.stopper(operation_id, self._kit.get(vial))

    @kept
    def cap(self, *, operation_id: str, vial: str) -> float:
        """Crimp a cap; returns the torque in newton metres, 0 without a stopper to hold it."""
        return self._robot.cap(operation_id, self._kit.get(vial))

    @kept
    def stick_label(self, *, operation_id: str, container: str, text: str) -> None:
        """Put a printed label on a container, over the old one."""
        item = self._kit.get(container)
        item.label = text
        item.labels_printed += 1

    def labels_printed(self, container: str) -> int:
        """Return how many labels the printer has made for a container."""
        with self._lock:
            return self._kit.get(container).labels_printed

    @kept
    def particles(self, *, operation_id: str, duration_s: float) -> ParticleReading:
        """Count particles in the air drawn over a time that has just passed."""
        return self._air.particles(operation_id, duration_s, self._at_s)

    @kept
    def assay(self, *, operation_id: str, container: str, test: str) -> float:
        """Return a laboratory's figure for a test, with its error."""
        amounts = self._incubation.peek(self._kit.get(container), self._at_s)
        return assay(self._p.laboratory, amounts, test, seed=self._seed, operation_id=operation_id)

    @kept
    def load(self, batch_id: str, materials: list[Material], apheresis_label: str) -> None:
        """Put a batch's kit into a cell in which nothing of another batch is."""
        require_clear(self._kit, batch_id)
        for material in materials:
            self._kit.add(
                hang(
                    self._p,
                    self._donor,
                    material,
                    batch_id=batch_id,
                    apheresis_label=apheresis_label,
                    now_s=self._at_s,
                )
            )

    @kept
    def inject(self, fault: str, phase: str) -> None:
        """Arm a fault for a phase."""
        self._faults.inject(fault, phase)

    @kept
    def remedy(self, fault: str) -> None:
        """End a fault, as a person's intervention would."""
        for ended in self._faults.end(fault):
            if ended.kind.hook is Hook.BAY:
                self._incubator.repair(ended, self._at_s)
            elif ended.kind.hook is Hook.LOOK:
                self._kit.get(ended.place).clamped = False
            elif ended.kind.hook is Hook.SUPPLY:
                self._liquids.hang_full(ended)
            elif ended.kind.name == 'vial_out_of_reach':
                self._robot.put_in_place(self._kit.get(ended.place))
            elif ended.kind.hook is Hook.STATION:
                self._robot.take_away(self._kit.get(ended.place))
            elif ended.kind.name == 'line_not_clear':
                self._robot.take_away(self._kit.get(foreign_id(ended.place)))
            elif ended.kind.name == 'out_of_focus':
                self._microscope.focus()

    def faults(self) -> list[FaultView]:
        """Return the scenario's faults and what became of them."""
        with self._lock:
            return self._faults.views()

    @kept
    def balance(self) -> Balance:
        """Return the conservation check over everything since the world began."""
        self._incubation.commit_all(self._at_s)
        return balance_of(self._kit)

    @kept
    def truth(self, container: str) -> Truth:
        """Return the truth about a container."""
        return truth_of(self._incubation.peek(self._kit.get(container), self._at_s))
