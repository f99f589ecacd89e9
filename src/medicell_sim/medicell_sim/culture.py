"""How cells grow, feed, age and take up vector: the culture's ordinary differential equations.

dX/dt = X (mu_max a G/(K_G+G) 1/(1+(L/K_L)^n) (1-X/X_max) - death), with the activation a
that follows a signal, which follows the contact with the activation reagent. Rows of the
state are containers, columns the components of `contents` and then cells born and lysed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medicell_sim.contents import SIZE, Amounts, Component
from medicell_sim.parameter_models import CultureParameters

_DAY_S = 86400.0
_UMOL_PER_PMOL = 1e-6
_TINY = 1e-9
BORN = SIZE
LYSED = SIZE + 1
WIDTH = SIZE + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Biology:
    """What is particular to a donor, a vector lot or an experiment; 1 is the typical case."""

    growth: float = 1.0
    death: float = 1.0
    eta: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where each row is: arrays of one value per row."""

    temperature_c: Amounts
    co2_pct: Amounts
    x_max_per_ml: Amounts


def density_limit_per_ml(
    p: CultureParameters, *, volume_ml: float, area_cm2: float, agitation_rpm: float
) -> float:
    """Return the density at which oxygen ends growth: by depth when static, more when moved."""
    depth_cm = max(volume_ml, _TINY) / max(area_cm2, _TINY)
    static = min(1.0, p.static_depth_cm / depth_cm) * p.static_fraction
    moved = agitation_rpm / (agitation_rpm + p.agitation_half_rpm)
    return float(p.x_max_per_ml * max(static, moved))


def derivatives(p: CultureParameters, b: Biology, at: Surroundings, y: Amounts) -> Amounts:
    """Return dy/dt per day of every row."""
    y = np.maximum(y, 0.0)
    volume = np.maximum(y[:, Component.VOLUME_ML], _TINY)
    plain, car, dead, other = (
        y[:, Component.UNTRANSDUCED],
        y[:, Component.CAR_POSITIVE],
        y[:, Component.DEAD],
        y[:, Component.OTHER],
    )
    viable = plain + car
    cells = np.maximum(viable, _TINY)
    density = (viable + other) / volume
    glucose = y[:, Component.GLUCOSE_UMOL] / volume
    lactate = y[:, Component.LACTATE_UMOL] / volume
    signal = np.minimum(y[:, Component.SIGNAL] / cells, 1.0)
    activation = np.minimum(y[:, Component.ACTIVATION] / cells, 1.0)
    warmth = _warmth(p, at)
    comfort = np.exp(
        -(((at.temperature_c - p.optimum_c) / p.growth_width_c) ** 2)
        - ((at.co2_pct - p.optimum_co2_pct) / p.growth_width_co2_pct) ** 2
    )
    fed = glucose / (p.k_glucose_mm + glucose)
    lactate_ratio = lactate / p.k_lactate_mm
    crowding = density / at.x_max_per_ml
    growth = p.mu_max_per_d * b.growth * activation * fed * comfort
    growth = growth / (1.0 + lactate_ratio**p.lactate_order) * np.maximum(0.0, 1.0 - crowding)
    death = _death_per_d(
        p, b, at, warmth=warmth, crowding=crowding, lactate=lactate, glucose=glucose
    )

    dose = y[:, Component.ACTIVATOR_ML] / volume / p.k_activator
    contact = dose**2 / (1.0 + dose**2)
    signal_rate = (
        p.activation_rise_per_d * np.maximum(0.0, contact - signal)
        - p.activation_decay_per_d * np.maximum(0.0, signal - contact)
    ) * warmth
    activation_rate = (
        p.activation_rise_per_d * np.maximum(0.0, signal - activation)
        - p.activation_decay_per_d * np.maximum(0.0, activation - signal)
    ) * warmth

    gate = np.minimum(1.0, activation / p.transduction_activation)
    hits = p.eta * b.eta * p.vector_decay_per_d * y[:, Component.VECTOR_TU] / cells * gate * warmth
    hits = hits * (viable > 1.0)
    overdispersion = (cells / np.maximum(plain, 1e-3 * cells)) ** (1.0 / p.copies_dispersion)

    blast = np.maximum(0.0, signal - activation)
    uptake = (
        (p.glucose_rest_pmol_d + p.glucose_blast_pmol_d * blast)
        * _UMOL_PER_PMOL
        * (viable + other)
        * fed
        * warmth
    )
    net = growth - death
    other_death = p.other_death_per_d * warmth * other
    lysis = p.lysis_per_d * warmth * dead

    out = np.zeros_like(y)
    out[:, Component.UNTRANSDUCED] = net * plain - hits * plain
    out[:, Component.CAR_POSITIVE] = net * car + hits * plain
    out[:, Component.DEAD] = death * viable + other_death - lysis
    out[:, Component.OTHER] = -other_death
    out[:, Component.SIGNAL] = net * y[:, Component.SIGNAL] + signal_rate * viable
    out[:, Component.ACTIVATION] = net * y[:, Component.ACTIVATION] + activation_rate * viable
    out[:, Component.COPIES] = net * y[:, Component.COPIES] + hits * viable * overdispersion
    out[:, Component.GLUCOSE_UMOL] = -uptake
    out[:, Component.LACTATE_UMOL] = p.lactate_per_glucose * uptake
    out[:, Component.ACTIVATOR_ML] = (
        -p.activator_decay_per_d * warmth * y[:, Component.ACTIVATOR_ML]
    )
    out[:, Component.VECTOR_TU] = -p.vector_decay_per_d * warmth * y[:, Component.VECTOR_TU]
    microbes = y[:, Component.MICROBES]
    room = np.maximum(0.0, 1.0 - microbes / volume / p.microbes_max_per_ml)
    out[:, Component.MICROBES] = p.microbe_growth_per_d * microbes * room * warmth
    out[:, BORN] = growth * viable
    out[:, LYSED] = lysis
    return out


