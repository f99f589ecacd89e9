"""The tutorials, followed to the letter: their files are written, their commands are run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from snippets import REPOSITORY, run_blocks, snippets

TUTORIALS = REPOSITORY / 'docs' / 'tutorials'
PAGES = [TUTORIALS / name for name in ('first_batch.md', 'own_recipe.md', 'own_driver.md')]
SET_UP = (REPOSITORY / '.venv' / 'medicell.json').is_file()
SCRIPT = """#!{python}
import sys
from dataclasses import dataclass
from pathlib import Path

from medicell_bringup.workspace import main
from medicell_bringup.workspace.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay(Layout):
    @property
    def venv(self):
        return Path({venv!r})


main.packages.is_ready = lambda *_, **__: True
if not any(Path({root!r}, 'src').iterdir()):
    main.build.is_ready = lambda *_, **__: True
main.Layout = lambda root: Overlay(root=Path({root!r}))
sys.exit(main.main(sys.argv[1:]))
"""
"""Does what the checkout's script does, for packages over those that are built already."""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout without packages: those that a tutorial adds are built over the built ones."""
    if not SET_UP:
        pytest.skip('the tutorials start from `./medicell setup`, which was not run here')
    shutil.copytree(REPOSITORY / 'config', tmp_path / 'config')
    (tmp_path / 'src').mkdir()
    script = tmp_path / 'medicell'
    script.write_text(
        SCRIPT.format(python=sys.executable, venv=str(REPOSITORY / '.venv'), root=str(tmp_path)),
        encoding='utf-8',
    )
    script.chmod(0o755)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_tutorial_does_what_it_says(page: Path, workspace: Path) -> None:
    assert run_blocks(page, workspace)


def test_every_tutorial_is_tried() -> None:
    assert {page.name for page in PAGES} | {'index.md'} == {
        path.name for path in TUTORIALS.glob('*.md')
    }


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_only_the_clone_itself_and_a_cell_that_goes_on_are_left_out(page: Path) -> None:
    """Other tests run a cell in one terminal and a batch in another."""
    skipped = [item for item in snippets(page) if not item.is_run and not item.value('file')]
    mine = ('git clone', './medicell launch cell', './medicell run --join')
    assert [item.place for item in skipped if not any(text in item.text for text in mine)] == []


@pytest.mark.parametrize('text', [' a\n-b\n+c\n', '-x\n+y\n'])
def test_change_of_what_a_file_does_not_say_once_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / 'file.yaml').write_text('x\nx\na\nc\n', encoding='utf-8')
    page = tmp_path / 'page.md'
    page.write_text(f'```diff file=file.yaml\n{text}```\n', encoding='utf-8')
    with pytest.raises(AssertionError, match='times'):
        run_blocks(page, tmp_path)


def test_change_is_made_where_its_lines_are(tmp_path: Path) -> None:
    (tmp_path / 'file.yaml').write_text('a: 1\nb: 2\nc: 3\n', encoding='utf-8')
    page = tmp_path / 'page.md'
    page.write_text('```diff file=file.yaml\n a: 1\n-b: 2\n+b: 4\n+d: 5\n```\n', encoding='utf-8')
    run_blocks(page, tmp_path)
    assert (tmp_path / 'file.yaml').read_text('utf-8') == 'a: 1\nb: 4\nd: 5\nc: 3\n'
