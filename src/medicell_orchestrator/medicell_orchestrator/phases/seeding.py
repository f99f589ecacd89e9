"""Seed a culture with a number of cells, and transduce it at a multiplicity of infection."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Mix, Operation, Transfer, Weigh
from medicell_orchestrator.phase import Phase, Step, Steps, Use
from medicell_orchestrator.phases.common import add
from medicell_orchestrator.phases.counting import MIX_S
from medicell_orchestrator.run import PhaseRun
from medicell_orchestrator.schema import container_ref, pump_rate, quantity, reagent_ref

RESIDUE_ML = 1.0
"""What cannot be drawn from a bag (R)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedCellsPhase(Phase):
    """Bring a number of viable cells into the culture vessel, and fill up with medium.

    Needs a count of the source. The culture's day 0 begins here.
    """

    source: str = container_ref()
    target: str = container_ref('vessel')
    cells: float = quantity('cells', 1e5, 1e11)
    least_cells: float = quantity('cells', 1e4, 1e11)
    cell_rate_ml_min: float = pump_rate(10.0)
    medium: str = reagent_ref('medium')
    medium_rate_ml_min: float = pump_rate()
    final_volume_ml: float = quantity('mL', 2.0, 2000.0, held_by='target')

    def steps(self) -> tuple[Step, ...]:
        """Return the seeding and the filling up."""
        return (
            Step(name='transfer the cells', body=self._seed),
            Step(name='fill up with medium', body=self._fill_up),
        )

    def uses(self) -> tuple[Use, ...]:
        """Return the medium at most needed."""
        return (Use(material=self.medium, volume_ml=self.final_volume_ml, key='final_volume'),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (Mix, Transfer, Weigh)

    def _seed(self, run: PhaseRun) -> Steps[None]:
        count = run.batch.last_count(self.source)
        if count is None:
            raise MedicellError(
                ErrorCode.MATERIAL_MISSING, f'seed_cells: {self.source} has not been counted'
            )
        if count.viable_cells < self.least_cells:
            run.batch.failed_limits.append('too few cells to seed')
            raise MedicellError(
                ErrorCode.LIMIT_FAILED,
                f'seed_cells: {count.viable_cells:.3g} viable cells in {self.source} are below'
                f' the least of {self.least_cells:.3g}',
            )
        most = min(count.volume_ml - RESIDUE_ML, self.final_volume_ml)
        volume = min(self.cells / count.viable_per_ml, most)
        run.decide(
            'how much to seed',
            f'{volume:.2f} mL',
            f'{self.cells:.3g} viable cells are wanted',
            viable_per_ml=count.viable_per_ml,
            available_ml=count.volume_ml,
        )
        # Cells settle while they are counted: without this a few of them would be seeded.
        yield from run.operate(Mix, container=self.source, duration_s=MIX_S)
        moved = yield from add(
            run,
            source=self.source,
            target=self.target,
            volume_ml=volume,
            rate_ml_min=self.cell_rate_ml_min,
        )
        run.batch.begin_culture(moved * count.viable_per_ml)
        run.measure(
            'viable_cells',
            run.batch.seeded_cells,
            container=self.target,
            method='count of the source times volume moved',
        )

    def _fill_up(self, run: PhaseRun) -> Steps[None]:
        yield from fill_up(
            run,
            container=self.target,
            medium=self.medium,
            to_ml=self.final_volume_ml,
            rate_ml_min=self.medium_rate_ml_min,
        )


def fill_up(
    run: PhaseRun, *, container: str, medium: str, to_ml: float, rate_ml_min: float
) -> Steps[None]:
    """Add medium until a container holds a volume by its load cell."""
    have = yield from run.weigh(container)
    if math.isnan(have):
        return
    yield from add(
        run, source=medium, target=container, volume_ml=to_ml - have, rate_ml_min=rate_ml_min
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransducePhase(Phase):
    """Add vector for a multiplicity of infection, then medium to a volume."""

    vessel: str = container_ref('vessel')
    vector: str = reagent_ref('vector')
    moi: float = quantity('', 0.1, 100.0)
    titer_tu_per_ml: float = quantity('TU/mL', 1e5, 1e11)
    vector_rate_ml_min: float = pump_rate(5.0)
    medium: str = reagent_ref('medium')
    medium_rate_ml_min: float = pump_rate()
    final_volume_ml: float = quantity('mL', 2.0, 2000.0, held_by='vessel')

    def steps(self) -> tuple[Step, ...]:
        """Return the addition of vector and of medium."""
        return (
            Step(name='add vector', body=self._transduce),
            Step(name='fill up with medium', body=self._fill_up),
        )

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (Transfer, Weigh)

    def _transduce(self, run: PhaseRun) -> Steps[None]:
        count = run.batch.last_count(self.vessel)
        cells = run.batch.seeded_cells if count is None else count.viable_cells
        wanted = self.moi * cells / self.titer_tu_per_ml
        have = sum(run.batch.left_ml(name) for name in run.batch.groups[self.vector])
        volume = min(wanted, have)
        run.decide(
            'how much vector',
            f'{volume:.2f} mL',
            f'multiplicity of infection {volume * self.titer_tu_per_ml / cells:.2f}',
            cells=cells,
            wanted_ml=wanted,
            available_ml=have,
        )
        if volume < wanted:
            run.deviation(
                ErrorCode.MATERIAL_MISSING,
                f'vector: {wanted:.2f} mL wanted, {have:.2f} mL in the kit',
                'transduced at a lower multiplicity',
                recovered=True,
            )
        yield from add(
            run,
            source=self.vector,
            target=self.vessel,
            volume_ml=volume,
            rate_ml_min=self.vector_rate_ml_min,
        )
        run.batch.looks.pop(self.vessel, None)

    def _fill_up(self, run: PhaseRun) -> Steps[None]:
        yield from fill_up(
            run,
            container=self.vessel,
            medium=self.medium,
            to_ml=self.final_volume_ml,
            rate_ml_min=self.medium_rate_ml_min,
        )
