"""Fill vials, one by one, in air that is counted without a gap, and account for the product."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    CountParticles,
    Mix,
    MoveContainer,
    Operation,
    ProcessVial,
    StopperVial,
    Weigh,
)
from medicell_orchestrator.decisions import FillPlan, plan_fill
from medicell_orchestrator.phase import Phase, Problem, Step, Steps
from medicell_orchestrator.phases.air import AirWatch
from medicell_orchestrator.phases.common import HOUR_S
from medicell_orchestrator.phases.fill_account import FillAccount, Lot, Product
from medicell_orchestrator.phases.vials import VialWork
from medicell_orchestrator.run import PhaseRun
from medicell_orchestrator.schema import container_ref, flag, quantity, whole

MIX_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FillVialsPhase(Phase):
    """Divide the ordered dose over vials, and fill one for the laboratory.

    The volume that holds the dose is divided over as few equal vials as hold it with at most
    `most_volume` each, less where a vial would be full to the brim, none with less than
    `least_volume`; `spare_vials` stay in the nest, `reserve` in the bag. What the product does
    not hold is not filled. The robot takes every vial through its whole cycle, and the product
    is mixed before each, for its cells settle. A vial that is missing, dropped, filled, closed or
    labelled badly, or open for too long, is rejected and the next one used. A vial is accepted
    when it holds the planned volume within `fill_tolerance` and the air was clean while it was
    open. In bad air nothing is filled or opened: what stands open is closed and rejected, and work
    goes on after clean samples for `clean_air` and a person's answer. A person is asked about any
    other error too, and after two rejections in a row. Of `quality_vials` one is filled last, when
    all others are accepted, as they were: whatever has befallen the product is in it too.
    """

    source: str = container_ref('bag')
    vials: str = container_ref('vial')
    least_volume_ml: float = quantity('mL', 0.5, 20.0, told=(ProcessVial, 'volume_ml'))
    most_volume_ml: float = quantity(
        'mL', 0.5, 20.0, told=(ProcessVial, 'volume_ml'), held_by='vials'
    )
    spare_vials: int = whole(0, 20, default=2)
    reserve_ml: float = quantity('mL', 0.0, 100.0, default=6.0)
    """Left in the bag: for samples, and what cannot be drawn."""
    quality_vials: str = container_ref('vial', default='')
    """Vials for the laboratory, of which one is filled last; empty for none."""
    quality_volume_ml: float = quantity(
        'mL', 0.5, 20.0, default=3.0, told=(ProcessVial, 'volume_ml'), held_by='quality_vials'
    )
    """In the vial for the laboratory: what its tests need (R)."""
    fill_tolerance_pct: float = quantity('%', 0.1, 20.0, default=2.0)
    air_count_s: float = quantity(
        's', 10.0, HOUR_S, default=60.0, told=(CountParticles, 'duration_s')
    )
    clean_air_s: float = quantity('s', 10.0, HOUR_S, default=180.0)
    """For how long samples must be clean after bad air."""
    mix_each_s: float = quantity('s', 0.0, HOUR_S, default=20.0)
    """For how long the product is mixed before each vial."""
    reject_exposed: bool = flag(default=False)
    """Whether the empty vials that stood in the nest in bad air are rejected too."""

    def steps(self) -> tuple[Step, ...]:
        """Return mixing, then filling."""
        return (
            Step(name='mix the product', body=self._mix),
            Step(name='fill the vials', body=self._fill_all),
        )

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (Mix, Weigh, CountParticles, ProcessVial, MoveContainer, StopperVial)

    def problem(self) -> Problem | None:
        """Say when the volumes contradict each other."""
        if self.least_volume_ml > self.most_volume_ml:
            return Problem(
                key='least_volume',
                message=f'{self.least_volume_ml:g} mL is above most_volume'
                f' {self.most_volume_ml:g} mL',
            )
        if self.quality_vials == self.vials:
            return Problem(
                key='quality_vials',
                message=f'{self.vials} are the vials of the dose; it needs a material of its own',
            )
        return None

    def _mix(self, run: PhaseRun) -> Steps[None]:
        yield from run.operate(Mix, container=self.source, duration_s=MIX_S)

    def _fill_all(self, run: PhaseRun) -> Steps[None]:
        available_ml = yield from run.weigh(self.source)
        product = self._product(run)
        plan = self._plan(run, product, available_ml)
        watch = AirWatch(run, sample_s=self.air_count_s, clean_s=self.clean_air_s)
        account = FillAccount(run, product)
        work = VialWork(
            run,
            watch,
            account=account,
            source=self.source,
            tolerance_pct=self.fill_tolerance_pct,
            mix_s=self.mix_each_s,
            reject_exposed=self.reject_exposed,
        )
        yield from work.fill(*self._lots(plan))
        left_ml = yield from run.weigh(self.source)
        account.close(before_ml=available_ml, left_ml=left_ml)

    def _lots(self, plan: FillPlan) -> tuple[Lot, ...]:
        """Return the vials of the dose, then the one for the laboratory."""
        dose = Lot(group=self.vials, vials=plan.vials, volume_ml=plan.volume_ml)
        if not self.quality_vials:
            return (dose,)
        tested = Lot(
            group=self.quality_vials,
            vials=1,
            volume_ml=self.quality_volume_ml,
            for_laboratory=True,
        )
        return (dose, tested)

    def _plan(self, run: PhaseRun, product: Product, available_ml: float) -> FillPlan:
        plan = plan_fill(
            dose_cells=run.batch.patient.target_dose_cells,
            car_per_ml=product.car_per_ml,
            available_ml=max(0.0, available_ml - self._kept_ml()),
            vials_available=max(1, run.batch.unused(self.vials) - self.spare_vials),
            least_ml=self.least_volume_ml,
            most_ml=self._most_ml(run),
        )
        run.decide(
            'how the dose is divided',
            f'{plan.vials} vials of {plan.volume_ml:.2f} mL',
            'the product does not hold the whole dose' if plan.short else 'the whole dose',
            viable_per_ml=product.viable_per_ml,
            car_positive_pct=100.0 * product.car_share,
            available_ml=available_ml,
            target_dose_cells=run.batch.patient.target_dose_cells,
        )
        return plan

    def _kept_ml(self) -> float:
        """Return what of the product is not for the dose."""
        return self.reserve_ml + (self.quality_volume_ml if self.quality_vials else 0.0)

    def _most_ml(self, run: PhaseRun) -> float:
        """Return what a vial gets at most: a fill at the end of its tolerance still has room."""
        vial = run.batch.kit[run.batch.groups[self.vials][0]]
        return min(self.most_volume_ml, vial.capacity_ml / (1.0 + self.fill_tolerance_pct / 100.0))

    def _product(self, run: PhaseRun) -> Product:
        count = run.batch.last_count(self.source)
        car = run.batch.measured.get('car_positive_pct')
        if count is None or car is None:
            raise MedicellError(
                ErrorCode.MATERIAL_MISSING,
                f'fill_vials: viable cells and CAR+ of {self.source} have not been measured',
            )
        return Product(
            source=self.source, viable_per_ml=count.viable_per_ml, car_share=car.value / 100.0
        )
