"""A host of a cell whose orchestrator cannot take its batch up says so at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from medicell_bringup.hosting.host import Host
from medicell_bringup.hosting.one_process import OneProcess
from medicell_bringup.hosting.running_cell import RunningCell
from medicell_core.errors import ErrorCode, MedicellError


def host(kind: type[Any], fault: MedicellError | None, *, back_s: float | None) -> Host:
    made = kind(SimpleNamespace(namespace='/cell_1', back_s=back_s))
    made.client = SimpleNamespace(fault_of=lambda _: fault, sees_orchestrator=lambda: True)
    return cast('Host', made)


@pytest.mark.parametrize('back_s', [None, 0.0], ids=['begun', 'taken up'])
@pytest.mark.parametrize('kind', [OneProcess, RunningCell])
def test_refusal_of_the_orchestrator_ends_the_waiting(
    kind: type[Any], back_s: float | None
) -> None:
    said = MedicellError(ErrorCode.CHAIN_BROKEN, 'the batch in out cannot be taken up')
    with pytest.raises(MedicellError, match='cannot be taken up') as caught:
        host(kind, said, back_s=back_s).check_alive()
    assert caught.value is said


@pytest.mark.parametrize('kind', [OneProcess, RunningCell])
def test_lost_device_is_waited_for(kind: type[Any]) -> None:
    lost = MedicellError(ErrorCode.COMMUNICATION_LOST, 'no contact with imaging')
    host(kind, lost, back_s=None).check_alive()
    host(kind, None, back_s=None).check_alive()
