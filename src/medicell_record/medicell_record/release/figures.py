"""The figures a release rests on, read from the record: never from before the harvest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from medicell_core.containers import label_text
from medicell_core.entries import Measurement, VialFilled
from medicell_record.record import RecordedEntry
from medicell_record.release.specification import dose_figures
from medicell_record.view import BatchView


def release_figures(entries: Iterable[RecordedEntry]) -> dict[str, float]:
    """Return the figures that `evaluate` judges, by the names of FIGURE_UNITS.

    Of each measurement the last value counts, and only when it was made after the culture
    had left its vessel: an in-process figure never stands in for one of the product. Identity is
    that of the accepted vials, those for the laboratory too, and the dose that of the others;
    without any, they are left out. The dose is reckoned with the product's last share of CAR+
    cells, not with that by which it was divided, and with its last count too.
    """
    view = BatchView(entries)
    harvest = view.harvest_sequence()
    figures: dict[str, float] = {}
    if harvest is not None:
        for item, entry in view.of(Measurement):
            if item.sequence > harvest and not view.is_vessel(entry.container):
                figures[entry.name] = entry.value
    accepted = [entry for _, entry in view.of(VialFilled) if entry.accepted]
    if any(vial.of_dose for vial in accepted):
        figures.update(_vial_figures(view, accepted, dose_cells(accepted, figures)))
    return figures


def dose_cells(vials: Iterable[VialFilled], figures: Mapping[str, float]) -> float:
    """Return the viable CAR+ cells in the vials of the dose by the product's last figures.

    The last share of CAR+ cells, times the mean of the count before filling and the last one,
    which err alike; what was recorded of the vials where there is no such share. They were filled
    such that the figures before give the dose: those alone would find no fault with any of them.
    """
    given = [vial for vial in vials if vial.of_dose]
    share_pct, per_ml = figures.get('car_positive_pct'), figures.get('viable_per_ml')
    if share_pct is None:
        return sum(vial.car_positive_cells for vial in given)
    cells = sum(vial.viable_cells for vial in given)
    if per_ml is not None:
        cells = (cells + per_ml * sum(vial.volume_ml for vial in given)) / 2.0
    return share_pct / 100.0 * cells


def _vial_figures(
    view: BatchView, accepted: list[VialFilled], car_positive_cells: float
) -> dict[str, float]:
    right = sum(vial.label_text == label_text(view.batch.batch_id, vial.vial) for vial in accepted)
    return {
        'identity_confirmed_pct': 100.0 * right / len(accepted),
        **dose_figures(
            car_positive_cells=car_positive_cells,
            target_dose_cells=view.batch.target_dose_cells,
            patient_weight_kg=view.batch.patient_weight_kg,
        ),
    }
