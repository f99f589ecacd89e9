"""What a batch that is taken up again is read with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medicell_bringup import inputs
from medicell_bringup.inputs import PARAMETERS, read_resumed
from medicell_bringup.shipped import shipped_config

SECTION = '/**/orchestrator:\n  ros__parameters:\n'


class Seen(Exception):
    """The record would be read now."""


@pytest.mark.parametrize('said', ['', '/var/lib/medicell'])
def test_record_is_checked_by_the_state_folder_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    def read_open_batch(_: Path, *, home: str) -> None:
        raise Seen(home)

    monkeypatch.setattr(inputs, 'read_open_batch', read_open_batch)
    config = tmp_path / 'config'
    shutil.copytree(shipped_config(), config)
    if said:
        text = (config / PARAMETERS).read_text('utf-8')
        assert SECTION in text
        changed = text.replace(SECTION, f'{SECTION}    state_dir: {said}\n')
        (config / PARAMETERS).write_text(changed, encoding='utf-8')
    with pytest.raises(Seen, match=f'^{said}$'):
        read_resumed(config=config, folder=tmp_path, speed='max', gap_s=None)
