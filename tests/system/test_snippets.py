"""The guides whose commands make whole batches, run as a reader would."""

from __future__ import annotations

from pathlib import Path

import pytest
from snippets import REPOSITORY, is_slow, run_page

PAGES = [REPOSITORY / 'README.md', *sorted((REPOSITORY / 'docs' / 'how_to').glob('*.md'))]


@pytest.mark.slow
@pytest.mark.parametrize(
    'page', [page for page in PAGES if is_slow(page)], ids=lambda page: page.name
)
def test_guide_does_what_it_says(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)
