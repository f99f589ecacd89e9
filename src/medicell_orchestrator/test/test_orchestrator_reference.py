"""The tables of recipes and faults in the documentation are what the code declares."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from medicell_core.errors import ErrorCode
from medicell_orchestrator.phase_types import PHASE_TYPES
from medicell_orchestrator.recovery import REMEDIES
from medicell_orchestrator.reference import fault_reference, phase_reference, remedy_reference
from medicell_sim.faults import FAULTS

DOCS = Path(__file__).resolve().parents[3] / 'docs' / 'explanations'
UPDATE = 'MEDICELL_UPDATE_REFERENCE'
TABLES = {
    'phases': ('recipes.md', phase_reference),
    'faults': ('faults.md', fault_reference),
    'remedies': ('faults.md', remedy_reference),
}


@pytest.mark.parametrize('name', TABLES)
def test_documentation_holds_the_table_that_the_code_declares(name: str) -> None:
    file, make = TABLES[name]
    path = DOCS / file
    text = path.read_text('utf-8')
    pattern = re.compile(rf'(<!-- begin {name} -->\n).*?(\n<!-- end {name} -->)', re.DOTALL)
    assert pattern.search(text), f'{path} has no place for "{name}"'
    made = pattern.sub(lambda found: f'{found[1]}{make()}{found[2]}', text)
    if os.environ.get(UPDATE):
        path.write_text(made, encoding='utf-8')
        return
    assert text == made, f'{path} is out of date: run this test with {UPDATE}=1'


def test_reference_names_every_phase_type_fault_and_error_with_a_remedy() -> None:
    phases, faults, remedies = phase_reference(), fault_reference(), remedy_reference()
    assert all(f'### {name}\n' in phases for name in PHASE_TYPES)
    assert all(f'| `{name}` |' in faults for name in FAULTS)
    assert all(f'| {ErrorCode(code).name} (' in remedies for code in REMEDIES)


def test_field_stands_with_its_key_unit_range_and_default() -> None:
    text = phase_reference()
    assert '| `volume` | number, 0.1 to 50 mL | needed |' in text
    assert '| `look_every` | number, 1800 to 604800 s | 43200 s |' in text
    assert '| `count_car` | true or false | false |' in text
