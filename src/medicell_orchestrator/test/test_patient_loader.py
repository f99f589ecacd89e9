"""A patient's order is read, or refused with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import CONFIG, make_recipe

from medicell_core.errors import ErrorCode, InputError
from medicell_orchestrator.patient import check_fit, load_patient

GOOD = """\
chain_of_identity: MC-2026-0001
apheresis_label: MC-2026-0001
product: cd19_car_t
weight: 72 kg
target_dose: 1e8 cells
apheresis_volume: 120 mL
"""


def test_shipped_patient_loads() -> None:
    patient = load_patient(CONFIG / 'patients' / 'example.yaml')
    assert patient.target_dose_cells == 1e8
    assert patient.weight_kg == 72.0


@pytest.mark.parametrize(
    ('old', 'new', 'line', 'field', 'words'),
    [
        ('weight:', 'wieght:', 4, 'wieght', 'did you mean "weight"'),
        ('72 kg', '72 mL', 4, 'weight', 'not the unit "mL"'),
        ('72 kg', '-72 kg', 4, 'weight', 'below the limit 1 kg'),
        ('1e8 cells', '1e8', 5, 'target_dose', 'no unit'),
        ('120 mL', '2 L', 6, 'apheresis_volume', 'above the limit 500 mL'),
        ('product: cd19_car_t\n', '', 1, 'product', 'missing field'),
        ('apheresis_label: MC', 'apheresis_label: "|MC', 2, 'apheresis_label', 'YAML'),
    ],
)
def test_wrong_order_is_refused_at_its_line(
    tmp_path: Path, old: str, new: str, line: int, field: str, words: str
) -> None:
    path = tmp_path / 'p.yaml'
    path.write_text(GOOD.replace(old, new), encoding='utf-8')
    with pytest.raises(InputError) as caught:
        load_patient(path)
    assert words in caught.value.message
    assert caught.value.code is ErrorCode.PATIENT_INVALID
    if words != 'YAML':
        assert (caught.value.line, caught.value.field) == (line, field)


def test_bag_of_another_patient_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'p.yaml'
    path.write_text(
        GOOD.replace('apheresis_label: MC-2026-0001', 'apheresis_label: MC-2'), 'utf-8'
    )
    with pytest.raises(InputError) as caught:
        load_patient(path)
    assert caught.value.code is ErrorCode.IDENTITY_MISMATCH
    assert (caught.value.line, caught.value.field) == (2, 'apheresis_label')
    assert '"MC-2"' in caught.value.message
    assert '"MC-2026-0001"' in caught.value.message


def test_identifier_with_a_separator_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'p.yaml'
    path.write_text(GOOD.replace('MC-2026-0001', 'MC/1'), 'utf-8')
    with pytest.raises(InputError, match='is not an identifier'):
        load_patient(path)


def test_recipe_of_another_product_is_refused(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, '- {phase: a, type: weigh, container: culture}')
    path = tmp_path / 'p.yaml'
    path.write_text(GOOD.replace('cd19_car_t', 'cd22_car_t'), 'utf-8')
    with pytest.raises(InputError, match='makes "cd19_car_t"') as caught:
        check_fit(recipe, load_patient(path))
    assert caught.value.code is ErrorCode.PATIENT_INVALID
