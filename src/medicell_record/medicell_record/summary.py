"""What summary.json says of a batch: the record's figures and those of the run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medicell_core.entries import (
    Completed,
    Deviation,
    LabelsReconciled,
    PhaseFinished,
    Resumed,
    VialFilled,
)
from medicell_core.errors import ErrorCode
from medicell_core.serialise import to_json
from medicell_record.anchor.files import replace_file
from medicell_record.motion import Motion
from medicell_record.record import BatchRecord
from medicell_record.view import BatchView

OUTCOME_OPEN = 'open'
"""The outcome of a batch whose record has no BatchClosed."""

PRODUCT_FIGURES = (
    'fold_expansion',
    'viability_pct',
    'car_positive_pct',
    'car_positive_cells',
    'vector_copies',
)
"""The product's figures; they come from BatchClosed, and are null where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """What the run itself measured, and the record does not know.

    Wall time in seconds, batch time over wall time, peak resident memory in MB, counts of
    actions sent and messages published, the world's mass balance error in per cent (NaN
    where there is no simulated world), and the faults that were injected, by name; None where
    it is not known what became of them.
    """

    wall_s: float
    speed_up: float
    peak_rss_mb: float
    actions: int
    messages: int
    mass_balance_error_pct: float
    faults: tuple[str, ...] | None
    motion: Motion | None = None
    """By what the cell moved, and what that has shown."""


def build_summary(record: BatchRecord, run: RunFigures) -> dict[str, Any]:
    """Return the content of summary.json.

    | key | meaning |
    |---|---|
    | recipe, patient, seed | name, chain of identity, seed (-1 on hardware) |
    | software_version | of the orchestrator |
    | nodes | orchestrator and devices: driver, simulated, package, version, host, files |
    | outcome | of BatchClosed, or `open` |
    | error_codes | names of all codes but OK, each once, in the order they came up |
    | the names of PRODUCT_FIGURES | the product: fold, per cent, cells, copies per cell |
    | vials | vial, volume_ml, net_weight_g, cells, label_text, accepted, for_laboratory |
    | labels | printed, used, destroyed, unaccounted, detail; null when none was printed |
    | duration_days | from the first entry to the last |
    | deviations | deviation_id, phase, error_code, description, action, recovered |
    | interruptions | each taking up: by, gap_s, down_s, operations that were open |
    | the names of RunFigures | what the run measured; `motion` as :class:`Motion`, with failures |
    | record_head | hash of the last entry: `verify` takes it as the expected head |

    NaN and infinity become null. The same seed gives the same summary but for what the run
    measured; on another host, the hosts of `nodes` and `record_head` are other ones.
    """
    view = BatchView(record.entries())
    figures = view.closed.figures if view.closed else {}
    content = {
        'recipe': view.batch.recipe,
        'patient': view.batch.batch_id,
        'seed': view.batch.seed,
        'software_version': view.batch.software_version,
        'nodes': [to_json(item) for item in view.batch.nodes],
        'outcome': view.closed.outcome if view.closed else OUTCOME_OPEN,
        'error_codes': _error_codes(view),
        **{name: figures.get(name) for name in PRODUCT_FIGURES},
        'vials': [_vial(entry) for _, entry in view.of(VialFilled)],
        'labels': _labels(view),
        'duration_days': view.day(view.end_s),
        'wall_s': run.wall_s,
        'speed_up': run.speed_up,
        'peak_rss_mb': run.peak_rss_mb,
        'actions': run.actions,
        'messages': run.messages,
        'deviations': [_deviation(entry) for _, entry in view.of(Deviation)],
        'interruptions': [to_json(entry) for _, entry in view.of(Resumed)],
        'mass_balance_error_pct': run.mass_balance_error_pct,
        'faults': None if run.faults is None else list(run.faults),
        'motion': None if run.motion is None else _motion(run.motion),
        'record_head': record.head_hash,
    }
    return {key: _plain(value) for key, value in content.items()}


def _labels(view: BatchView) -> dict[str, Any] | None:
    found = view.of(LabelsReconciled)
    return to_json(found[-1][1]) if found else None


def _motion(motion: Motion) -> dict[str, Any]:
    return {**to_json(motion), 'failures': list(motion.failures)}


def write_summary(path: Path | str, summary: Mapping[str, Any]) -> None:
    """Write a summary as indented JSON; the same summary gives the same bytes."""
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
    replace_file(Path(path), f'{text}\n'.encode())


def _error_codes(view: BatchView) -> list[str]:
    codes: dict[int, None] = {}
    for item in view.entries:
        entry = item.entry
        if isinstance(entry, (Completed, PhaseFinished, Deviation)):
            codes.setdefault(entry.error_code)
    return [_code_name(code) for code in codes if code != ErrorCode.OK]


def _code_name(code: int) -> str:
    try:
        return ErrorCode(code).name
    except ValueError:
        return str(code)


def _vial(entry: VialFilled) -> dict[str, Any]:
    return {
        'vial': entry.vial,
        'volume_ml': entry.volume_ml,
        'net_weight_g': entry.net_weight_g,
        'viable_cells': entry.viable_cells,
        'car_positive_cells': entry.car_positive_cells,
        'label_text': entry.label_text,
        'accepted': entry.accepted,
        'for_laboratory': entry.for_laboratory,
    }


def _deviation(entry: Deviation) -> dict[str, Any]:
    return {
        'deviation_id': entry.deviation_id,
        'phase': entry.phase,
        'error_code': _code_name(entry.error_code),
        'description': entry.description,
        'action': entry.action,
        'recovered': entry.recovered,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
