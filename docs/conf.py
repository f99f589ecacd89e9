"""How Sphinx builds the documentation: `./medicell docs`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

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


def add_contents(_app: Sphinx, name: str, source: list[str]) -> None:
    """Give an index page the contents that its own links name, in their order.

    So that the pages read well where nothing builds them, and still have a side bar here.
    Pages of the folder that the index does not name come last.
    """
    if PurePosixPath(name).name != 'index':
        return
    linked = dict.fromkeys(_PAGE_LINK.findall(source[0]))
    inside = [page for page in linked if not page.startswith('..')]
    rest = [] if name == 'index' else ['*']
    lines = '\n'.join([*inside, *rest])
    source[0] += f'\n\n```{{toctree}}\n:hidden:\n:glob:\n\n{lines}\n```\n'


def setup(app: Sphinx) -> None:
    """Connect what this file adds to Sphinx."""
    app.connect('source-read', add_contents)
