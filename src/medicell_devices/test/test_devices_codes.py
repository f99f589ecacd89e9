"""Every error code of the devices is provoked by a test, of this package or of the motion."""

from __future__ import annotations

import re
from pathlib import Path

from medicell_core.errors import ErrorCode

NOT_OF_A_DEVICE = {
    ErrorCode.TIMEOUT: "a client's: a server always answers, and waits end in their own codes",
}
"""Codes of these bands that no driver and no server raises, each with the reason."""


def test_every_code_of_the_devices_is_provoked() -> None:
    here = Path(__file__)
    contract = here.parents[1] / 'medicell_devices' / 'testing'
    motion = here.parents[2] / 'medicell_motion' / 'test'
    files = [item for folder in (here.parent, contract, motion) for item in folder.glob('*.py')]
    text = '\n'.join(path.read_text(encoding='utf-8') for path in files if path != here)
    provoked = set(re.findall(r'\b(?:ErrorCode|E)\.([A-Z_0-9]+)', text))
    due = {code for code in ErrorCode if 1 <= code <= 11 or 100 <= code <= 599}
    missing = {code.name for code in due - NOT_OF_A_DEVICE.keys()} - provoked
    assert not missing


def test_codes_that_are_excused_are_raised_nowhere() -> None:
    package = Path(__file__).parents[1] / 'medicell_devices'
    text = '\n'.join(path.read_text(encoding='utf-8') for path in package.rglob('*.py'))
    assert not [code.name for code in NOT_OF_A_DEVICE if f'ErrorCode.{code.name}' in text]
