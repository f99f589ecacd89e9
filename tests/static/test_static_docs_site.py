"""The documentation is whole: its site builds without a warning, and its pictures say what is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from needs import SPHINX, lacking
from snippets import REPOSITORY

from medicell_bringup.commands import docs
from medicell_bringup.commands.docs import build_docs
from medicell_bringup.workspace import packages
from medicell_bringup.workspace.layout import Layout
from medicell_bringup.workspace.main import main
from medicell_bringup.workspace.progress import Progress
from medicell_core.errors import InputError
from medicell_ros.node_parameters import NODES

DOCS = REPOSITORY / 'docs'
FOLDERS = ('tutorials', 'how_to', 'reference', 'explanations')


def site_of(folder: Path, text: str) -> Path:
    """Make a small checkout with one page and return its root."""
    shutil.copytree(DOCS / 'static', folder / 'docs' / 'static')
    shutil.copy(DOCS / 'conf.py', folder / 'docs' / 'conf.py')
    (folder / 'docs' / 'index.md').write_text(text, encoding='utf-8')
    return folder


@pytest.fixture
def _sphinx() -> None:
    if find_spec('sphinx') is None:
        lacking(SPHINX, './medicell setup --docs brings Sphinx')


def build(root: Path, out: Path) -> int:
    """Build a checkout's site in a process of its own, as the command does; returns its code."""
    code = (
        'import sys; from pathlib import Path; from medicell_bringup.commands import docs;'
        f'docs.ROOT = Path({str(root)!r});'
        f'sys.exit(docs.build_docs(out=Path({str(out)!r}), external=False))'
    )
    return subprocess.run([sys.executable, '-c', code], check=False, timeout=300).returncode


@pytest.mark.usefixtures('_sphinx')
def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    assert build(REPOSITORY, tmp_path / 'site') == 0
    for name in ('index', *(f'{folder}/index' for folder in FOLDERS)):
        assert (tmp_path / 'site' / f'{name}.html').is_file()


@pytest.mark.usefixtures('_sphinx')
@pytest.mark.parametrize('link', ['[x](missing.md)', '[x](#no-such-heading)', '![x](none.png)'])
def test_a_link_that_leads_nowhere_fails_the_site(link: str, tmp_path: Path) -> None:
    root = site_of(tmp_path / 'root', f'# Title\n\n{link}\n')
    assert build(root, tmp_path / 'site') == 1


@pytest.mark.usefixtures('_sphinx')
def test_a_page_of_sound_links_is_built(tmp_path: Path) -> None:
    root = site_of(tmp_path / 'root', '# Title\n\n[x](#title)\n')
    assert build(root, tmp_path / 'site') == 0


def test_a_folder_with_other_files_is_not_written(tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').write_text('x', encoding='utf-8')
    with pytest.raises(InputError, match='holds other files'):
        build_docs(out=tmp_path, external=False)
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


def test_outside_of_a_checkout_the_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs, 'ROOT', tmp_path)
    with pytest.raises(InputError, match='built in a checkout'):
        build_docs(out=tmp_path / 'site', external=False)


@pytest.mark.parametrize('folder', FOLDERS)
def test_every_page_is_linked_from_the_index_of_its_folder(folder: str) -> None:
    text = (DOCS / folder / 'index.md').read_text(encoding='utf-8')
    linked = set(re.findall(r'\]\(([\w-]+\.md)\)', text))
    pages = {path.name for path in (DOCS / folder).glob('*.md')} - {'index.md'}
    assert pages - linked == set()


@pytest.mark.parametrize('name', ['architecture.dot', 'architecture.svg'])
def test_picture_of_the_architecture_names_every_node_and_lower_package(name: str) -> None:
    text = (DOCS / 'pictures' / name).read_text(encoding='utf-8')
    named = [*NODES, *(f'medicell_{item}' for item in ('core', 'sim', 'motion', 'vision'))]
    assert [item for item in named if item not in text] == []


def test_optional_set_is_pinned_justified_and_constrained() -> None:
    lines = (DOCS / 'requirements.txt').read_text(encoding='utf-8').splitlines()
    known, wanted = set(), packages.requirement_lines(DOCS / 'requirements.txt')
    for line in lines:
        if line and not line.startswith('#'):
            name = line.partition('==')[0]
            assert re.match(r'[\w-]+==[\d.]+( ;|$| )', line), line
            assert '  #' in line or name in known, f'{name} has no comment that says why'
            known.add(name)
    held = {
        line.partition(';')[0].strip()
        for line in packages.requirement_lines(DOCS / 'constraints.txt')
    }
    assert {line.partition(';')[0].strip() for line in wanted} - held == set()


def test_optional_set_is_known_by_its_stamp(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path)
    (tmp_path / 'docs').mkdir()
    for path in layout.docs_requirements:
        path.write_text('', encoding='utf-8')
    layout.venv_python.parent.mkdir(parents=True)
    layout.venv_python.symlink_to('/bin/true')
    assert not packages.has_docs(layout)
    progress = Progress(layout.log, steps=1)
    packages.add_docs(layout, progress)
    progress.close()
    assert packages.has_docs(layout)
    layout.docs_requirements[0].write_text('sphinx==1\n', encoding='utf-8')
    assert not packages.has_docs(layout)


@pytest.mark.parametrize('arguments', [['exec'], ['exec', 'no-such-program-at-all']])
def test_exec_without_a_program_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('medicell_bringup.workspace.main.ensure_ready', lambda _: False)
    monkeypatch.setattr('signal.signal', lambda *_: None)
    assert main(arguments) == 2
    assert 'exec' in capsys.readouterr().err
