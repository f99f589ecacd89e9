"""Load a patient's order, and refuse one whose identity or product does not fit."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from medicell_core.containers import Patient
from medicell_core.errors import ErrorCode, InputError
from medicell_core.serialise import dumps
from medicell_orchestrator.document import load_document
from medicell_orchestrator.recipe import Recipe
from medicell_orchestrator.schema import Kit, QuantitySpec

_IDENTIFIER = re.compile(r'^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$')
QUANTITIES = {
    'weight': QuantitySpec(unit='kg', low=1.0, high=300.0),
    'target_dose': QuantitySpec(unit='cells', low=1e5, high=1e10),
    'apheresis_volume': QuantitySpec(unit='mL', low=10.0, high=500.0),
}
"""The figures of an order, with unit and range."""
_KEYS = ('chain_of_identity', 'apheresis_label', 'product', *QUANTITIES)


def load_patient(path: Path | str, *, recipe: Recipe | None = None) -> Patient:
    """Read a patient's order.

    Raises InputError with file, line and field: PATIENT_INVALID, also when the recipe makes
    another product, or IDENTITY_MISMATCH when the received bag's label is not the order's chain
    of identity.
    """
    section = load_document(Path(path), ErrorCode.PATIENT_INVALID)
    section.only(_KEYS)
    for key in ('chain_of_identity', 'apheresis_label'):
        if not _IDENTIFIER.match(section.text(key)):
            raise section.error(
                key,
                f'"{section.text(key)}" is not an identifier: 3 to 64 letters, digits, ".", "_"'
                ' or "-"',
            )
    kit = Kit(contents={}, volumes_ml={}, kinds={})
    figures = {key: float(spec.read(section, key, kit)) for key, spec in QUANTITIES.items()}
    patient = Patient(
        chain_of_identity=section.text('chain_of_identity'),
        apheresis_label=section.text('apheresis_label'),
        product=section.name('product'),
        weight_kg=figures['weight'],
        target_dose_cells=figures['target_dose'],
        apheresis_volume_ml=figures['apheresis_volume'],
    )
    if patient.apheresis_label != patient.chain_of_identity:
        raise InputError(
            ErrorCode.IDENTITY_MISMATCH,
            f'the bag says "{patient.apheresis_label}", but the order is for'
            f' "{patient.chain_of_identity}"',
            file=str(path),
            line=section.line_of('apheresis_label'),
            field='apheresis_label',
        )
    if recipe is not None and recipe.product != patient.product:
        raise section.error('product', misfit(recipe, patient))
    return patient


def check_fit(recipe: Recipe, patient: Patient) -> None:
    """Raise PATIENT_INVALID when the recipe does not make the product that was ordered."""
    if recipe.product != patient.product:
        raise InputError(
            ErrorCode.PATIENT_INVALID,
            misfit(recipe, patient),
            file=recipe.file,
            field='product',
        )


def misfit(recipe: Recipe, patient: Patient) -> str:
    """Say that a recipe makes another product than was ordered."""
    return (
        f'the order is for the product "{patient.product}", but the recipe {recipe.name}'
        f' makes "{recipe.product}"'
    )


def patient_digest(patient: Patient) -> str:
    """Return the SHA-256 of an order's figures and names, by which a record tells it."""
    return hashlib.sha256(dumps(patient).encode()).hexdigest()
