"""Cells where they stand: bays and room, integrated lazily but always along the same path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim import contents, culture
from medicell_sim.climate import Bay
from medicell_sim.contents import Amounts, Component
from medicell_sim.culture import Biology, Surroundings
from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.kit import Kit, SimContainer
from medicell_sim.parameter_models import WorldParameters

FROZEN = frozenset({'freezer', 'fill_robot/handover'})
"""Where what stands is out of the cell: the freezer's shuttle, or a person, takes a vial that is
handed over. Its cells stay as they are; what freezing and thawing cost is not simulated.
"""


class Incubation:
    """Bays and the growth of all cells.

    Vessels in bays advance on a grid of `culture.step_s`, whoever looks and whenever, so that
    a look changes nothing; the rest of the way to now is committed only before a change.
    """

    def __init__(
        self,
        p: WorldParameters,
        kit: Kit,
        biology: Biology,
        faults: FaultBoard,
        *,
        seed: int,
        bays: list[str],
    ) -> None:
        self._p = p
        self._kit = kit
        self._born_with = biology
        self._faults = faults
        self._bays = {
            name: Bay(
                p.climate,
                seed=seed,
                name=name,
                start_s=p.world.start_s,
                room_temperature_c=p.world.room_temperature_c,
                room_co2_pct=p.world.room_co2_pct,
            )
            for name in bays
        }

    @property
    def biology(self) -> Biology:
        """What is particular to these cells, as a fault may have made it."""
        if self._faults.active('no_expansion') is not None:
            return replace(self._born_with, growth=0.0)
        if self._faults.active('slow_growth') is not None:
            slow = self._born_with.growth * self._p.fault.slow_growth
            return replace(self._born_with, growth=slow)
        return self._born_with

    def strike(self, operation_id: str, now_s: float) -> None:
        """Let the cells of the patient grow otherwise from now on."""
        if self._faults.armed(Hook.CULTURE, operation_id):
            self.commit_all(now_s)
            self._faults.strike(
                Hook.CULTURE, operation_id=operation_id, place='culture', now_s=now_s
            )

    def state(self) -> dict[str, Any]:
        """Return all bays as JSON values."""
        return {name: bay.state() for name, bay in self._bays.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Have all bays as `state` told."""
        for name, bay in state.items():
            self._bays[name].restore(bay)

    def bay(self, name: str, now_s: float) -> Bay:
        """Return a bay as it is now; raises UNKNOWN_BAY."""
        bay = self._bays.get(name)
        if bay is None:
            known = ', '.join(self._bays)
            raise OperationRefused(ErrorCode.UNKNOWN_BAY, f'bay: "{name}" is none of {known}')
        vessel = self._kit.at(f'incubator/{name}')
        if vessel:
            self._follow(self._kit.get(vessel), bay, now_s)
        bay.advance(now_s)
        return bay

    def commit(self, container: SimContainer, now_s: float) -> None:
        """Bring a container's contents to now, before they are changed."""
        if not self._on_way(container, now_s):
            return
        if now_s - container.synced_s < self._p.culture.min_interval_s:
            return
        self._store(container, self._grown(container, now_s), now_s)

    def commit_all(self, now_s: float) -> None:
        """Bring all contents to now."""
        for container in self._kit:
            self.commit(container, now_s)

    def peek(self, container: SimContainer, now_s: float) -> Amounts:
        """Return what a container's contents are now, changing nothing."""
        if not self._on_way(container, now_s):
            return np.array(container.amounts)
        return np.asarray(self._grown(container, now_s)[: contents.SIZE])

    def _on_way(self, container: SimContainer, now_s: float) -> bool:
        """Follow a vessel's bay along the grid; return whether a rest of the way is left."""
        bay = self._bays.get(container.bay)
        if bay is not None:
            self._follow(container, bay, now_s)
            bay.advance(now_s)
        return self._lives(container, now_s) and now_s > container.synced_s

    def _lives(self, container: SimContainer, now_s: float) -> bool:
        """Return whether a container holds living cells that are not frozen.

        Where none are, nothing is on its way.
        """
        if container.location in FROZEN or contents.viable_cells(container.amounts) < 1.0:
            container.synced_s = now_s
            return False
        return True

    def _follow(self, container: SimContainer, bay: Bay, now_s: float) -> None:
        grid_s = self._p.culture.step_s
        while True:
            reached_s = (math.floor(container.synced_s / grid_s + 1e-9) + 1.0) * grid_s
            if reached_s > now_s or not self._lives(container, now_s):
                return
            bay.advance(reached_s)
            self._store(container, self._grown(container, reached_s), reached_s)

    def _store(self, container: SimContainer, row: Amounts, now_s: float) -> None:
        container.amounts[:] = row[: contents.SIZE]
        container.synced_s = now_s
        self._kit.ledger.cells_born += float(row[culture.BORN])
        self._kit.ledger.cells_lysed += float(row[culture.LYSED])

    def _grown(self, container: SimContainer, now_s: float) -> Amounts:
        p = self._p
        row = np.zeros((1, culture.WIDTH))
        row[0, : contents.SIZE] = container.amounts
        if row[0, Component.VOLUME_ML] <= 0.0:
            return np.asarray(row[0])
        bay = self._bays.get(container.bay)
        limit = culture.density_limit_per_ml(
            p.culture,
            volume_ml=container.volume_ml,
            area_cm2=container.area_cm2,
            agitation_rpm=bay.agitation_rpm if bay else 0.0,
        )
        at = Surroundings(
            temperature_c=np.array([bay.temperature_c if bay else p.world.room_temperature_c]),
            co2_pct=np.array([bay.co2_pct if bay else p.culture.optimum_co2_pct]),
            x_max_per_ml=np.array([limit]),
        )
        step_s = p.culture.step_s if bay else p.culture.room_step_s
        grown = culture.integrate(
            p.culture, self.biology, at, row, now_s - container.synced_s, step_s=step_s
        )
        return np.asarray(grown[0])
