"""What a kit's containers hold when they are hung: the content table."""

from __future__ import annotations

from medicell_core.containers import ContainerKind, Material, container_id, label_text
from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim import contents
from medicell_sim.contents import Amounts, Component
from medicell_sim.donors import Donor, leukapheresis
from medicell_sim.kit import SimContainer
from medicell_sim.parameter_models import WorldParameters

CONTENTS = (
    'leukapheresis',
    'medium',
    'activator',
    'vector',
    'selection_beads',
    'buffer',
    'cryo_medium',
    'water',
    'empty',
)
"""Every content that a material may name."""


def hang(
    p: WorldParameters,
    donor: Donor,
    material: Material,
    *,
    batch_id: str,
    apheresis_label: str,
    now_s: float,
) -> SimContainer:
    """Return a material's container, filled and labelled; the received bag has its own label.

    Raises INVALID_GOAL for an unknown content or more than the container takes.
    """
    if not 0.0 <= material.volume_ml <= material.capacity_ml:
        raise OperationRefused(
            ErrorCode.INVALID_GOAL,
            f'volume_ml of {material.name}: {material.volume_ml} is not between 0 and its '
            f'capacity of {material.capacity_ml} mL',
        )
    identifier = container_id(batch_id, material.name)
    received = material.content == 'leukapheresis'
    return SimContainer(
        id=identifier,
        kind=material.kind,
        capacity_ml=material.capacity_ml,
        location=material.location,
        label=label_text(apheresis_label if received else batch_id, identifier),
        amounts=fresh(p, donor, material.content, material.volume_ml),
        area_cm2=material.capacity_ml / p.culture.full_depth_cm,
        mixed_s=now_s,
        synced_s=now_s,
        connected=material.kind is not ContainerKind.VIAL,
    )


def fresh(p: WorldParameters, donor: Donor, content: str, volume_ml: float) -> Amounts:
    """Return fresh contents; raises INVALID_GOAL for an unknown content."""
    if content not in CONTENTS:
        raise OperationRefused(
            ErrorCode.INVALID_GOAL, f'content: "{content}" is none of {", ".join(CONTENTS)}'
        )
    if content == 'leukapheresis' and volume_ml > 0.0:
        return leukapheresis(p.donor, donor, volume_ml)
    held = contents.empty()
    if content in {'empty', 'leukapheresis'}:
        return held
    m = p.materials
    held[Component.VOLUME_ML] = volume_ml
    held[Component.ENDOTOXIN_EU] = m.endotoxin_eu_per_ml * volume_ml
    if content in {'medium', 'activator', 'vector'}:
        held[Component.GLUCOSE_UMOL] = m.medium_glucose_mm * volume_ml
    if content == 'activator':
        held[Component.ACTIVATOR_ML] = volume_ml
    if content == 'vector':
        held[Component.VECTOR_TU] = m.vector_titer_tu_per_ml * volume_ml
    if content == 'selection_beads':
        held[Component.BEADS] = m.selection_beads_per_ml * volume_ml
    if content in {'buffer', 'cryo_medium'}:
        held[Component.ALBUMIN_G] = m.buffer_albumin_g_per_ml * volume_ml
    if content == 'cryo_medium':
        held[Component.DMSO_ML] = m.cryo_dmso_fraction * volume_ml
    return held
