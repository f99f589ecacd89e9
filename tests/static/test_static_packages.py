"""Manifests, builds and pins say what is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from medicell_bringup.version import VERSION

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFESTS = sorted((REPOSITORY / 'src').glob('*/package.xml'))
PACKAGES = {path.parent.name for path in MANIFESTS}
LAYERS_BELOW = {
    'medicell_core': set(),
    'medicell_sim': {'medicell_core'},
    'medicell_motion': {'medicell_core'},
    'medicell_vision': {'medicell_core'},
    'medicell_record': {'medicell_core'},
}
"""Packages whose manifest may name no other package of the workspace than these."""


def by_folder(path: Path) -> str:
    return path.parent.name


def dependencies(manifest: Path) -> set[str]:
    root = ET.parse(manifest).getroot()
    return {str(item.text).strip() for item in root if item.tag.endswith('depend')}


def only_for_tests(manifest: Path) -> set[str]:
    root = ET.parse(manifest).getroot()
    return {str(item.text).strip() for item in root if item.tag == 'test_depend'}


@pytest.mark.parametrize('package', sorted(LAYERS_BELOW))
def test_lower_packages_name_no_package_above_them(package: str) -> None:
    manifest = REPOSITORY / 'src' / package / 'package.xml'
    named = (dependencies(manifest) - only_for_tests(manifest)) & PACKAGES
    assert named - LAYERS_BELOW[package] == set()


@pytest.mark.parametrize('manifest', MANIFESTS, ids=by_folder)
def test_manifest_names_its_folder_and_the_licence(manifest: Path) -> None:
    root = ET.parse(manifest).getroot()
    assert root.findtext('name') == manifest.parent.name
    assert root.findtext('license') == 'Apache-2.0'
    assert root.findtext('version') == VERSION
    script = manifest.with_name('setup.py')
    assert not script.exists() or f"version='{VERSION}'," in script.read_text('utf-8')


def data_files(package: Path) -> set[Path]:
    """Return the files of a Python package that are no modules."""
    inside = package / package.name
    found = (
        path for path in inside.rglob('*') if path.is_file() and '__pycache__' not in str(path)
    )
    return {path.relative_to(package) for path in found if path.suffix != '.py'}


WITH_DATA = [path.parent for path in MANIFESTS if data_files(path.parent)]


@pytest.mark.parametrize('package', WITH_DATA, ids=lambda path: path.name)
def test_every_data_file_is_installed_where_modules_are_copied(
    package: Path, tmp_path: Path
) -> None:
    """`colcon build` without `--symlink-install`, as on a host of its own, copies."""
    copy, built = tmp_path / package.name, tmp_path / 'built'
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns('*.egg-info', '__pycache__'))
    command = [sys.executable, 'setup.py', '-q', 'build_py', '--build-lib', str(built)]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    missing = {file for file in data_files(package) if not (built / file).is_file()}
    assert missing == set()


def test_colcon_takes_every_package_for_an_ament_package() -> None:
    starter = 'import sys; from colcon_core.command import main; sys.exit(main())'
    result = subprocess.run(
        [sys.executable, '-c', starter, '--log-base', os.devnull, 'list', '--base-paths', 'src'],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = {line.split('\t')[0]: line.split('\t')[2] for line in result.stdout.splitlines()}
    expected = {
        path.parent.name: f'(ros.{ET.parse(path).getroot().findtext("export/build_type")})'
        for path in MANIFESTS
    }
    assert found == expected
    assert set(expected.values()) == {'(ros.ament_python)', '(ros.ament_cmake)'}


@pytest.mark.parametrize('manifest', MANIFESTS, ids=by_folder)
def test_entry_points_name_functions_that_exist(manifest: Path) -> None:
    setup = manifest.parent / 'setup.py'
    text = setup.read_text(encoding='utf-8') if setup.is_file() else ''
    for module, function in re.findall(r"'\w+ ?= ?([\w.]+):(\w+)'", text):
        source = manifest.parent.joinpath(*module.split('.')).with_suffix('.py')
        assert source.is_file(), f'{setup} names {module}, which is not there'
        assert re.search(rf'^def {function}\(', source.read_text(encoding='utf-8'), re.MULTILINE)


def pins(name: str) -> list[tuple[str, str, str]]:
    """Return (name, version, comment) of every line of a requirements file."""
    rows = []
    for line in (REPOSITORY / name).read_text(encoding='utf-8').splitlines():
        pin, _, comment = line.partition('#')
        if pin.strip():
            package, _, version = pin.partition(';')[0].strip().partition('==')
            rows.append((re.sub(r'[-_.]+', '-', package.lower()), version, comment.strip()))
    return rows


def test_every_requirement_is_pinned_and_justified() -> None:
    justified: set[str] = set()
    for name, version, comment in pins('requirements.txt') + pins('tests/requirements.txt'):
        assert re.fullmatch(r'[\d.]+', version), f'{name} is not pinned'
        assert comment or name in justified, f'{name} has no comment that says why'
        justified.add(name)


def test_constraints_hold_every_pin_of_the_requirements() -> None:
    locked = {(name, version) for name, version, _ in pins('constraints.txt')}
    wanted = pins('requirements.txt') + pins('tests/requirements.txt')
    assert {(name, version) for name, version, _ in wanted} <= locked


def test_modules_and_tests_have_names_of_their_own() -> None:
    tests = [path.name for path in REPOSITORY.glob('src/*/test/test_*.py')]
    tests += [path.name for path in REPOSITORY.glob('tests/**/test_*.py')]
    assert len(tests) == len(set(tests))
