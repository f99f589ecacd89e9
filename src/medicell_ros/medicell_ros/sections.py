"""Which nodes a section of a parameter file stands for, by the rules of ROS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

WILDCARDS = ('*', '**')
"""Parts of a section's name that stand for any one name, and for any number of them."""

_PATTERNS = dict(zip(WILDCARDS, (r'/\w+', r'(?:/\w+)*'), strict=True))
_REMAPPED = ('-r', '--remap')


def full_name(namespace: str, node: str) -> str:
    """Return a node's name with its namespace, from the root."""
    return f'/{namespace.strip("/")}/{node}' if namespace.strip('/') else f'/{node}'


def stands_for(section: str, node: str) -> bool:
    """Return whether ROS applies a section to the node of this full name.

    A section without a leading slash is one of the root: `world` is `/world`.
    """
    parts = section.removeprefix('/').split('/')
    pattern = ''.join(_PATTERNS.get(part, '/' + re.escape(part)) for part in parts)
    return re.fullmatch(pattern, node, re.ASCII) is not None


def given_namespace(node: str, arguments: Sequence[str]) -> str:
    """Return the namespace by a command line's first rule for a node, or the root without one."""
    names = ('__ns', f'{node}:__ns')
    for word, rule in pairwise(arguments):
        name, _, namespace = rule.partition(':=')
        if word in _REMAPPED and name in names:
            return namespace
    return '/'
