"""A batch whose record is in a PostgreSQL database, by the command line on real ROS 2."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import Server, running_server

from medicell_record.place import RECORD_FILE, record_of
from medicell_record.verify import verify
from system.bench import CONFIG, PATIENT, SHORT, Cli


@pytest.fixture(scope='module')
def server() -> Iterator[Server]:
    with running_server() as made:
        yield made


@pytest.fixture
def config(server: Server, tmp_path: Path) -> Path:
    """The shipped configuration, with the database named among the parameters."""
    folder = tmp_path / 'config'
    shutil.copytree(CONFIG, folder)
    file = folder / 'parameters.yaml'
    section = '/**/orchestrator:\n  ros__parameters:\n'
    text = file.read_text('utf-8')
    assert section in text
    said = f'{section}    record_url: {server.url}\n'
    file.write_text(text.replace(section, said), encoding='utf-8')
    return folder


def test_batch_is_recorded_reported_and_verified_in_the_database(
    cli: Cli, config: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    words = ('run', '--recipe', str(SHORT), '--patient', str(PATIENT), '--config', str(config))
    made = cli(*words, '--seed', '1', '--out', str(out))
    assert made.code == 0, made.err
    assert not (out / RECORD_FILE).exists()
    assert (out / 'report.pdf').stat().st_size > 0
    place = record_of(out)
    assert isinstance(place, str)
    head = json.loads((out / 'summary.json').read_text('utf-8'))['record_head']
    result = verify(place, expected_head=head)
    assert result.sound
    assert result.closed
    assert cli('verify', str(out)).code == 0
    assert cli('verify', place, '--head', head).code == 0

    again = cli(*words, '--seed', '1', '--out', str(tmp_path / 'again'))
    assert 'is not overwritten' in again.err
    assert again.code != 0
    assert verify(place, expected_head=head).sound
