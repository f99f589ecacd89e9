"""A recipe's tree for people: text for the terminal, a picture, or DOT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError
from medicell_orchestrator.phase_types import PHASE_TYPES
from medicell_orchestrator.recipe import Recipe
from medicell_orchestrator.tree import NodeSnapshot

MARKS = {'invalid': '-', 'running': '>', 'success': '+', 'failure': 'x'}
FILLS = {
    'procedure': '#d9e2ec',
    'unit_procedure': '#cfe8e0',
    'operation': '#e8f1d4',
    'phase': '#fdf0d0',
    'step': '#ffffff',
}
FORMATS = ('.svg', '.png', '.dot', '.txt')
_ROW_IN, _COLUMN_IN, _FONT_PT = 0.27, 2.25, 8.5
_ELBOW_SHARE = 0.9
"""Where a branch turns, as a share of a column's width."""

_TRIM_IN = 0.7
"""The last column holds steps, whose names are short."""

_HEADINGS = ('procedure', 'unit procedures', 'operations', 'phases (type)', 'steps')


def recipe_nodes(recipe: Recipe) -> list[NodeSnapshot]:
    """Return a recipe's tree, nothing of it begun; a phase's message is its type."""
    types = {cls: name for name, cls in PHASE_TYPES.items()}
    nodes: list[NodeSnapshot] = []

    def add(parent: int, name: str, kind: str, message: str = '') -> int:
        nodes.append(
            NodeSnapshot(
                id=len(nodes),
                parent=parent,
                name=name,
                type=kind,
                status='invalid',
                message=message,
            )
        )
        return len(nodes) - 1

    root = add(-1, recipe.name, 'procedure')
    for unit in recipe.procedure:
        unit_id = add(root, unit.name, 'unit_procedure')
        for operation in unit.operations:
            operation_id = add(unit_id, operation.name, 'operation')
            for spec in operation.phases:
                phase_id = add(operation_id, spec.name, 'phase', types[type(spec.phase)])
                for step in spec.phase.steps():
                    add(phase_id, step.name, 'step')
    return nodes


def tree_text(nodes: Sequence[NodeSnapshot], *, unicode: bool = True) -> str:
    """Return a tree as lines: branches, names, types of phases, marks of what has begun."""
    bar, tee, end = ('│  ', '├─ ', '└─ ') if unicode else ('|  ', '|- ', '`- ')
    children = _children(nodes)
    lines: list[str] = []

    def walk(node: NodeSnapshot, prefix: str, own: str) -> None:
        mark = '' if node.status == 'invalid' else f' [{MARKS[node.status]}]'
        note = f'  ({node.message})' if node.message and node.type == 'phase' else ''
        lines.append(f'{own}{node.name}{mark}{note}')
        below = children.get(node.id, [])
        for index, child in enumerate(below):
            last = index == len(below) - 1
            walk(child, prefix + ('   ' if last else bar), prefix + (end if last else tee))

    walk(nodes[0], '', '')
    return '\n'.join(lines)


def tree_dot(nodes: Sequence[NodeSnapshot]) -> str:
    """Return a tree in the DOT language."""
    lines = ['digraph recipe {', '  rankdir=LR;', '  node [shape=box, style=filled];']
    for node in nodes:
        label = node.name.replace('"', "'")
        lines.append(f'  n{node.id} [label="{label}", fillcolor="{FILLS[node.type]}"];')
        if node.parent >= 0:
            lines.append(f'  n{node.parent} -> n{node.id};')
    return '\n'.join([*lines, '}', ''])


def draw_tree(nodes: Sequence[NodeSnapshot], path: Path) -> None:
    """Write a tree to a file; its ending (.svg, .png, .dot, .txt) says as what.

    Raises InputError for another ending or a place that cannot be written.
    """
    if path.suffix not in FORMATS:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'"{path.suffix}" is not one of {", ".join(FORMATS)}',
            file=str(path),
            field='out',
        )
    try:
        if path.suffix == '.dot':
            path.write_text(tree_dot(nodes), encoding='utf-8')
        elif path.suffix == '.txt':
            path.write_text(tree_text(nodes) + '\n', encoding='utf-8')
        else:
            _picture(nodes, path)
    except OSError as error:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'cannot be written: {error.strerror}', file=str(path)
        ) from error


def _picture(nodes: Sequence[NodeSnapshot], path: Path) -> None:
    """Draw the tree from left to right, one row per leaf; inches are the coordinates."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    places = _places(nodes)
    depth = max(column for column, _ in places.values()) + 1
    rows = max(row for _, row in places.values()) + 1
    figure = Figure(figsize=(depth * _COLUMN_IN - _TRIM_IN, (rows + 2.0) * _ROW_IN))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(-0.1, depth * _COLUMN_IN - _TRIM_IN)
    axes.set_ylim(-(rows * _ROW_IN) + 0.05, 2.0 * _ROW_IN)
    for column, heading in enumerate(_HEADINGS[:depth]):
        axes.text(column * _COLUMN_IN + 0.05, _ROW_IN, heading, fontsize=_FONT_PT, color='#666666')
    for node in nodes:
        column, row = places[node.id]
        x, y = column * _COLUMN_IN, -row * _ROW_IN
        if node.parent >= 0:
            up_column, up_row = places[node.parent]
            edge = up_column * _COLUMN_IN + _ELBOW_SHARE * _COLUMN_IN
            start, level = up_column * _COLUMN_IN + 0.1, -up_row * _ROW_IN
            line = ([start, edge, edge, x + 0.05], [level, level, y, y])
            axes.plot(*line, color='#888888', lw=0.7, zorder=1)
        note = f' ({node.message})' if node.message and node.type == 'phase' else ''
        box = {'boxstyle': 'round,pad=0.25', 'fc': FILLS[node.type], 'ec': '#666', 'lw': 0.5}
        text = f'{node.name}{note}'
        axes.text(x + 0.05, y, text, fontsize=_FONT_PT, va='center', bbox=box)
    figure.savefig(path, dpi=150, metadata={'Date': None} if path.suffix == '.svg' else None)


def _places(nodes: Sequence[NodeSnapshot]) -> dict[int, tuple[int, float]]:
    """Return each node's column and row: leaves one below the other, parents at their middle."""
    children = _children(nodes)
    places: dict[int, tuple[int, float]] = {}
    next_row = 0

    def place(node: NodeSnapshot, column: int) -> float:
        nonlocal next_row
        below = [place(child, column + 1) for child in children.get(node.id, [])]
        if below:
            row = (below[0] + below[-1]) / 2.0
        else:
            row = float(next_row)
            next_row += 1
        places[node.id] = (column, row)
        return row

    place(nodes[0], 0)
    return places


def _children(nodes: Sequence[NodeSnapshot]) -> dict[int, list[NodeSnapshot]]:
    found: dict[int, list[NodeSnapshot]] = {}
    for node in nodes:
        found.setdefault(node.parent, []).append(node)
    return found
