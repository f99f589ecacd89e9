"""A batch whose database server is killed: nothing lost, Held open, and taken up after it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from medicell_interfaces.srv import HoldBatch
from postgres_server import Server, running_server
from synthetic_batch import started

from medicell_core.entries import Ordered, Resumed
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_orchestrator.resuming.opening import read_open_record
from medicell_record.database import postgresql
from medicell_record.place import create_record, open_record, record_of
from medicell_record.verify import verify

from .conftest import Probe, until
from .test_open_batch import abort, active, begun, entries_in, start

OK = ErrorCode.OK
LOCK_S = 60.0
"""Longer than anybody here waits for a lock."""
ORDERED = Ordered(order='hold', reason='test')
STARTED = started(host='workcell-pc')


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as made:
        yield made


def held(state: Any) -> bool:
    """Return whether a batch is Held, and nothing else is the matter."""
    return bool(state.state == PackMLState.HELD and state.fault_code == ErrorCode.OK)


def test_batch_whose_database_server_hangs_is_held_open_and_goes_on_after_it(
    server: Server, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('medicell_orchestrator.engine.ending.STOP_S', 0.2)
    monkeypatch.setattr('medicell_orchestrator.node.keeping.RETRY_S', 0.2)
    monkeypatch.setattr('medicell_record.database.postgresql.ANSWER_S', 0.5)
    monkeypatch.setattr('medicell_record.database.postgresql.CONNECT_S', 2)
    out, journals = tmp_path / 'batch', tmp_path / 'journals'
    with active(probe, journals, record_url=server.url) as (_, states):
        begun(probe, out, states)
        before = entries_in(out)
        with server.hung():
            hold = HoldBatch.Request(operator_name='test', reason='test')
            assert probe.call(HoldBatch, 'orchestrator/hold_batch', hold).error_code == OK
            code = ErrorCode.RECORD_UNREADABLE
            until(lambda: states[-1].fault_code == code, 'word of the database')
            assert states[-1].state == PackMLState.HELD
            assert 'see whether it hangs, and start it again' in states[-1].fault_text
            assert 'Nothing that was recorded is lost' in states[-1].fault_text
        until(lambda: held(states[-1]), 'that it is Held as it was ordered')
        entries = entries_in(out)
        assert entries[: len(before)] == before
        assert len([item for item in entries if isinstance(item, Ordered)]) == 1
        abort(probe)
        until(lambda: states[-1].state == PackMLState.IDLE, 'IDLE')
    checked = verify(record_of(out), folder=out)
    assert checked.sound, checked.detail
    assert checked.closed


def test_entry_that_a_hung_server_still_writes_is_waited_for_when_the_batch_is_taken_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, 'ANSWER_S', 0.3)
    with create_record(tmp_path, url=server.url, batch_id='B-1') as record:
        record.append(STARTED, at_s=1.0, actor='test')
        with server.hung_at_commit(record) as wake, ThreadPoolExecutor(1) as pool:
            with pytest.raises(MedicellError, match='entry 2 cannot be written'):
                record.append(ORDERED, at_s=2.0, actor='test')
            monkeypatch.setattr(postgresql, 'ANSWER_S', LOCK_S)
            found = pool.submit(read_open_record, tmp_path)
            until(lambda: server.is_waited_for() or found.done(), 'who waits for the session')
            assert not found.done()
            wake()
            assert [item.entry for item in found.result().entries] == [STARTED, ORDERED]
    with open_record(tmp_path) as record:
        assert record.append(ORDERED, at_s=3.0, actor='test') == 3
    checked = verify(record_of(tmp_path))
    assert checked.sound, checked.detail


@pytest.mark.parametrize('hears', [True, False], ids=['at once', 'when it starts again'])
def test_batch_whose_database_server_is_killed_is_held_open_and_goes_on_after_it(
    server: Server, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hears: bool
) -> None:
    monkeypatch.setattr('medicell_orchestrator.engine.ending.STOP_S', 0.2)
    monkeypatch.setattr('medicell_orchestrator.node.keeping.RETRY_S', 0.2)
    out, journals = tmp_path / 'batch', tmp_path / 'journals'
    with active(probe, journals, record_url=server.url) as (_, states):
        begun(probe, out, states)
        before = entries_in(out)
        server.kill()
        if not hears:
            server.start()
        hold = HoldBatch.Request(operator_name='test', reason='test')
        assert probe.call(HoldBatch, 'orchestrator/hold_batch', hold).error_code == ErrorCode.OK
        if hears:
            code = ErrorCode.RECORD_UNREADABLE
            until(lambda: states[-1].fault_code == code, 'word of the database')
            assert states[-1].state == PackMLState.HELD
            said = states[-1].fault_text
            assert 'Nothing that was recorded is lost' in said
            assert f'./medicell run --resume {out}; a launched cell takes it up by itself' in said
            assert start(probe, tmp_path / 'other') is ErrorCode.BATCH_RUNNING
            server.start()
        until(lambda: held(states[-1]), 'that it is Held as it was ordered')
        entries = entries_in(out)
        assert entries[: len(before)] == before
        assert any(isinstance(item, Resumed) for item in entries) is hears
        assert len([item for item in entries if isinstance(item, Ordered)]) == 1
        abort(probe)
        until(lambda: states[-1].state == PackMLState.IDLE, 'IDLE')
    checked = verify(record_of(out), folder=out)
    assert checked.sound, checked.detail
    assert checked.closed
