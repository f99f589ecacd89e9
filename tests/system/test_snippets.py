"""The guides whose commands make whole batches, run as a reader would."""

from __future__ import annotations

from pathlib import Path

import pytest
from snippets import GUIDES, is_slow, place_of, run_page


@pytest.mark.slow
@pytest.mark.parametrize('page', [page for page in GUIDES if is_slow(page)], ids=place_of)
def test_guide_does_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A reader's cell has no accounts yet, and another page may have made some.
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path / 'state'))
    run_page(page, tmp_path)
