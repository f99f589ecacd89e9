"""The URDF from the user's cache: found again, made anew when anything changed, never needed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medicell_core.errors import InputError
from medicell_motion import expansion
from medicell_motion.expansion import CACHE_VARIABLE, expanded

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / 'config' / 'cell.yaml'
MODEL = """<robot name="small" xmlns:xacro="http://www.ros.org/wiki/xacro">
<xacro:arg name="geometry" default=""/><xacro:arg name="cell_config" default=""/>
<link name="only_{number}"/></robot>"""


@pytest.fixture
def urdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'cache'))
    folder = tmp_path / 'urdf'
    folder.mkdir()
    (folder / 'cell.urdf.xacro').write_text(MODEL.format(number=1), 'utf-8')
    return folder


def text_of(urdf: Path) -> str:
    return expanded(urdf, geometry=expansion.shipped_geometry(), cell_config=CONFIG)


def refuse(*_: object, **__: object) -> str:
    raise AssertionError('expanded a second time')


def test_second_expansion_is_the_first_ones_text(
    urdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = text_of(urdf)
    monkeypatch.setattr(expansion, 'expand', refuse)
    assert text_of(urdf) == first
    assert 'only_1' in first


def test_changed_file_is_expanded_anew(urdf: Path) -> None:
    text_of(urdf)
    (urdf / 'cell.urdf.xacro').write_text(MODEL.format(number=2), 'utf-8')
    assert 'only_2' in text_of(urdf)


def test_cache_that_cannot_be_written_costs_only_the_expansion(
    urdf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / 'file'
    blocked.write_text('', 'utf-8')
    monkeypatch.setenv(CACHE_VARIABLE, str(blocked))
    assert 'only_1' in text_of(urdf)


def test_file_that_is_missing_is_named(urdf: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'nowhere\.yaml'):
        expanded(urdf, geometry=tmp_path / 'nowhere.yaml', cell_config=CONFIG)


def test_nothing_but_the_text_is_left_in_the_cache(urdf: Path, tmp_path: Path) -> None:
    text_of(urdf)
    assert [path.suffix for path in (tmp_path / 'cache' / 'medicell' / 'urdf').iterdir()] == [
        '.urdf'
    ]
    shutil.rmtree(tmp_path / 'cache')
    assert 'only_1' in text_of(urdf)
