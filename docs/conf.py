"""How Sphinx builds the documentation: `./medicell docs`."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from sphinx.application import Sphinx

project = 'Medicell'
author = 'the Medicell team'
project_copyright = 'the Medicell team. Apache License 2.0'

extensions = ['myst_parser', 'sphinx_copybutton']
exclude_patterns = ['requirements.txt', 'constraints.txt', 'pictures/README.md']
myst_heading_anchors = 4
copybutton_prompt_text = '$ '
linkcheck_timeout = 20
linkcheck_anchors = False

html_theme = 'furo'
html_title = 'Medicell'
html_static_path = ['static']
html_css_files = ['medicell.css']
html_favicon = 'static/logo.svg'
html_logo = 'static/logo.svg'
html_theme_options = {
    'light_css_variables': {
        'color-brand-primary': '#0b6e6e',
        'color-brand-content': '#0b6e6e',
    },
    'dark_css_variables': {
        'color-brand-primary': '#5cc8c2',
        'color-brand-content': '#5cc8c2',
    },
}

_PAGE_LINK = re.compile(r'\]\(([^)#\s:]+)\.md\)')


def add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Give an index page the contents that its own links name, in their order.

    So that the pages read well where nothing builds them, and still have a side bar here.
    Pages of the folder that the index does not name come last; an index without links shows them.
    """
    if PurePosixPath(name).name != 'index':
        return
    linked = dict.fromkeys(_PAGE_LINK.findall(source[0]))
    inside = [page for page in linked if not page.startswith('..')]
    option = ':hidden:' if inside else ':titlesonly:'
    folder = Path(app.srcdir, name).parent
    others = sorted(path.stem for path in folder.glob('*.md') if path.stem != 'index')
    rest = [page for page in others if page not in inside]
    if inside or rest:
        lines = ['\n\n```{toctree}', option, '', *inside, *rest, '```\n']
        source[0] += '\n'.join(lines)


def index_pages(_app: Sphinx, env: Any, *_changed: set[str]) -> list[str]:
    """Have every index read again: its contents change with the folder, not with its text."""
    return [name for name in env.found_docs if PurePosixPath(name).name == 'index']


def setup(app: Sphinx) -> None:
    """Connect what this file adds to Sphinx."""
    app.connect('env-get-outdated', index_pages)
    app.connect('source-read', add_contents)
