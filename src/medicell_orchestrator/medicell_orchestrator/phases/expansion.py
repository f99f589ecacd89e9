"""Grow a culture under control: look, count, feed, and decide when to harvest or to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    ASSAYS,
    AssaySample,
    ExchangeMedium,
    Incubate,
    MeasureProbes,
    Operation,
    Sample,
    Transfer,
    Weigh,
)
from medicell_orchestrator.batch import CellCount, ProbeLook
from medicell_orchestrator.decisions import (
    DAY_S,
    DEFAULT_GROWTH_PER_DAY,
    DEFAULT_UPTAKE_PMOL_DAY,
    NEAR_S,
    FeedDecision,
    FeedPolicy,
    FeedState,
    HarvestPolicy,
    decide_feed,
    decide_harvest,
    growth_per_day,
    uptake_mm_per_day,
)
from medicell_orchestrator.phase import Need, Phase, Problem, Step, Steps
from medicell_orchestrator.phases.common import (
    HOUR_S,
    add,
    begin_assays,
    collect_assays,
    exchange,
    incubate,
    look,
    perfusion_needs,
    perfusion_problem,
)
from medicell_orchestrator.phases.counting import (
    COUNTING,
    CountPlan,
    count_cells,
    count_fields,
    count_sample,
)
from medicell_orchestrator.run import PhaseRun
from medicell_orchestrator.schema import (
    bay_ref,
    container_ref,
    flag,
    pump_rate,
    quantities,
    quantity,
    reagent_ref,
    text,
    texts,
)

SHORTEST_LOOK_APART_S = 2.0 * HOUR_S
"""Two looks closer than this say nothing of the uptake, given the probes' noise (R)."""

SHORTEST_WAIT_S = 60.0

