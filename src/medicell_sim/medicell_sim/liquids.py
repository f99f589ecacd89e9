"""Liquids that flow: strokes of pumps, separation, washing and withdrawal, all conserved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim import contents
from medicell_sim.contents import Amounts, Component
from medicell_sim.faults import Fault, FaultBoard, Hook
from medicell_sim.incubation import Incubation
from medicell_sim.instruments import Instrument, Instruments
from medicell_sim.kit import Kit, SimContainer
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import PumpReading
from medicell_sim.separation import Separation

_SHORT = 0.975
_NOMINAL_RATE_ML_MIN = 50.0
_REAGENTS = {
    'weak_activator': Component.ACTIVATOR_ML,
    'weak_vector': Component.VECTOR_TU,
}
"""What a fault takes from a reagent, by its name."""


class Liquids:
    """The fluid paths between the containers of the kit, with their pumps and sensors."""

    def __init__(
        self,
        p: WorldParameters,
        kit: Kit,
        incubation: Incubation,
        instruments: Instruments,
        faults: FaultBoard,
        *,
        seed: int,
    ) -> None:
        self._p = p
        self._kit = kit
        self._incubation = incubation
        self._instruments = instruments
        self._faults = faults
        self._separation = Separation(p, seed=seed)
        self._withheld: dict[int, tuple[SimContainer, Amounts]] = {}

    def state(self) -> list[Any]:
        """Return what faults have withheld, as JSON values, in the order in which they struck."""
        return [[number, bag.id, gone.tolist()] for number, (bag, gone) in self._withheld.items()]

    def restore(self, state: Sequence[Any]) -> None:
        """Withhold what `state` told of; the kit must have been restored before."""
        self._withheld = {
            number: (self._kit.get(bag), np.array(gone)) for number, bag, gone in state
        }

    def mix(self, operation_id: str, container: SimContainer, now_s: float) -> None:
        """Suspend settled cells."""
        self.shock(operation_id, container, now_s)
        container.mixed_s = now_s

    def shock(self, operation_id: str, container: SimContainer, now_s: float) -> None:
        """Let the cells of a container die of a fault."""
        if contents.viable_t_cells(container.amounts) < 1.0:
            return
        for _ in self._faults.strike(
            Hook.CELLS, operation_id=operation_id, place=container.id, now_s=now_s
        ):
            self._incubation.commit(container, now_s)
            contents.kill(container.amounts, self._p.fault.dead_fraction)

    def pump(
        self,
        *,
        operation_id: str,
        source: SimContainer,
        target: SimContainer,
        volume_ml: float,
        rate_ml_min: float,
        now_s: float,
    ) -> PumpReading:
        """Move one stroke; see the port."""
        _require_volume(volume_ml)
        self._strike(operation_id, source, (source,), now_s)
        blocked = self._blocked(source, target, now_s)
        if blocked is not None:
            return blocked
        self._touch(source, target)
        self._commit(now_s, source, target)
        wanted_ml = volume_ml * (1.0 + self._pump_error(source, target, now_s))
        bubble = self._bubble(source)
        if bubble:
            wanted_ml *= self._p.fault.bubble_fraction
        drawn_ml = min(wanted_ml, source.volume_ml)
        part = self._draw(source, drawn_ml, now_s)
        leak = self._leak(part, source, target)
        self._contaminate(operation_id, part, source, now_s)
        moved_ml = self._pour(part, target, now_s)
        return self._reading(
            target,
            moved_ml=moved_ml,
            rate_ml_min=rate_ml_min,
            bubble=bubble,
            leak=leak,
            source_empty=drawn_ml < _SHORT * wanted_ml,
            now_s=now_s,
        )

    def select_cells(
        self,
        *,
        operation_id: str,
        source: SimContainer,
        target: SimContainer,
        waste: SimContainer,
        reagent: SimContainer,
        reagent_volume_ml: float,
        buffer: SimContainer,
        buffer_volume_ml: float,
        now_s: float,
        part: float = 1.0,
    ) -> PumpReading:
        """Separate CD4/CD8 cells; see the port. `part` of all has passed when it was ended."""
        self._strike(operation_id, source, (reagent, buffer), now_s)
        blocked = self._blocked(source, target, now_s)
        if blocked is not None:
            return blocked
        self._commit(now_s, source, target, waste)
        short = (
            reagent.volume_ml < _SHORT * reagent_volume_ml
            or buffer.volume_ml < _SHORT * buffer_volume_ml
        )
        halted = self._halted(source, target, short, now_s)
        if halted is not None:
            return halted
        self._touch(source, target, reagent, buffer)
        feed = self._draw(source, part * source.volume_ml, now_s)
        beads = self._draw(reagent, part * min(reagent_volume_ml, reagent.volume_ml), now_s)
        rinse = self._draw(buffer, part * min(buffer_volume_ml, buffer.volume_ml), now_s)
        kept, rest = self._separation.select(
            operation_id, feed, beads, rinse, poor=self._selects_poorly(operation_id, now_s)
        )
        self._contaminate(operation_id, kept, source, now_s)
        self._pour(rest, waste, now_s)
        moved_ml = self._pour(kept, target, now_s)
        return self._reading(target, moved_ml=moved_ml, now_s=now_s)

    def wash(
        self,
        *,
        operation_id: str,
        source: SimContainer,
        target: SimContainer,
        waste: SimContainer,
        buffer: SimContainer,
        buffer_volume_ml: float,
        final_volume_ml: float,
        now_s: float,
        part: float = 1.0,
    ) -> PumpReading:
        """Wash and concentrate; see the port. `part` of all has passed when it was ended."""
        _require_volume(final_volume_ml)
        self._strike(operation_id, source, (buffer,), now_s)
        blocked = self._blocked(source, target, now_s)
        if blocked is not None:
            return blocked
        self._commit(now_s, source, target, waste)
        short = buffer.volume_ml < _SHORT * buffer_volume_ml
        halted = self._halted(source, target, short, now_s)
        if halted is not None:
            return halted
        self._touch(source, target, buffer)
        feed = self._draw(source, part * source.volume_ml, now_s)
        rinse = self._draw(buffer, part * min(buffer_volume_ml, buffer.volume_ml), now_s)
        kept, rest = self._separation.wash(operation_id, feed, rinse, part * final_volume_ml)
        self._contaminate(operation_id, kept, source, now_s)
        self._pour(rest, waste, now_s)
        moved_ml = self._pour(kept, target, now_s)
        return self._reading(target, moved_ml=moved_ml, now_s=now_s)

    def withdraw(
        self,
        *,
        operation_id: str,
        source: SimContainer,
        waste: SimContainer,
        volume_ml: float,
        mode: str,
        now_s: float,
    ) -> PumpReading:
        """Take supernatant out; see the port. Raises INVALID_GOAL for an unknown mode."""
        _require_volume(volume_ml)
        settled = self._settled(source, now_s) if mode == 'settled' else 1.0
        loss = self._separation.withdrawal_loss(mode, settled)
        self._strike(operation_id, source, (), now_s)
        blocked = self._blocked(source, waste, now_s)
        if blocked is not None:
            return blocked
        self._touch(source, waste)
        self._commit(now_s, source, waste)
        bubble = self._bubble(source)
        wanted_ml = volume_ml * (1.0 + self._pump_error(source, waste, now_s))
        if bubble:
            wanted_ml *= self._p.fault.bubble_fraction
        drawn_ml = min(wanted_ml, source.volume_ml)
        liquid = drawn_ml / source.volume_ml if source.volume_ml > 0.0 else 0.0
        part = contents.take(source.amounts, liquid=liquid, cells=loss * liquid)
        leak = self._leak(part, source, waste)
        return self._reading(
            waste,
            moved_ml=self._pour(part, waste, now_s),
            bubble=bubble,
            leak=leak,
            source_empty=drawn_ml < _SHORT * wanted_ml,
            now_s=now_s,
        )

    def hang_full(self, fault: Fault) -> None:
        """Undo what an ended fault has done to a bag, as hanging a full one does."""
        withheld = self._withheld.pop(self._faults.number_of(fault), None)
        if withheld is not None:
            container, amounts = withheld
            container.amounts += amounts
            self._kit.ledger.volume_in_ml += contents.volume_ml(amounts)

    def _strike(
        self,
        operation_id: str,
        source: SimContainer,
        supplies: tuple[SimContainer, ...],
        now_s: float,
    ) -> None:
        self._faults.strike(Hook.FLOW, operation_id=operation_id, place=source.id, now_s=now_s)
        self.shock(operation_id, source, now_s)
        self._weaken(operation_id, source, now_s)
        for supply in supplies:
            if contents.nucleated_cells(supply.amounts) >= 1.0:
                continue
            for fault in self._faults.strike(
                Hook.SUPPLY, operation_id=operation_id, place=supply.id, now_s=now_s
            ):
                missing = 1.0 - self._p.fault.empty_fraction
                gone = contents.take(supply.amounts, liquid=missing, cells=missing)
                self._kit.ledger.volume_in_ml -= contents.volume_ml(gone)
                self._withheld[self._faults.number_of(fault)] = (supply, gone)

    def _weaken(self, operation_id: str, source: SimContainer, now_s: float) -> None:
        """Let a reagent have lost its effect before it is given."""
        for name, component in _REAGENTS.items():
            if source.amounts[component] <= 0.0 or contents.nucleated_cells(source.amounts):
                continue
            for _ in self._faults.strike(
                Hook.REAGENT, operation_id=operation_id, place=source.id, now_s=now_s, name=name
            ):
                source.amounts[component] *= self._p.fault.reagent_left

    def _selects_poorly(self, operation_id: str, now_s: float) -> bool:
        return bool(
            self._faults.strike(
                Hook.SELECTION, operation_id=operation_id, place='separation', now_s=now_s
            )
        )

    def _contaminate(
        self, operation_id: str, part: Amounts, source: SimContainer, now_s: float
    ) -> None:
        """Let microbes come into the line of a container, and with all that flows out of it."""
        if contents.volume_ml(part) <= 0.0:
            return
        self._faults.strike(Hook.OPEN, operation_id=operation_id, place=source.id, now_s=now_s)
        if self._faults.active('contamination', source.id):
            part[Component.MICROBES] += self._p.fault.inoculum

    def _blocked(
        self, source: SimContainer, target: SimContainer, now_s: float
    ) -> PumpReading | None:
        """Return the reading of a stroke that cannot move anything, or None."""
        backwards = self._faults.active('occlusion', target.id)
        # A vessel that is washed into itself is pumped from, not only backwards.
        if backwards is not None and target is not source:
            backwards.active = False
        occlusion = self._faults.active('occlusion', source.id)
        if occlusion is not None:
            occlusion.strokes += 1
            if occlusion.strokes > self._p.fault.occlusion_strokes:
                occlusion.active = False
                occlusion = None
        joined = all(
            item.connected or (item.kind is ContainerKind.VIAL and not item.stoppered)
            for item in (source, target)
        )
        free = joined and not source.clamped and not target.clamped
        if free and occlusion is None:
            kinked = self._faults.active('kinked_line', source.id, target.id)
            if kinked is None:
                return None
        pressure = self._instruments.get('pressure').read(
            self._p.fault.occlusion_pressure_kpa, now_s
        )
        return PumpReading(
            moved_ml=0.0, pressure_kpa=pressure, bubble=False, leak=False, source_empty=False
        )

    def _pump_error(self, source: SimContainer, target: SimContainer, now_s: float) -> float:
        kind = 'pump'
        if target.kind is ContainerKind.VIAL:
            kind = 'fill_pump'
        elif source.bay or target.bay:
            kind = 'exchange_pump'
        error = self._instruments.get(kind).error(now_s)
        if self._faults.active('pump_drift') is not None:
            error += self._p.fault.pump_drift
        return error

    def _bubble(self, source: SimContainer) -> bool:
        fault = self._faults.active('bubble', source.id)
        if fault is None:
            return False
        fault.strokes += 1
        if fault.strokes >= self._p.fault.bubble_strokes:
            fault.active = False
        return True

    def _leak(self, part: Amounts, source: SimContainer, target: SimContainer) -> bool:
        if self._faults.active('leak', source.id, target.id) is None:
            return False
        lost = self._p.fault.leak_fraction
        self._kit.ledger.lose(contents.take(part, liquid=lost, cells=lost))
        return True

    def _settled(self, container: SimContainer, now_s: float) -> float:
        """Return how far the cells have settled, 0 to 1."""
        if container.bay and self._incubation.bay(container.bay, now_s).agitation_rpm > 0.0:
            return 0.0
        return 1.0 - math.exp(
            -max(0.0, now_s - container.mixed_s) / self._p.separation.settling_time_s
        )

    def _draw(self, source: SimContainer, volume_ml: float, now_s: float) -> Amounts:
        if source.volume_ml <= 0.0:
            return contents.empty()
        liquid = min(1.0, volume_ml / source.volume_ml)
        short = self._p.separation.settling_bias * self._settled(source, now_s)
        cells = liquid * (1.0 - short * (1.0 - liquid))
        return contents.take(source.amounts, liquid=liquid, cells=cells)

    def _pour(self, part: Amounts, target: SimContainer, now_s: float) -> float:
        """Add a part to a container; return what stayed in it, what overflowed is lost."""
        volume = contents.volume_ml(part)
        space = max(0.0, target.capacity_ml - target.volume_ml)
        if volume > space:
            spilt = 1.0 - space / volume
            self._kit.ledger.lose(contents.take(part, liquid=spilt, cells=spilt))
        if contents.volume_ml(part) > self._p.separation.stirring_fraction * target.volume_ml:
            target.mixed_s = now_s
        target.amounts += part
        return contents.volume_ml(part)

    def _touch(self, *containers: SimContainer) -> None:
        """Count liquid that is moved while one of the containers is not the one that is meant."""
        wrong = ('wrong_bag', 'exchanged_bag')
        if any(self._faults.active(name, item.id) for name in wrong for item in containers):
            self._kit.ledger.foreign_strokes += 1

    def _commit(self, now_s: float, *containers: SimContainer) -> None:
        for container in containers:
            self._incubation.commit(container, now_s)

    def _halted(
        self, source: SimContainer, target: SimContainer, short: bool, now_s: float
    ) -> PumpReading | None:
        """Return the reading of a separation that stops before the cells enter it, or None."""
        bubble = self._bubble(source)
        leak = self._faults.active('leak', source.id, target.id) is not None
        if not (short or bubble or leak):
            return None
        if leak:
            part = self._p.fault.leak_fraction
            self._kit.ledger.lose(contents.take(source.amounts, liquid=part, cells=part))
        return self._reading(
            target, moved_ml=0.0, bubble=bubble, leak=leak, source_empty=short, now_s=now_s
        )

    def _reading(
        self,
        target: SimContainer,
        *,
        moved_ml: float,
        now_s: float,
        rate_ml_min: float = _NOMINAL_RATE_ML_MIN,
        bubble: bool = False,
        leak: bool = False,
        source_empty: bool = False,
    ) -> PumpReading:
        pressure = self._p.fault.line_pressure_kpa * rate_ml_min / _NOMINAL_RATE_ML_MIN
        return PumpReading(
            moved_ml=self.scale(target).difference(moved_ml),
            pressure_kpa=self._instruments.get('pressure').read(pressure, now_s),
            bubble=bubble,
            leak=leak,
            source_empty=source_empty,
        )

    def scale(self, container: SimContainer) -> Instrument:
        """Return the scale under a container: the robot's balance or a load cell."""
        if container.kind is ContainerKind.VIAL:
            return self._instruments.get('balance')
        return self._instruments.get('load_cell', container.location)


def _require_volume(volume_ml: float) -> None:
    if not 0.0 <= volume_ml < math.inf:
        raise OperationRefused(
            ErrorCode.INVALID_GOAL, f'volume_ml: {volume_ml} is not a volume of 0 mL or more'
        )
