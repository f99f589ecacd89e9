"""The Markdown that every page of the reference is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTICE = '<!-- Made from the sources; change those, then run `{command}`. -->'
UPDATE = 'MEDICELL_UPDATE_REFERENCE'
"""Environment variable that lets the test of the reference write what it compares."""
COMMAND = f'{UPDATE}=1 ./medicell test -k reference_page'
_CODE_SPAN = re.compile(r'(`[^`]*`)')


def page(title: str, *parts: str) -> str:
    """Return a whole page that ends with one line break; empty parts are left away."""
    notice = NOTICE.format(command=COMMAND)
    return '\n\n'.join([f'# {title}', notice, *filter(None, parts)]) + '\n'


def section(title: str, *parts: str, level: int = 2) -> str:
    """Return a section with its heading."""
    return '\n\n'.join([f'{"#" * level} {title}', *filter(None, parts)])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; empty without rows."""
    body = [f'| {" | ".join(_cell(item) for item in row)} |' for row in rows]
    if not body:
        return ''
    return '\n'.join([f'| {" | ".join(heads)} |', f'|{"---|" * len(heads)}', *body])


def code(text: str) -> str:
    """Return a text as code in a line."""
    return f'`{text}`'


def prose(text: str) -> str:
    """Return a docstring's or comment's paragraphs: reStructuredText's marks become Markdown's."""
    text = re.sub(r':\w+:`~?([^`]+)`', r'`\1`', text)
    return '\n\n'.join(' '.join(part.split()) for part in re.split(r'\n\s*\n', text.strip()))


def _cell(text: str) -> str:
    """Return a text that stays in its cell, and in which no `<name>` is taken for HTML."""
    parts = _CODE_SPAN.split(' '.join(text.split()))
    plain = [part if part.startswith('`') else part.replace('<', '&lt;') for part in parts]
    return ''.join(plain).replace('|', '\\|')
