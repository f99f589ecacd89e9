"""The figures a release rests on, read from the record: never from before the harvest."""

from __future__ import annotations

import math
from collections.abc import Iterable

from medicell_core.containers import label_text
from medicell_core.entries import Measurement, VialFilled
from medicell_record.record import RecordedEntry
from medicell_record.release.specification import dose_figures
from medicell_record.view import BatchView


def release_figures(entries: Iterable[RecordedEntry]) -> dict[str, float]:
    """Return the figures that `evaluate` judges, by the names of FIGURE_UNITS.

    Of each measurement the last value counts, and only when it was made after the culture
    had left its vessel: an in-process figure never stands in for one of the product. Dose
    and identity are those of the accepted vials; without any, they are left out. The dose is
    reckoned with the product's last share of CAR+ cells, not that by which it was divided.
    """
    view = BatchView(entries)
    harvest = view.harvest_sequence()
    figures: dict[str, float] = {}
    if harvest is not None:
        for item, entry in view.of(Measurement):
            if item.sequence > harvest and not view.is_vessel(entry.container):
                figures[entry.name] = entry.value
    vials = [entry for _, entry in view.of(VialFilled) if entry.accepted]
    if vials:
        share_pct = figures.get('car_positive_pct', math.nan)
        figures.update(_vial_figures(view, vials, dose_cells(vials, share_pct)))
    return figures


def dose_cells(vials: Iterable[VialFilled], car_positive_pct: float) -> float:
    """Return the viable CAR+ cells in vials by the product's share of CAR+ cells.

    By that share as it was known when they were filled where it is NaN. The vials were filled such
    that this one gives the dose: it would find no fault with any of them.
    """
    if math.isnan(car_positive_pct):
        return sum(vial.car_positive_cells for vial in vials)
    return car_positive_pct / 100.0 * sum(vial.viable_cells for vial in vials)


def _vial_figures(
    view: BatchView, vials: list[VialFilled], car_positive_cells: float
) -> dict[str, float]:
    right = sum(vial.label_text == label_text(view.batch.batch_id, vial.vial) for vial in vials)
    return {
        'identity_confirmed_pct': 100.0 * right / len(vials),
        **dose_figures(
            car_positive_cells=car_positive_cells,
            target_dose_cells=view.batch.target_dose_cells,
            patient_weight_kg=view.batch.patient_weight_kg,
        ),
    }
