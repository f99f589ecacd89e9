"""What perfect probes would say of a culture: metabolites, pH and dissolved oxygen."""

from __future__ import annotations

import math

from medicell_sim import contents
from medicell_sim.contents import Amounts, Component
from medicell_sim.culture import density_limit_per_ml
from medicell_sim.parameter_models import CultureParameters
from medicell_sim.port import ProbeReading

_PCT = 100.0
_PKA = 6.1
"""First dissociation of carbonic acid in plasma (Henderson-Hasselbalch)."""
_CO2_MM_PER_PCT = 0.0307 * 7.13
"""Dissolved CO2 per per cent in the gas: solubility (mmol/L/mmHg) at 37 degrees, 713 mmHg dry."""
_MIN_BICARBONATE_MM = 1.0
_MIN_CO2_PCT = 0.1
_OXYGEN_USED_AT_LIMIT = 0.9


def true_probes(
    p: CultureParameters,
    amounts: Amounts,
    *,
    area_cm2: float,
    co2_pct: float,
    agitation_rpm: float,
) -> ProbeReading:
    """Return the true concentrations; oxygen falls with the density, to its limit's tenth."""
    lactate = contents.concentration(amounts, Component.LACTATE_UMOL)
    bicarbonate = max(_MIN_BICARBONATE_MM, p.bicarbonate_mm - p.lactate_buffering * lactate)
    dissolved = _CO2_MM_PER_PCT * max(co2_pct, _MIN_CO2_PCT)
    limit = density_limit_per_ml(
        p,
        volume_ml=contents.volume_ml(amounts),
        area_cm2=area_cm2,
        agitation_rpm=agitation_rpm,
    )
    volume = max(contents.volume_ml(amounts), 1e-9)
    density = contents.viable_cells(amounts) / volume
    return ProbeReading(
        glucose_mm=contents.concentration(amounts, Component.GLUCOSE_UMOL),
        lactate_mm=lactate,
        ph=_PKA + math.log10(bicarbonate / dissolved),
        dissolved_oxygen_pct=_PCT * max(0.0, 1.0 - _OXYGEN_USED_AT_LIMIT * density / limit),
    )
