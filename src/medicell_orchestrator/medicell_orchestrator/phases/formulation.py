"""Harvest: wash the cells out of the vessel, count them, dilute them to the product's density."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Operation, Transfer, WashAndConcentrate
from medicell_orchestrator.phase import Phase, Problem, Step, Steps
from medicell_orchestrator.phases.common import add
from medicell_orchestrator.phases.counting import (
    COUNTING,
    CountPlan,
    count_cells,
    count_fields,
    count_sample,
)
from medicell_orchestrator.phases.device import wash
from medicell_orchestrator.run import PhaseRun
from medicell_orchestrator.schema import container_ref, pump_rate, quantity, reagent_ref

EXPECTED_RECOVERY = 0.9
"""Cells that a wash leaves, V Springuel PMC12833271: above 90 %."""

ROOM_ML = 5.0
"""Left free in the product's container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormulatePhase(Phase):
    """Wash the vessel's cells into the product's bag and dilute them to `target_per_ml`.

    `cryo_fraction` of the final volume is the freezing medium, which comes last, since it
    harms the cells. A harvest too small for `least_volume` is formulated thinner, one too large
    for the bag denser; either is recorded as a decision.
    """

    vessel: str = container_ref('vessel')
    product: str = container_ref('bag')
    waste: str = container_ref('waste', 'bag')
    buffer: str = reagent_ref('buffer')
    wash_volume_ml: float = quantity(
        'mL', 10.0, 2000.0, told=(WashAndConcentrate, 'buffer_volume_ml')
    )
    cryo_medium: str = reagent_ref('cryo_medium')
    cryo_fraction: float = quantity('', 0.0, 0.9)
    target_per_ml: float = quantity('cells/mL', 1e4, 1e9)
    least_volume_ml: float = quantity('mL', 5.0, 1000.0, held_by='product')
    rate_ml_min: float = pump_rate()
    cartridges: str = container_ref('cartridge')
    sample_volume_ml: float = count_sample()
    fields: int = count_fields(6)
    most_error_pct: float = quantity('%', 1.0, 50.0, default=5.0)

    def steps(self) -> tuple[Step, ...]:
        """Return washing, counting, diluting, and the count of the product."""
        return (
            Step(name='wash', body=self._wash),
            Step(name='count the harvest', body=self._count),
            Step(name='dilute', body=self._dilute),
            Step(name='count the product', body=self._count_product),
        )

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (WashAndConcentrate, Transfer, *COUNTING)

    def problem(self) -> Problem | None:
        """Say when the wash would leave more than the product takes."""
        if self.least_volume_ml * (1.0 - self.cryo_fraction) < 5.0:
            return Problem(
                key='least_volume',
                message=f'{self.least_volume_ml:g} mL leaves less than 5 mL for the washed cells',
            )
        return None

    def _wash(self, run: PhaseRun) -> Steps[None]:
        count = run.batch.last_count(self.vessel)
        if count is None:
            raise MedicellError(
                ErrorCode.MATERIAL_MISSING, f'formulate: {self.vessel} has not been counted'
            )
        run.batch.harvested_cells = count.viable_cells
        cells = count.viable_cells * EXPECTED_RECOVERY
        final = self._final_ml(run, cells) * (1.0 - self.cryo_fraction)
        volume = max(5.0, EXPECTED_RECOVERY * final)
        run.decide(
            'volume to wash the cells into',
            f'{volume:.1f} mL',
            'leaves room for buffer and freezing medium',
            viable_cells=count.viable_cells,
            target_per_ml=self.target_per_ml,
        )
        yield from wash(
            run,
            source=self.vessel,
            target=self.product,
            waste=self.waste,
            buffer=self.buffer,
            buffer_volume_ml=self.wash_volume_ml,
            final_volume_ml=volume,
        )

    def _final_ml(self, run: PhaseRun, cells: float) -> float:
        most = run.batch.kit[self.product].capacity_ml - ROOM_ML
        return min(most, max(self.least_volume_ml, cells / self.target_per_ml))

    def _count(self, run: PhaseRun) -> Steps[None]:
        yield from count_cells(run, self._plan(car=False))

    def _count_product(self, run: PhaseRun) -> Steps[None]:
        yield from count_cells(run, self._plan(car=True))

    def _plan(self, *, car: bool) -> CountPlan:
        return CountPlan(
            container=self.product,
            cartridges=self.cartridges,
            expected_per_ml=self.target_per_ml,
            sample_ml=self.sample_volume_ml,
            fields=self.fields,
            most_error_pct=self.most_error_pct,
            car=car,
        )

    def _dilute(self, run: PhaseRun) -> Steps[None]:
        count = run.batch.last_count(self.product)
        assert count is not None
        most = run.batch.kit[self.product].capacity_ml - ROOM_ML
        least = count.volume_ml / (1.0 - self.cryo_fraction)
        final = min(most, max(least, self._final_ml(run, count.viable_cells)))
        cryo = self.cryo_fraction * final
        buffer = max(0.0, final - cryo - count.volume_ml)
        run.decide(
            'final volume of the product',
            f'{final:.1f} mL',
            f'{count.viable_cells / final:.3g} viable cells per mL,'
            f' {self.target_per_ml:.3g} are wanted',
            viable_cells=count.viable_cells,
            washed_ml=count.volume_ml,
            buffer_ml=buffer,
            cryo_medium_ml=cryo,
        )
        for source, volume in ((self.buffer, buffer), (self.cryo_medium, cryo)):
            yield from add(
                run,
                source=source,
                target=self.product,
                volume_ml=volume,
                rate_ml_min=self.rate_ml_min,
            )
