"""The published 13-day process in one chamber, run on the culture model alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medicell_sim import contents, culture
from medicell_sim.contents import Amounts, Component
from medicell_sim.culture import Biology, Surroundings
from medicell_sim.parameter_models import WorldParameters

_DAY_S = 86400.0
_STEP_S = 3600.0
_PCT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is done when: volumes in mL, times in days. The volumes and the feeding are assumed."""

    seed_cells: float = 1e8
    seed_volume_ml: float = 70.0
    activator_fraction: float = 0.01
    transduce_day: float = 1.0
    culture_volume_ml: float = 100.0
    wash_day: float = 3.0
    feed_day: float = 5.0
    full_volume_ml: float = 225.0
    capacity_ml: float = 250.0
    agitation_rpm: float = 60.0
    exchange_every_d: float = 0.5
    max_exchange_ml: float = 180.0
    glucose_target_mm: float = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The culture at a time after seeding."""

    day: float
    fold: float
    viability_pct: float
    car_positive_pct: float
    glucose_mm: float
    lactate_mm: float
    activation: float
    viable_per_ml: float
    copies_per_car_cell: float


def run_process(
    p: WorldParameters,
    biology: Biology,
    *,
    days: float,
    multiplicity: float,
    schedule: Schedule | None = None,
) -> list[Day]:
    """Return the culture at every half day; feeding follows the glucose."""
    plan = Schedule() if schedule is None else schedule
    row = np.zeros(culture.WIDTH)
    row[Component.UNTRANSDUCED] = plan.seed_cells
    _add_medium(p, row, plan.seed_volume_ml)
    row[Component.ACTIVATOR_ML] = plan.activator_fraction * plan.seed_volume_ml
    curve = [_day(row, 0.0, plan)]
    steps = round(days / plan.exchange_every_d)
    for index in range(steps):
        day = index * plan.exchange_every_d
        _act(p, row, day, plan, multiplicity)
        rpm = plan.agitation_rpm if day >= plan.feed_day else 0.0
        row = _grow(p, biology, row, plan, rpm)
        curve.append(_day(row, day + plan.exchange_every_d, plan))
    return curve


def _act(
    p: WorldParameters, row: Amounts, day: float, plan: Schedule, multiplicity: float
) -> None:
    """Do what the schedule wants at the start of a step."""
    if day == plan.transduce_day:
        row[Component.VECTOR_TU] += multiplicity * contents.viable_t_cells(row)
        _add_medium(p, row, plan.culture_volume_ml - contents.volume_ml(row))
    elif day == plan.wash_day:
        s = p.separation
        contents.take(row, liquid=1.0, cells=1.0 - s.wash_recovery_pct / _PCT)
        contents.kill(row, s.wash_viability_loss_pct / _PCT)
        _add_medium(p, row, plan.culture_volume_ml)
    elif day == plan.feed_day:
        _add_medium(p, row, plan.full_volume_ml - contents.volume_ml(row))
    elif day > plan.feed_day:
        volume = contents.volume_ml(row)
        glucose = contents.concentration(row, Component.GLUCOSE_UMOL)
        fresh = p.materials.medium_glucose_mm
        share = max(0.0, plan.glucose_target_mm - glucose) / max(fresh - glucose, 1e-9)
        exchange_ml = min(plan.max_exchange_ml * plan.exchange_every_d, share * volume)
        liquid = exchange_ml / volume
        contents.take(row, liquid=liquid, cells=liquid * p.separation.withdraw_settled_loss)
        _add_medium(p, row, exchange_ml)


def _add_medium(p: WorldParameters, row: Amounts, volume_ml: float) -> None:
    row[Component.VOLUME_ML] += volume_ml
    row[Component.GLUCOSE_UMOL] += volume_ml * p.materials.medium_glucose_mm


def _grow(
    p: WorldParameters, biology: Biology, row: Amounts, plan: Schedule, rpm: float
) -> Amounts:
    limit = culture.density_limit_per_ml(
        p.culture,
        volume_ml=contents.volume_ml(row),
        area_cm2=plan.capacity_ml / p.culture.full_depth_cm,
        agitation_rpm=rpm,
    )
    at = Surroundings(
        temperature_c=np.array([p.culture.optimum_c]),
        co2_pct=np.array([p.culture.optimum_co2_pct]),
        x_max_per_ml=np.array([limit]),
    )
    grown = culture.integrate(
        p.culture,
        biology,
        at,
        row.reshape(1, -1),
        plan.exchange_every_d * _DAY_S,
        step_s=_STEP_S,
    )
    return np.asarray(grown[0])


def _day(row: Amounts, day: float, plan: Schedule) -> Day:
    viable = contents.viable_t_cells(row)
    car = float(row[Component.CAR_POSITIVE])
    return Day(
        day=day,
        fold=viable / plan.seed_cells,
        viability_pct=_PCT * viable / (viable + float(row[Component.DEAD])),
        car_positive_pct=_PCT * car / viable,
        glucose_mm=contents.concentration(row, Component.GLUCOSE_UMOL),
        lactate_mm=contents.concentration(row, Component.LACTATE_UMOL),
        activation=float(row[Component.ACTIVATION]) / viable,
        viable_per_ml=viable / contents.volume_ml(row),
        copies_per_car_cell=float(row[Component.COPIES]) / car if car > 0.0 else 0.0,
    )