def _warmth(p: CultureParameters, at: Surroundings) -> Amounts:
    """Return by how much each row's temperature speeds its metabolism; 1 at the optimum."""
    return np.asarray(p.q10 ** ((at.temperature_c - p.optimum_c) / 10.0))


def _death_per_d(
    p: CultureParameters,
    b: Biology,
    at: Surroundings,
    *,
    warmth: Amounts,
    crowding: Amounts,
    lactate: Amounts,
    glucose: Amounts,
) -> Amounts:
    """Return the rate of death of every row, per day."""
    death = (
        p.death_per_d
        * b.death
        * (
            1.0
            + p.lactate_death_factor * np.maximum(0.0, lactate / p.lactate_harm_mm - 1.0)
            + p.crowding_death_factor * np.maximum(0.0, crowding - 1.0)
        )
    )
    hunger = p.k_starvation_mm**2 / (p.k_starvation_mm**2 + glucose**2)
    death = (death + p.starvation_per_d * hunger) * warmth
    return death + p.heat_death_per_d * np.maximum(0.0, at.temperature_c - p.harm_c)


def integrate(
    p: CultureParameters,
    b: Biology,
    at: Surroundings,
    rows: Amounts,
    duration_s: float,
    *,
    step_s: float,
) -> Amounts:
    """Return the rows (contents, born, lysed) after a duration, by Runge-Kutta of fourth order.

    Steps are at most `step_s`, and shorter where glucose or life runs out fast; the
    surroundings are constant over the duration.
    """
    steps = max(1, math.ceil(duration_s / step_s - 1e-9))
    steps = max(steps, math.ceil(_fastest_per_d(p, b, at, rows) * duration_s / _DAY_S))
    h = duration_s / steps / _DAY_S
    y = rows
    for _ in range(steps):
        k1 = derivatives(p, b, at, y)
        k2 = derivatives(p, b, at, y + 0.5 * h * k1)
        k3 = derivatives(p, b, at, y + 0.5 * h * k2)
        k4 = derivatives(p, b, at, y + h * k3)
        y = y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return np.maximum(y, 0.0)


def _fastest_per_d(p: CultureParameters, b: Biology, at: Surroundings, y: Amounts) -> float:
    """Return the fastest rate of the system: of the last glucose, or of death where crowded."""
    volume = np.maximum(y[:, Component.VOLUME_ML], _TINY)
    viable = y[:, Component.UNTRANSDUCED] + y[:, Component.CAR_POSITIVE]
    living = viable + y[:, Component.OTHER]
    cells = np.maximum(viable, _TINY)
    blast = np.clip((y[:, Component.SIGNAL] - y[:, Component.ACTIVATION]) / cells, 0.0, 1.0)
    uptake = (p.glucose_rest_pmol_d + p.glucose_blast_pmol_d * blast) * _UMOL_PER_PMOL
    warmth = _warmth(p, at)
    hungry = uptake * living / volume / p.k_glucose_mm * warmth
    hungry = np.where(y[:, Component.GLUCOSE_UMOL] > 0.0, hungry, 0.0)
    death = _death_per_d(
        p,
        b,
        at,
        warmth=warmth,
        crowding=living / volume / at.x_max_per_ml,
        lactate=y[:, Component.LACTATE_UMOL] / volume,
        glucose=y[:, Component.GLUCOSE_UMOL] / volume,
    )
    return float(np.max(np.maximum(hungry, np.where(viable > 1.0, death, 0.0))))
