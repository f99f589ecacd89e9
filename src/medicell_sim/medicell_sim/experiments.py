"""The published cultures that the model is calibrated on, run as the model has them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from medicell_core.errors import ErrorCode, InputError
from medicell_sim import contents, culture
from medicell_sim.contents import Amounts, Component
from medicell_sim.culture import Biology, Surroundings
from medicell_sim.parameter_models import CultureParameters

_DAY_S = 86400.0
_DAYS = 4
_STEP_S = 3600.0
_EXPONENTIAL_DAYS = 3
_H_PER_D = 24.0
_PCT = 100.0


class Published(BaseModel):
    """A published figure with its standard deviation."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    value: float
    sd: float = Field(ge=0)


class Condition(BaseModel):
    """One published culture: how it was set up, and what came out.

    `mu_max_per_d` stands for medium, vessel and restimulation; `seeding_per_ml` and
    `death_factor` are calibrated on the same row, `glucose_mm` is assumed.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    name: str
    source: str
    volume_ml: float = Field(gt=0)
    days_after_stimulation: float = Field(ge=0, le=30)
    mu_max_per_d: float = Field(gt=0, le=3)
    death_factor: float = Field(ge=0, le=20)
    seeding_per_ml: float = Field(gt=0)
    glucose_mm: float = Field(gt=0)
    growth_rate_per_h: Published
    peak_viable_per_ml: Published
    viability_pct: Published


class Process(BaseModel):
    """The published whole process."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    source: str
    days: float = Field(gt=0)
    multiplicity_of_infection: float = Field(gt=0)
    fold_expansion: Published
    car_positive_pct: Published


class Table(BaseModel):
    """All that the model is calibrated on."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    conditions: tuple[Condition, ...]
    process: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Culture:
    """What a simulated culture gave, by the published definitions."""

    growth_rate_per_h: float
    peak_viable_per_ml: float
    viability_pct: float


def conditions_path() -> Path:
    """Return the path of the published table that is shipped."""
    return Path(str(resources.files('medicell_sim') / 'data' / 'calibration.yaml'))


@lru_cache(maxsize=2)
def load_table(path: Path | None = None) -> Table:
    """Return what was published; raises InputError naming the file and the field."""
    file = conditions_path() if path is None else path
    tree = YAML(typ='safe').load(file.read_text(encoding='utf-8'))
    try:
        return Table.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        field = '.'.join(str(part) for part in first['loc'])
        raise InputError(
            ErrorCode.INVALID_GOAL, first['msg'], file=str(file), field=field
        ) from error


def run_condition(p: CultureParameters, condition: Condition) -> Culture:
    """Run a four-day culture, counted daily.

    The growth rate is the slope of the logarithm of the viable count over the first three
    days, the exponential phase; viability is that of the last day.
    """
    biology = Biology(growth=condition.mu_max_per_d / p.mu_max_per_d, death=condition.death_factor)
    row = _seeded(p, biology, condition)
    viable = [contents.viable_t_cells(row)]
    for _ in range(_DAYS):
        row = _day(p, biology, row, _DAY_S)
        viable.append(contents.viable_t_cells(row))
    dead = float(row[Component.DEAD])
    days = np.arange(_EXPONENTIAL_DAYS + 1)
    slope = np.polyfit(days, np.log(viable[: _EXPONENTIAL_DAYS + 1]), 1)[0]
    return Culture(
        growth_rate_per_h=float(slope) / _H_PER_D,
        peak_viable_per_ml=max(viable) / condition.volume_ml,
        viability_pct=_PCT * viable[-1] / (viable[-1] + dead),
    )


def _seeded(p: CultureParameters, biology: Biology, condition: Condition) -> Amounts:
    """Return fresh medium seeded with cells whose stimulation ended some days ago."""
    row = np.zeros(culture.WIDTH)
    row[Component.VOLUME_ML] = 1.0
    row[[Component.UNTRANSDUCED, Component.SIGNAL, Component.ACTIVATION]] = 1e3
    row[Component.GLUCOSE_UMOL] = condition.glucose_mm
    if condition.days_after_stimulation > 0.0:
        row = _day(p, biology, row, condition.days_after_stimulation * _DAY_S)
    cells = condition.seeding_per_ml * condition.volume_ml
    scale = cells / contents.viable_t_cells(row)
    seeded = np.zeros(culture.WIDTH)
    seeded[Component.VOLUME_ML] = condition.volume_ml
    seeded[Component.UNTRANSDUCED] = cells
    seeded[Component.SIGNAL] = row[Component.SIGNAL] * scale
    seeded[Component.ACTIVATION] = row[Component.ACTIVATION] * scale
    seeded[Component.GLUCOSE_UMOL] = condition.glucose_mm * condition.volume_ml
    return seeded


def _day(p: CultureParameters, biology: Biology, row: Amounts, duration_s: float) -> Amounts:
    at = Surroundings(
        temperature_c=np.array([p.optimum_c]),
        co2_pct=np.array([p.optimum_co2_pct]),
        x_max_per_ml=np.array([p.x_max_per_ml]),
    )
    rows = row.reshape(1, -1)
    grown = culture.integrate(p, biology, at, rows, duration_s, step_s=_STEP_S)
    return np.asarray(grown[0])
