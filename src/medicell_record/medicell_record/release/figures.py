"""The figures a release rests on, read from the record: never from before the harvest."""

from __future__ import annotations

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
    and identity are those of the accepted vials; without any, they are left out.
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
        figures.update(_vial_figures(view, vials))
    return figures


def _vial_figures(view: BatchView, vials: list[VialFilled]) -> dict[str, float]:
    right = sum(vial.label_text == label_text(view.batch.batch_id, vial.vial) for vial in vials)
    return {
        'identity_confirmed_pct': 100.0 * right / len(vials),
        **dose_figures(
            car_positive_cells=sum(vial.car_positive_cells for vial in vials),
            target_dose_cells=view.batch.target_dose_cells,
            patient_weight_kg=view.batch.patient_weight_kg,
        ),
    }
