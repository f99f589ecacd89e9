"""What a scanner reads from a container's label."""

from __future__ import annotations

from medicell_core.containers import label_text
from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.kit import SimContainer
from medicell_sim.parameter_models import FaultParameters

_OTHER_PATIENT = 'OTHER-PATIENT'


def scan(
    p: FaultParameters,
    faults: FaultBoard,
    container: SimContainer,
    *,
    operation_id: str,
    now_s: float,
) -> str:
    """Return a label's text; empty when smeared, another patient's when the bag is wrong."""
    faults.strike(Hook.LABEL, operation_id=operation_id, place=container.id, now_s=now_s)
    smear = faults.active('label_unreadable', container.id)
    if smear is not None:
        smear.strokes += 1
        smear.active = smear.strokes < p.label_reads
        return ''
    if faults.active('wrong_bag', container.id) is not None:
        return label_text(_OTHER_PATIENT, container.id)
    return container.label
