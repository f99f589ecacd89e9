"""`medicell docs`: the documentation as a site, its links checked."""

from __future__ import annotations

import sys
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError

ROOT = Path(__file__).resolve().parents[4]
"""The checkout: `./medicell` builds with links, so this module is run from its source."""
OPTIONS = ('--fail-on-warning', '--keep-going', '--nitpicky', '--quiet')
"""A link or a reference that leads nowhere is a warning, and a warning fails the build."""


def build_docs(*, out: Path | None, external: bool) -> int:
    """Build the site into a folder; returns 0, or 1 after naming what is broken.

    With `external` every address on the network is asked for as well. Raises InputError where
    the sources of the documentation or their builder are not installed, and for a folder that
    holds something else.
    """
    source, target = ROOT / 'docs', (out or ROOT / 'build' / 'docs').resolve()
    if not (source / 'conf.py').is_file():
        raise InputError(
            ErrorCode.INVALID_GOAL, 'the documentation is built in a checkout', file=str(source)
        )
    _claim(target)
    try:
        from sphinx.cmd.build import build_main  # noqa: PLC0415
    except ImportError as error:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'{error.name} is not installed; `./medicell setup --docs` brings it',
            field='docs',
        ) from error
    cache = ['--doctree-dir', str(target / '.doctrees')]
    code = build_main([*OPTIONS, *cache, '--builder', 'html', str(source), str(target)])
    if code == 0 and external:
        links = target / '.links'
        code = build_main([*OPTIONS, *cache, '--builder', 'linkcheck', str(source), str(links)])
    if code:
        return 1
    sys.stdout.write(f'{target / "index.html"}\n')
    return 0


def _claim(target: Path) -> None:
    """Refuse a folder that holds files which no build of the site has written."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        foreign = any(target.iterdir()) and not (target / '.buildinfo').is_file()
    except OSError as error:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'{target}: {error.strerror}', field='--out'
        ) from error
    if foreign:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'{target} holds other files; name an empty or a new folder',
            field='--out',
        )
