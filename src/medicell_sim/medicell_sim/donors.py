"""The donor: how many cells were collected and how they will grow, drawn from the published."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medicell_sim import contents
from medicell_sim.contents import Amounts, Component
from medicell_sim.culture import Biology
from medicell_sim.instruments import stream
from medicell_sim.parameter_models import DonorParameters

_QUARTILE_Z = 0.6744897501960817
_PCT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """What one collection holds, and what is particular to its cells."""

    nucleated_cells: float
    cd3_cells: float
    biology: Biology


def draw_donor(p: DonorParameters, seed: int) -> Donor:
    """Draw a donor: lognormal with the published quartiles, CD3+ a part of the nucleated."""
    rng = stream(seed, 'donor')
    nucleated_sd = math.log(p.nucleated_q3 / p.nucleated_q1) / (2.0 * _QUARTILE_Z)
    cd3_sd = math.log(p.cd3_q3 / p.cd3_q1) / (2.0 * _QUARTILE_Z)
    part_sd = math.sqrt(max(0.0, cd3_sd**2 - nucleated_sd**2))
    nucleated = p.nucleated_median * math.exp(nucleated_sd * rng.normal())
    part = p.cd3_median / p.nucleated_median * math.exp(part_sd * rng.normal())
    return Donor(
        nucleated_cells=nucleated,
        cd3_cells=nucleated * min(part, p.cd3_fraction_max),
        biology=Biology(
            growth=math.exp(p.growth_log_sd * rng.normal()),
            death=math.exp(p.death_log_sd * rng.normal()),
            eta=math.exp(p.eta_log_sd * rng.normal()),
        ),
    )


def leukapheresis(p: DonorParameters, donor: Donor, volume_ml: float) -> Amounts:
    """Return the contents of the collected bag."""
    bag = contents.empty()
    viable = p.viability_pct / _PCT
    bag[Component.VOLUME_ML] = volume_ml
    bag[Component.UNTRANSDUCED] = donor.cd3_cells * viable
    bag[Component.OTHER] = (donor.nucleated_cells - donor.cd3_cells) * viable
    bag[Component.DEAD] = donor.nucleated_cells * (1.0 - viable)
    bag[Component.GLUCOSE_UMOL] = p.glucose_mm * volume_ml
    bag[Component.LACTATE_UMOL] = p.lactate_mm * volume_ml
    return bag
