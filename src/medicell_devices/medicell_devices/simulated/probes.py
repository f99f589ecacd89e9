"""Averages of a bay's probes, and which of them have failed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from medicell_core.errors import ErrorCode
from medicell_core.operations import MeasureProbesResult
from medicell_devices.failure import PartlyDone
from medicell_sim.port import BayReading, ProbeReading


def averaged(readings: Sequence[ProbeReading], bay: BayReading) -> MeasureProbesResult:
    """Return the mean of the readings that each probe gave.

    Raises PROBE_FAILED when a probe gave none; its figure in the result is NaN.
    """
    result = MeasureProbesResult(
        glucose_mm=_mean([item.glucose_mm for item in readings]),
        lactate_mm=_mean([item.lactate_mm for item in readings]),
        ph=_mean([item.ph for item in readings]),
        dissolved_oxygen_pct=_mean([item.dissolved_oxygen_pct for item in readings]),
        temperature_c=bay.temperature_c,
        co2_pct=bay.co2_pct,
    )
    names = ('glucose_mm', 'lactate_mm', 'ph', 'dissolved_oxygen_pct')
    failed = [name for name in names if math.isnan(getattr(result, name))]
    if failed:
        raise PartlyDone(
            ErrorCode.PROBE_FAILED,
            f'no value of {", ".join(failed)} in {len(readings)} readings',
            result,
        )
    return result


def _mean(values: Sequence[float]) -> float:
    given = [value for value in values if math.isfinite(value)]
    return sum(given) / len(given) if given else math.nan
