"""What a kit's containers hold when they are hung: the content table."""

from __future__ import annotations

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim import contents
from medicell_sim.contents import Amounts, Component
from medicell_sim.donors import Donor, leukapheresis
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


def hang(p: WorldParameters, donor: Donor, content: str, volume_ml: float) -> Amounts:
    """Return the contents of a fresh container; raises INVALID_GOAL for an unknown content."""
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
