"""Whose a container is: what there is to see of its label, and a line that is clear."""

from __future__ import annotations

import zlib

from medicell_core.containers import RACKS, label_text
from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim import contents
from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.kit import Kit, SimContainer
from medicell_sim.parameter_models import FaultParameters
from medicell_sim.port import LabelScene

OTHER_PATIENT = 'OTHER-PATIENT'
"""Whose container hangs in the place when it is a wrong one."""
_SPARE_BAY = 'incubator/bay_4'


def see(
    p: FaultParameters,
    faults: FaultBoard,
    kit: Kit,
    container: SimContainer,
    *,
    seed: int,
    operation_id: str,
    now_s: float,
) -> LabelScene:
    """Return what there is to see of a label; smeared, or another one's, by a fault.

    Each look is another one: the container counts them.
    """
    struck = faults.strike(Hook.LABEL, operation_id=operation_id, place=container.id, now_s=now_s)
    if any(fault.kind.name == 'line_not_clear' for fault in struck):
        _leave_beside(kit, container, now_s)
    container.label_reads += 1
    text, drop = container.label, 0.0
    smear = faults.active('label_unreadable', container.id)
    if smear is not None:
        smear.strokes += 1
        smear.active = smear.strokes < p.label_reads
        drop = 1.0
    elif faults.active('wrong_bag', container.id) is not None:
        text = label_text(OTHER_PATIENT, container.id)
    elif faults.active('exchanged_bag', container.id) is not None:
        text = next((item.label for item in kit if item is not container), container.label)
    return LabelScene(
        text=text,
        smear=drop,
        seed=[seed, zlib.crc32(container.id.encode())],
        reading=container.label_reads,
    )


def foreign_id(container: str) -> str:
    """Return the id of what another patient has left beside a container."""
    return f'{OTHER_PATIENT}.beside.{container}'


def _leave_beside(kit: Kit, container: SimContainer, now_s: float) -> None:
    """Let an empty container of another patient stand at the instrument of this one."""
    station = container.location.partition('/')[0]
    name = foreign_id(container.id)
    kit.add(
        SimContainer(
            id=name,
            kind=container.kind,
            capacity_ml=container.capacity_ml,
            location=next((rack for rack in RACKS if rack.startswith(station)), _SPARE_BAY),
            label=label_text(OTHER_PATIENT, name),
            amounts=contents.empty(),
            area_cm2=container.area_cm2,
            mixed_s=now_s,
            synced_s=now_s,
            connected=False,
        )
    )


def require_clear(kit: Kit, batch_id: str) -> None:
    """Raise IDENTITY_MISMATCH when a container in the cell is not of a batch."""
    others = [item for item in kit if not item.id.startswith(f'{batch_id}.')]
    if others:
        first = others[0]
        raise OperationRefused(
            ErrorCode.IDENTITY_MISMATCH,
            f'the line is not clear for {batch_id}: {len(others)} containers of others are in '
            f'the cell, {first.id} at {first.location} the first',
        )
