"""`medicell tree`: a recipe as its behaviour tree, on the terminal or in a file."""

from __future__ import annotations

import sys
from pathlib import Path

from medicell_bringup.shipped import cell_file_of
from medicell_orchestrator.drawing import draw_tree, recipe_nodes, tree_text
from medicell_orchestrator.recipe import find_recipe, load_recipe


def draw_recipe(recipe: str, *, out: Path | None, config: Path) -> int:
    """Print a recipe's tree, or write it to a file whose ending says as what.

    Raises InputError for a recipe that is unknown or wrong, and for a file that cannot be
    written.
    """
    nodes = recipe_nodes(load_recipe(find_recipe(recipe, cell_file_of(config).parent / 'recipes')))
    if out is not None:
        draw_tree(nodes, out)
        return 0
    encoding = (sys.stdout.encoding or 'ascii').lower()
    sys.stdout.write(tree_text(nodes, unicode=encoding.startswith('utf')) + '\n')
    return 0