MOL_PER_PMOL_PER_ML = 1e-6
"""pmol per mL is 1e-6 mmol per litre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandPhase(Phase):
    """Grow the vessel's cells until a culture day, or until there are enough.

    Looks at the probes at most `look_every` apart, earlier when glucose would run short;
    counts on the days given; feeds when glucose would be less than 0.5 mmol/L above
    `minimum_glucose` at the next look, or lactate above `maximum_lactate`: fills up to
    `working_volume` where there is room for `least_feed`, else exchanges as little as lasts;
    ends at `target_cells` from `earliest_day` on, at `until_day` at the latest; stops the
    batch (LIMIT_FAILED) when viability falls below `least_viability`. On `assay_day` a sample
    goes to the laboratory; the cells are kept growing, and fed, until its figures are there.
    """

    vessel: str = container_ref('vessel')
    bay: str = bay_ref()
    until_day: float = quantity('', 0.0, 60.0)
    earliest_day: float = quantity('', 0.0, 60.0, default=0.0)
    target_cells: float = quantity('cells', 1e5, 1e12, default=math.inf)
    count_days: tuple[float, ...] = quantities('', 0.0, 60.0)
    count_car: bool = flag(default=False)
    cartridges: str = container_ref('cartridge')
    expected_per_ml: float = quantity('cells/mL', 1e3, 1e9, default=1e6)
    sample_volume_ml: float = count_sample()
    fields: int = count_fields(4)
    most_error_pct: float = quantity('%', 1.0, 50.0, default=10.0)
    medium: str = reagent_ref('medium')
    waste: str = container_ref('waste', 'bag')
    medium_glucose_mm: float = quantity('mmol/L', 0.0, 100.0)
    minimum_glucose_mm: float = quantity('mmol/L', 0.0, 50.0)
    maximum_lactate_mm: float = quantity('mmol/L', 0.0, 100.0)
    working_volume_ml: float = quantity('mL', 1.0, 2000.0, held_by='vessel')
    least_feed_ml: float = quantity('mL', 1.0, 1000.0, told=(ExchangeMedium, 'volume_ml'))
    most_feed_ml: float = quantity('mL', 1.0, 1000.0, told=(ExchangeMedium, 'volume_ml'))
    feed_rate_ml_min: float = pump_rate()
    feeding: str = text('none', 'batch', 'perfusion', default='batch')
    exchange_time_s: float = quantity('s', 0.0, 86400.0, default=0.0)
    look_every_s: float = quantity('s', 1800.0, 7 * DAY_S, default=12 * HOUR_S)
    soonest_look_s: float = quantity('s', 600.0, DAY_S, default=4 * HOUR_S)
    least_viability_pct: float = quantity('%', 0.0, 100.0, default=50.0)
    assay_day: float = quantity('', 0.0, 60.0, default=math.inf)
    assay_tests: tuple[str, ...] = texts(*ASSAYS, default=())
    assay_volume_ml: float = quantity(
        'mL', 0.1, 50.0, default=2.0, told=(Sample, 'volume_ml'), held_by='tubes'
    )
    tubes: str = container_ref('tube', default='')

    def steps(self) -> tuple[Step, ...]:
        """Return the control loop."""
        return (Step(name='grow', body=self._grow),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send: counts, feeds and assays only when it has them."""
        sent: list[type[Operation]] = [MeasureProbes, Incubate]
        if self.count_days:
            sent += COUNTING
        if self.feeding != 'none':
            sent += [Weigh, Transfer, ExchangeMedium]
        if self.assay_tests:
            sent += [Sample, AssaySample]
        return tuple(sent)

    def problem(self) -> Problem | None:
        """Say when the fields contradict each other."""
        if self.earliest_day > self.until_day:
            return Problem(
                key='earliest_day',
                message=f'{self.earliest_day:g} is after until_day {self.until_day:g}',
            )
        for key, days in (('count_days', self.count_days), ('assay_day', self._assay_days())):
            if max(days, default=0.0) > self.until_day:
                return Problem(
                    key=key, message=f'{max(days):g} is after until_day {self.until_day:g}'
                )
        if self.least_feed_ml > self.most_feed_ml:
            return Problem(
                key='least_feed',
                message=f'{self.least_feed_ml:g} mL is above most_feed {self.most_feed_ml:g} mL',
            )
        if (self.assay_day < math.inf) != bool(self.assay_tests and self.tubes):
            return Problem(key='assay_day', message='assay_day, assay_tests and tubes go together')
        return perfusion_problem(self.feeding, self.exchange_time_s, key='exchange_time')

    def needs(self) -> tuple[Need, ...]:
        """Return the figures of the fields, and how fast a perfusion may be."""
        pumped = perfusion_needs(
            self.feeding, self.most_feed_ml, self.exchange_time_s, key='exchange_time'
        )
        return (*Phase.needs(self), *pumped)

    def until_culture_day(self) -> float | None:
        """Return the day of the latest harvest."""
        return self.until_day

    def surely_until_day(self) -> float:
        """Return the culture day before which the phase does not end by itself."""
        return self.until_day if math.isinf(self.target_cells) else self.earliest_day

    def planned_days(self) -> tuple[tuple[str, float], ...]:
        """Return the culture days on which something is to happen, each with its field."""
        return (
            *(('count_days', day) for day in self.count_days),
            *(('assay_day', day) for day in self._assay_days()),
            ('until_day', self.until_day),
        )

    def _assay_days(self) -> tuple[float, ...]:
        return () if math.isinf(self.assay_day) else (self.assay_day,)

    def _grow(self, run: PhaseRun) -> Steps[None]:
        counts, assays = sorted(self.count_days), [self.assay_day]
        tube, tests = '', tuple[str, ...]()
        while True:
            seen = yield from look(run, bay=self.bay, container=self.vessel)
            if self._due(run, counts):
                yield from self._count(run)
            if self._due(run, assays):
                tube = yield from begin_assays(
                    run,
                    source=self.vessel,
                    tubes=self.tubes,
                    volume_ml=self.assay_volume_ml,
                    tests=self.assay_tests,
                )
                tests = self.assay_tests
            if tests:
                tests = yield from collect_assays(
                    run, source=self.vessel, tube=tube, tests=tests, wait=False
                )
            if self._done(run) and not tests:
                return
            wait_s = yield from self._feed(run, seen)
            wait_s = min([wait_s, *(self._until(run, day) for day in (*counts, *assays))])
            left_s = self._until(run, self.until_day)
            wait_s = min(wait_s, left_s if left_s > NEAR_S else self.soonest_look_s)
            yield from incubate(run, bay=self.bay, duration_s=max(SHORTEST_WAIT_S, wait_s))

    def _due(self, run: PhaseRun, days: list[float]) -> bool:
        """Take what is due from a list of culture days; return whether there was any."""
        passed = [day for day in days if self._until(run, day) < NEAR_S]
        del days[: len(passed)]
        return bool(passed)

    def _until(self, run: PhaseRun, day: float) -> float:
        return (day - run.batch.culture_day()) * DAY_S

    def _count(self, run: PhaseRun) -> Steps[CellCount]:
        return (
            yield from count_cells(
                run,
                CountPlan(
                    container=self.vessel,
                    cartridges=self.cartridges,
                    expected_per_ml=self.expected_per_ml,
                    sample_ml=self.sample_volume_ml,
                    fields=self.fields,
                    most_error_pct=self.most_error_pct,
                    car=self.count_car,
                ),
            )
        )

    def _done(self, run: PhaseRun) -> bool:
        """Decide on harvesting; raises LIMIT_FAILED when the culture is given up."""
        policy = HarvestPolicy(
            target_cells=self.target_cells,
            earliest_day=self.earliest_day,
            latest_day=self.until_day,
            least_viability_pct=self.least_viability_pct,
        )
        count = run.batch.last_count(self.vessel)
        day = run.batch.culture_day()
        cells = math.nan if count is None else count.viable_cells
        viability = math.nan if count is None else count.viability_pct
        choice, reason = decide_harvest(
            policy, day=day, viable_cells=cells, viability_pct=viability
        )
        if choice == 'continue':
            return False
        answer = 'no: stop the batch' if choice == 'stop' else 'no: next phase'
        run.decide(
            'go on growing', answer, reason, day=day, viable_cells=cells, viability_pct=viability
        )
        if choice == 'stop':
            run.batch.failed_limits.append(f'in-process viability: {reason}')
            raise MedicellError(ErrorCode.LIMIT_FAILED, f'expand: {reason}')
        return True

    def _feed(self, run: PhaseRun, seen: ProbeLook | None) -> Steps[float]:
        """Feed or exchange when needed; return how long to wait before the next look, in s."""
        if seen is None or self.feeding == 'none':
            return self.look_every_s
        volume = yield from run.weigh(self.vessel)
        if math.isnan(volume) or volume <= 0.0:
            return self.soonest_look_s
        state = self._state(run, seen, volume)
        decision = decide_feed(state, self._policy())
        run.decide(
            'feed',
            f'{decision.action} {decision.volume_ml:.1f} mL',
            decision.reason,
            glucose_mm=state.glucose_mm,
            lactate_mm=state.lactate_mm,
            volume_ml=volume,
            uptake_mm_per_day=state.uptake_mm_per_day,
            growth_per_day=state.growth_per_day,
            predicted_glucose_mm=decision.predicted_glucose_mm,
            next_look_h=decision.next_look_s / HOUR_S,
        )
        if decision.action != 'wait':
            yield from self._act(run, decision)
            run.batch.looks[self.vessel] = []
            yield from look(run, bay=self.bay, container=self.vessel)
        return decision.next_look_s

    def _act(self, run: PhaseRun, decision: FeedDecision) -> Steps[None]:
        if decision.action == 'feed':
            yield from add(
                run,
                source=self.medium,
                target=self.vessel,
                volume_ml=decision.volume_ml,
                rate_ml_min=self.feed_rate_ml_min,
            )
            return
        yield from exchange(
            run,
            bay=self.bay,
            medium=self.medium,
            waste=self.waste,
            volume_ml=decision.volume_ml,
            mode=self.feeding,
            duration_s=self.exchange_time_s,
        )

    def _policy(self) -> FeedPolicy:
        return FeedPolicy(
            minimum_glucose_mm=self.minimum_glucose_mm,
            maximum_lactate_mm=self.maximum_lactate_mm,
            medium_glucose_mm=self.medium_glucose_mm,
            least_ml=self.least_feed_ml,
            most_ml=self.most_feed_ml,
            working_volume_ml=self.working_volume_ml,
            look_every_s=self.look_every_s,
            soonest_look_s=self.soonest_look_s,
        )

    def _state(self, run: PhaseRun, seen: ProbeLook, volume_ml: float) -> FeedState:
        growth = self._growth(run)
        return FeedState(
            glucose_mm=seen.glucose_mm,
            lactate_mm=seen.lactate_mm,
            volume_ml=volume_ml,
            uptake_mm_per_day=self._uptake(run, seen, growth, volume_ml),
            growth_per_day=growth,
        )

    def _growth(self, run: PhaseRun) -> float:
        counts = run.batch.counts.get(self.vessel, [])
        if len(counts) < 2:
            return DEFAULT_GROWTH_PER_DAY
        return growth_per_day(
            cells_before=counts[-2].viable_cells,
            cells_now=counts[-1].viable_cells,
            elapsed_s=counts[-1].at_s - counts[-2].at_s,
        )

    def _uptake(self, run: PhaseRun, seen: ProbeLook, growth: float, volume_ml: float) -> float:
        looks = run.batch.looks.get(self.vessel, [])
        earlier = [item for item in looks if seen.at_s - item.at_s >= SHORTEST_LOOK_APART_S]
        if earlier:
            before = earlier[-1]
            return uptake_mm_per_day(
                glucose_before_mm=before.glucose_mm,
                glucose_now_mm=seen.glucose_mm,
                elapsed_s=seen.at_s - before.at_s,
                growth_per_day=growth,
            )
        count = run.batch.last_count(self.vessel)
        cells = run.batch.seeded_cells if count is None else count.viable_cells
        return DEFAULT_UPTAKE_PMOL_DAY * cells / volume_ml * MOL_PER_PMOL_PER_ML
