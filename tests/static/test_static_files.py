"""Every shipped file is sound, and the house is in order."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[2]
SKIPPED = {'.git', '.venv', 'build', 'install', 'log', 'runs'}
PRIVATE = re.compile(r'/(?:home|root|tmp)/\w+/')
"""Folders of one person or one machine, which no shipped file may name."""


def files(*suffixes: str) -> list[Path]:
    found = []
    for place, folders, names in os.walk(REPOSITORY):
        folders[:] = sorted(item for item in folders if item not in SKIPPED and item[0] != '.')
        found += [Path(place, name) for name in sorted(names) if name.endswith(suffixes)]
    return found


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize('path', files('.yaml', '.yml'), ids=relative)
def test_yaml_parses_without_a_repeated_key(path: Path) -> None:
    yaml = YAML(typ='safe')
    yaml.allow_duplicate_keys = False
    assert yaml.load(path.read_text(encoding='utf-8')) is not None


@pytest.mark.parametrize('path', files('.py', '.yaml', '.md', '.xml', '.txt'), ids=relative)
def test_no_path_of_one_machine_is_shipped(path: Path) -> None:
    if path == Path(__file__):
        return
    assert PRIVATE.search(path.read_text(encoding='utf-8')) is None


@pytest.mark.parametrize('name', ['medicell', '.ci/run'])
def test_script_is_executable(name: str) -> None:
    path = REPOSITORY / name
    assert os.access(path, os.X_OK)
    assert path.read_text(encoding='utf-8').startswith('#!/bin/sh\n')


@pytest.mark.parametrize('path', files('.md'), ids=relative)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    text = re.sub(r'```.*?```', '', path.read_text(encoding='utf-8'), flags=re.DOTALL)
    for target in re.findall(r'\]\(([^)#\s]+)', text):
        if not target.startswith(('http://', 'https://', 'mailto:')):
            assert (path.parent / target).exists(), f'{path}: {target} is not there'


def test_licence_is_apache_2() -> None:
    text = (REPOSITORY / 'LICENSE').read_text(encoding='utf-8')
    assert 'Apache License' in text
    assert 'END OF TERMS AND CONDITIONS' in text
