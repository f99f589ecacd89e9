"""A recipe's tree as text, as a picture and as DOT."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import make_recipe

from medicell_core.errors import InputError
from medicell_orchestrator.drawing import draw_tree, recipe_nodes, tree_text

FEED = '- {phase: feed, type: transfer, source: medium, target: culture, volume: 70 mL}\n'


def test_text_shows_every_level_and_the_type_of_a_phase(tmp_path: Path) -> None:
    nodes = recipe_nodes(make_recipe(tmp_path, FEED))
    assert tree_text(nodes).splitlines() == [
        'sample',
        '└─ unit',
        '   └─ operation',
        '      └─ feed  (transfer)',
        '         └─ transfer',
    ]
    assert tree_text(nodes, unicode=False).isascii()


@pytest.mark.parametrize(
    ('name', 'begin'),
    [('t.svg', b'<?xml'), ('t.png', b'\x89PNG'), ('t.dot', b'digraph'), ('t.txt', b'sample')],
)
def test_file_is_written_as_its_ending_says(tmp_path: Path, name: str, begin: bytes) -> None:
    path = tmp_path / name
    draw_tree(recipe_nodes(make_recipe(tmp_path, FEED)), path)
    assert path.read_bytes().startswith(begin)


def test_other_ending_and_unwritable_place_are_refused(tmp_path: Path) -> None:
    nodes = recipe_nodes(make_recipe(tmp_path, FEED))
    with pytest.raises(InputError, match=r'is not one of \.svg'):
        draw_tree(nodes, tmp_path / 't.pdf')
    with pytest.raises(InputError, match='cannot be written'):
        draw_tree(nodes, tmp_path / 'none' / 't.svg')
