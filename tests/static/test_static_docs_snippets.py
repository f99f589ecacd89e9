"""Every command that the documents show is run: here the quick pages, the others in system."""

from __future__ import annotations

from pathlib import Path

import pytest
from snippets import GUIDES, is_slow, matches, place_of, run_page, snippets

PAGES = [page for page in GUIDES if snippets(page)]
QUICK = [page for page in PAGES if not is_slow(page)]


@pytest.mark.parametrize('page', QUICK, ids=place_of)
def test_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


@pytest.mark.parametrize('page', PAGES, ids=place_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    assert [item.place for item in snippets(page) if not item.language] == []
    known = ('background', 'by-hand', 'minutes')
    for item in snippets(page):
        odd = [word for word in item.words if word not in known and '=' not in word]
        assert odd == [], item.place


def test_a_shown_output_is_compared_line_by_line() -> None:
    assert matches('a ...\n...\nz\n', 'a b\nc\nd\nz')
    assert not matches('a\nz\n', 'a\nb\nz')
    assert not matches('a', 'ab')


@pytest.mark.parametrize(
    ('block', 'reason'),
    [
        ('```sh\nfalse\n```', 'ended with 1, not 0'),
        ('```sh exit=3\nexit 4\n```', 'ended with 4, not 3'),
        ('```console\n$ echo two\none\n```', 'shows\none'),
        ('```sh\nmissing-program | cat\n```', 'ended with 127'),
    ],
)
def test_a_page_that_says_otherwise_is_refused(block: str, reason: str, tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text(f'# Page\n\n{block}\n', encoding='utf-8')
    (tmp_path / 'run').mkdir()
    with pytest.raises(AssertionError, match=reason):
        run_page(page, tmp_path / 'run')


def test_blocks_are_run_in_order_with_their_files_and_background(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text(
        '```yaml file=a/b.yaml\nx: 1\n```\n'
        '```sh background\ncat a/b.yaml > seen; sleep 60\n```\n'
        '```sh\nuntil grep -q x seen 2>/dev/null; do sleep 0.05; done\n```\n'
        '```sh by-hand\nfalse\n```\n'
        '```sh needs=no-such-program\nfalse\n```\n',
        encoding='utf-8',
    )
    (tmp_path / 'run').mkdir()
    assert run_page(page, tmp_path / 'run') == ['page.md:4', 'page.md:7']
