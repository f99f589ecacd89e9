"""The reference says what the sources declare; MEDICELL_UPDATE_REFERENCE=1 writes it anew."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():
    # A parser behind rclpy's type support imports a deprecated module of the standard library.
    warnings.simplefilter('ignore', DeprecationWarning)
    import rosidl_generator_py  # noqa: F401
from medicell_interfaces.msg import DeviceState

from medicell_bringup.catalogue import COMMANDS
from medicell_bringup.documents.error_texts import BANDS, MEANINGS
from medicell_bringup.documents.failures import codes_of_band
from medicell_bringup.documents.markdown import UPDATE, table
from medicell_bringup.documents.pages import PAGES
from medicell_core.entries import ENTRY_TYPES
from medicell_core.errors import ErrorCode
from medicell_core.operations import OPERATIONS
from medicell_orchestrator.phase_types import PHASE_TYPES
from medicell_orchestrator.recovery import REMEDIES
from medicell_ros.node_parameters import NODES
from medicell_ros.parameters import names
from medicell_sim.faults import FAULTS

REFERENCE = Path(__file__).resolve().parents[2] / 'docs' / 'reference'


def written(name: str) -> str:
    return (REFERENCE / name).read_text(encoding='utf-8')


@pytest.mark.parametrize('name', PAGES)
def test_reference_page_is_what_the_sources_declare(name: str) -> None:
    made = PAGES[name]()
    if os.environ.get(UPDATE):
        (REFERENCE / name).write_text(made, encoding='utf-8')
    assert written(name) == made, f'{name} is out of date: run this test with {UPDATE}=1'


@pytest.mark.parametrize(
    ('name', 'entries'),
    [
        ('command_line.md', [f'## `{item}`' for item in ('setup', 'test', *COMMANDS)]),
        ('error_codes.md', [f'| {int(item)} | `{item.name}` |' for item in ErrorCode if item]),
        ('faults.md', [f'| `{item}` |' for item in FAULTS]),
        ('faults.md', [f'| {item.name} ({int(item)}) |' for item in REMEDIES]),
        ('interfaces.md', [f'### {item}' for item in OPERATIONS]),
        ('interfaces.md', [f'| `{item}` |' for item in DeviceState.get_fields_and_field_types()]),
        ('nodes.md', [f'## `{item}`' for item in NODES]),
        ('nodes.md', [f'| `{item}` |' for cls in NODES.values() for item in names(cls)]),
        ('operations.md', [f'| [{item}](interfaces.md#' for item in OPERATIONS]),
        ('recipe_files.md', [f'### {item}\n' for item in PHASE_TYPES]),
        ('recipe_files.md', ['| `volume` | number, 0.1 to 50 mL | needed |']),
        ('recipe_files.md', ['| `look_every` | number, 1800 to 604800 s | 43200 s |']),
        ('recipe_files.md', ['| `count_car` | true or false | false |']),
        ('record_entries.md', [f'## {item}\n' for item in ENTRY_TYPES]),
    ],
)
def test_reference_leaves_nothing_out(name: str, entries: list[str]) -> None:
    text = written(name)
    assert [entry for entry in entries if entry not in text] == []


def test_every_error_code_has_a_meaning_and_one_band() -> None:
    assert set(MEANINGS) == set(ErrorCode)
    banded = [item for first in BANDS for item in codes_of_band(first)]
    assert sorted(banded) == sorted(item for item in ErrorCode if item)


@pytest.mark.parametrize('cause', ['stopped', 'changed its pace', 'nobody has judged'])
def test_meaning_of_a_vial_that_may_have_spilt_names_each_of_its_causes(cause: str) -> None:
    assert cause in MEANINGS[ErrorCode.VIAL_MAY_HAVE_SPILT]


def test_a_cell_of_a_table_keeps_bars_and_brackets_in_it() -> None:
    assert table(('a',), [('x|y <z> `<w>`',)]).endswith('| x\\|y &lt;z> `<w>` |')
