"""What the process decides from its measurements, as functions of figures alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

HOUR_S = 3600.0
DAY_S = 86400.0
DILUTIONS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
IDEAL_PER_ML = 2.5e6
"""Cells per mL in a counting chamber that neither overlap nor are too few (R)."""

LACTATE_PER_GLUCOSE = 1.7
DEFAULT_GROWTH_PER_DAY = 0.6
DEFAULT_UPTAKE_PMOL_DAY = 1.5
"""Glucose per cell and day before it has been measured, between rest and blast (R)."""

GROWTH_LIMITS_PER_DAY = (0.0, 1.3)
MARGIN_MM = 0.5
"""Kept above the lowest glucose allowed, for the probe's error."""

NEAR_S = 600.0
"""What is due within this time is due now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPolicy:
    """The recipe's limits of the feeding; concentrations in mmol/L, volumes in mL."""

    minimum_glucose_mm: float
    maximum_lactate_mm: float
    medium_glucose_mm: float
    least_ml: float
    most_ml: float
    working_volume_ml: float
    look_every_s: float
    soonest_look_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What is known of the culture; the uptake is in mmol/L per day, now."""

    glucose_mm: float
    lactate_mm: float
    volume_ml: float
    uptake_mm_per_day: float
    growth_per_day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDecision:
    """`action` is `wait`, `feed` (add) or `exchange`; then look again after `next_look_s`."""

    action: str
    volume_ml: float
    next_look_s: float
    predicted_glucose_mm: float
    """At the next look, after the action."""
    reason: str


def predict_glucose(state: FeedState, after_s: float) -> float:
    """Return the glucose after a time without feeding, in mmol/L; may be below zero."""
    days = after_s / DAY_S
    growth = state.growth_per_day
    factor = days if growth < 1e-6 else math.expm1(growth * days) / growth
    return state.glucose_mm - state.uptake_mm_per_day * factor


def predict_lactate(state: FeedState, after_s: float) -> float:
    """Return the lactate after a time without feeding, in mmol/L."""
    used = state.glucose_mm - max(0.0, predict_glucose(state, after_s))
    return state.lactate_mm + LACTATE_PER_GLUCOSE * used


def time_until_glucose(state: FeedState, glucose_mm: float) -> float:
    """Return the seconds until glucose has fallen to a level; infinite when it never does."""
    spare = state.glucose_mm - glucose_mm
    if spare <= 0.0:
        return 0.0
    if state.uptake_mm_per_day <= 0.0:
        return math.inf
    days = spare / state.uptake_mm_per_day
    growth = state.growth_per_day
    if growth >= 1e-6:
        days = math.log1p(growth * days) / growth
    return days * DAY_S


def after_feeding(state: FeedState, policy: FeedPolicy, volume_ml: float) -> FeedState:
    """Return the culture after fresh medium has been added."""
    total = state.volume_ml + volume_ml
    share = state.volume_ml / total
    return FeedState(
        glucose_mm=state.glucose_mm * share + policy.medium_glucose_mm * (1.0 - share),
        lactate_mm=state.lactate_mm * share,
        volume_ml=total,
        uptake_mm_per_day=state.uptake_mm_per_day * share,
        growth_per_day=state.growth_per_day,
    )


def after_exchange(state: FeedState, policy: FeedPolicy, volume_ml: float) -> FeedState:
    """Return the culture after supernatant has been replaced with fresh medium."""
    share = min(1.0, volume_ml / state.volume_ml)
    return FeedState(
        glucose_mm=state.glucose_mm + share * (policy.medium_glucose_mm - state.glucose_mm),
        lactate_mm=state.lactate_mm * (1.0 - share),
        volume_ml=state.volume_ml,
        uptake_mm_per_day=state.uptake_mm_per_day,
        growth_per_day=state.growth_per_day,
    )


def decide_feed(state: FeedState, policy: FeedPolicy) -> FeedDecision:
    """Decide whether to wait, to add medium, or to exchange, and when to look again."""
    reason = _runs_short(state, policy, policy.look_every_s)
    if not reason:
        within = 'glucose and lactate stay within their limits until the next look'
        return _decision('wait', 0.0, state, policy, within)
    room = policy.working_volume_ml - state.volume_ml
    if room >= policy.least_ml:
        fed = after_feeding(state, policy, room)
        return _decision('feed', room, fed, policy, reason)
    most = min(policy.most_ml, 0.8 * state.volume_ml)
    volume = policy.least_ml
    while volume < most and _runs_short(
        after_exchange(state, policy, volume), policy, policy.look_every_s
    ):
        volume = min(most, volume + 5.0)
    fed = after_exchange(state, policy, volume)
    return _decision('exchange', volume, fed, policy, reason)


def _runs_short(state: FeedState, policy: FeedPolicy, time_s: float) -> str:
    """Return which limit would be passed within a time without feeding; empty when none."""
    glucose, least = predict_glucose(state, time_s), policy.minimum_glucose_mm + MARGIN_MM
    lactate, most = predict_lactate(state, time_s), policy.maximum_lactate_mm
    when = f'in {time_s / HOUR_S:g} h without feeding'
    if glucose < least:
        return f'glucose would be {max(0.0, glucose):.1f} mmol/L {when}; kept are {least:g}'
    if lactate > most:
        return f'lactate would be {lactate:.1f} mmol/L {when}; allowed are {most:g}'
    return ''


def _decision(
    action: str, volume_ml: float, state: FeedState, policy: FeedPolicy, reason: str
) -> FeedDecision:
    lasts_s = time_until_glucose(state, policy.minimum_glucose_mm + MARGIN_MM)
    next_s = min(policy.look_every_s, max(policy.soonest_look_s, lasts_s))
    return FeedDecision(
        action=action,
        volume_ml=volume_ml,
        next_look_s=next_s,
        predicted_glucose_mm=predict_glucose(state, next_s),
        reason=reason,
    )


def uptake_mm_per_day(
    *, glucose_before_mm: float, glucose_now_mm: float, elapsed_s: float, growth_per_day: float
) -> float:
    """Return the present glucose uptake from two looks without feeding between them.

    The mean over the interval is carried to its end by the cells' growth; never below zero.
    """
    days = elapsed_s / DAY_S
    mean = (glucose_before_mm - glucose_now_mm) / days
    grown = growth_per_day * days
    to_end = 1.0 if grown < 1e-6 else grown / -math.expm1(-grown)
    return max(0.0, mean * to_end)


def growth_per_day(*, cells_before: float, cells_now: float, elapsed_s: float) -> float:
    """Return the specific growth rate between two counts, within credible limits."""
    if cells_before <= 0.0 or cells_now <= 0.0 or elapsed_s < HOUR_S:
        return DEFAULT_GROWTH_PER_DAY
    low, high = GROWTH_LIMITS_PER_DAY
    rate = math.log(cells_now / cells_before) / (elapsed_s / DAY_S)
    return min(high, max(low, rate))


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestPolicy:
    """When a culture is harvested or given up; days are culture days."""

    target_cells: float
    earliest_day: float
    latest_day: float
    least_viability_pct: float


def decide_harvest(
    policy: HarvestPolicy, *, day: float, viable_cells: float, viability_pct: float
) -> tuple[str, str]:
    """Return `harvest`, `continue` or `stop`, and why. NaN figures have not been measured."""
    if viability_pct < policy.least_viability_pct:
        return (
            'stop',
            f'viability {viability_pct:.1f} % is below {policy.least_viability_pct:g} %',
        )
    if day >= policy.latest_day - NEAR_S / DAY_S:
        return 'harvest', f'day {day:.2f}: growth ends on day {policy.latest_day:g}'
    if day < policy.earliest_day:
        return 'continue', f'day {day:.2f} is before the earliest, {policy.earliest_day:g}'
    if viable_cells >= policy.target_cells:
        return 'harvest', f'{viable_cells:.3g} viable cells reach {policy.target_cells:.3g}'
    return 'continue', f'{viable_cells:.3g} viable cells are below {policy.target_cells:.3g}'


def choose_dilution(expected_per_ml: float) -> float:
    """Return the chamber's dilution for an expected concentration in cells per mL."""
    wanted = expected_per_ml / IDEAL_PER_ML
    for dilution in DILUTIONS:
        if dilution >= wanted:
            return dilution
    return DILUTIONS[-1]


def other_dilution(dilution: float, step: int) -> float | None:
    """Return the dilution some steps stronger or weaker, or None beyond the ends."""
    index = min(range(len(DILUTIONS)), key=lambda item: abs(DILUTIONS[item] - dilution)) + step
    return DILUTIONS[index] if 0 <= index < len(DILUTIONS) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillPlan:
    """How a dose is divided: `vials` of `volume_ml` each; `short` when it cannot be met."""

    vials: int
    volume_ml: float
    short: bool


def plan_fill(
    *,
    dose_cells: float,
    car_per_ml: float,
    available_ml: float,
    vials_available: int,
    least_ml: float,
    most_ml: float,
) -> FillPlan:
    """Divide a dose of CAR+ cells over as few equal vials as hold it."""
    wanted = dose_cells / car_per_ml if car_per_ml > 0.0 else math.inf
    reachable = min(available_ml, vials_available * most_ml)
    total = min(wanted, reachable)
    vials = max(1, min(vials_available, math.ceil(total / most_ml - 1e-9)))
    return FillPlan(
        vials=vials,
        volume_ml=min(most_ml, max(least_ml, total / vials)),
        short=wanted > reachable,
    )
