"""The text that stands below a field of a class: Python keeps it in the source only."""

from __future__ import annotations

import ast
import inspect
import textwrap


def field_texts(cls: type) -> dict[str, str]:
    """Return the text below each field by its name, the bases' fields included."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ != 'builtins':
            found.update(_own_texts(base))
    return found


def summary(obj: object) -> str:
    """Return the first paragraph of a docstring on one line."""
    return ' '.join((inspect.getdoc(obj) or '').partition('\n\n')[0].split())


def _own_texts(cls: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return {}
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for item, below in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[item.target.id] = ' '.join(below.value.value.split())
    return found
