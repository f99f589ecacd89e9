"""An operation always has an outcome, whatever breaks around its verb."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from device_bench import WAIT_S, Served, goal

from medicell_core.clock import Clock
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    Mix,
    Operation,
    Outcome,
    Progress,
    Role,
    StopperVialResult,
    Transfer,
    TransferResult,
)
from medicell_core.serialise import to_json
from medicell_core.states import PackMLState
from medicell_devices.failure import PartlyDone
from medicell_devices.performing import Performer
from medicell_devices.server import OperationServer
from medicell_devices.testing.bench import Bench, cid
from medicell_record.journal import Journal, JournalState, MemoryJournal


@dataclass
class Cut:
    """A clock whose world is in another process, and can be cut off from it."""

    world: Clock
    cut_in: str
    gone: bool = False
    ended: list[str] = field(default_factory=list)

    def _reach(self, verb: str) -> None:
        self.gone = self.gone or verb == self.cut_in
        if self.gone:
            raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'the world does not answer')

    def now_s(self) -> float:
        self._reach('now_s')
        return self.world.now_s()

    def begin(self, owner: str) -> None:
        self._reach('begin')
        self.world.begin(owner)

    def sleep(self, owner: str, duration_s: float) -> None:
        self._reach('sleep')
        self.world.sleep(owner, duration_s)

    def wake(self, owner: str) -> None:
        self._reach('wake')
        self.world.wake(owner)

    def end(self, owner: str) -> None:
        self.ended.append(owner)
        self.world.end(owner)
        self._reach('end')


def run(server: OperationServer, bench: Bench, wanted: Operation) -> Outcome:
    """Have a server perform a goal; the wait for its outcome is bounded."""
    came = threading.Event()
    outcomes: list[Outcome] = []
    bench.await_only(wanted.operation_id)
    server.submit(
        wanted,
        on_progress=lambda _: None,
        on_done=lambda outcome: (outcomes.append(outcome), came.set()),
    )
    assert came.wait(WAIT_S), f'no outcome: {server.status()}'
    return outcomes[0]


def serve(
    bench: Bench, *, clock: Clock | None = None, journal: MemoryJournal | None = None
) -> OperationServer:
    server = OperationServer(
        bench.driver(Role.FLUID_HANDLER),
        clock or bench.world,
        journal or MemoryJournal(),
        on_status=lambda _: None,
    )
    server.start()
    return server


@pytest.mark.parametrize('verb', ['begin', 'sleep'])
def test_world_that_goes_leaves_an_outcome_and_a_free_lane(bench: Bench, verb: str) -> None:
    clock = Cut(bench.world, cut_in=verb)
    server = serve(bench, clock=clock)
    outcome = run(server, bench, goal(bench, Transfer))
    assert outcome.error_code is ErrorCode.COMMUNICATION_LOST
    assert math.isnan(outcome.at_s)
    assert server.status().operation_id == ''
    assert server.status().state is PackMLState.IDLE
    assert server.close()


def test_outcome_survives_a_clock_that_fails_at_the_end(bench: Bench) -> None:
    clock = Cut(bench.world, cut_in='end')
    server = serve(bench, clock=clock)
    wanted = goal(bench, Transfer)
    outcome = run(server, bench, wanted)
    assert outcome.ok, outcome
    assert isinstance(outcome.result, TransferResult)
    assert clock.ended == [wanted.operation_id]
    assert server.close()


class FullJournal(MemoryJournal):
    """A journal whose disk is full once an operation has started."""

    full = True

    def finished(self, operation_id: str, outcome: dict[str, object]) -> None:
        if self.full:
            raise MedicellError(ErrorCode.HARDWARE_FAULT, 'no space left on device')
        super().finished(operation_id, outcome)


def test_outcome_that_is_not_journalled_is_unknown_and_holds_the_device(bench: Bench) -> None:
    journal = FullJournal()
    server = serve(bench, journal=journal)
    wanted = goal(bench, Transfer)
    outcome = run(server, bench, wanted)
    assert outcome.error_code is ErrorCode.OUTCOME_UNKNOWN
    assert 'no space left on device' in outcome.error_msg
    assert server.status().state is PackMLState.HELD
    assert server.status().fault_code is ErrorCode.OUTCOME_UNKNOWN
    assert run(server, bench, goal(bench, Mix)).error_code is ErrorCode.NOT_ACTIVE
    with pytest.raises(MedicellError, match='no space left on device'):
        server.clear()
    assert server.status().state is PackMLState.ABORTED
    journal.full = False
    server.clear()
    assert run(server, bench, wanted).error_code is ErrorCode.OUTCOME_UNKNOWN
    assert run(server, bench, goal(bench, Mix)).ok
    assert server.close()


def test_performer_that_breaks_still_gives_an_outcome(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(bench)

    def broken(*_: object) -> Outcome:
        raise ZeroDivisionError('nobody expected this')

    monkeypatch.setattr(Performer, 'perform', broken)
    outcome = run(server, bench, goal(bench, Mix))
    assert outcome.error_code is ErrorCode.OUTCOME_UNKNOWN
    assert 'nobody expected this' in outcome.error_msg
    assert server.status().state is PackMLState.HELD
    monkeypatch.undo()
    server.clear()
    assert run(server, bench, goal(bench, Mix)).ok
    assert server.close()


def test_thread_that_cannot_start_leaves_a_free_lane(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(bench)

    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, 'start', full)
    with pytest.raises(RuntimeError, match='new thread'):
        server.submit(
            goal(bench, Mix), on_progress=lambda _: None, on_done=lambda _: pytest.fail('ran')
        )
    monkeypatch.undo()
    assert server.status().state is PackMLState.IDLE
    assert run(server, bench, goal(bench, Mix)).ok
    assert server.close()


def test_result_of_another_operation_is_dropped_and_its_code_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leak(*_: object) -> None:
        other = StopperVialResult(force_n=1.0)
        raise PartlyDone(ErrorCode.LEAK, 'wet floor', other)

    monkeypatch.setattr(bench.driver(Role.FLUID_HANDLER), 'transfer', leak)
    server = serve(bench)
    outcome = run(server, bench, goal(bench, Transfer))
    assert (outcome.error_code, outcome.error_msg) == (ErrorCode.LEAK, 'wet floor')
    assert outcome.result is None
    assert server.close()


def test_driver_that_returns_another_result_is_at_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.driver(Role.FLUID_HANDLER), 'transfer', lambda *_: None)
    server = serve(bench)
    outcome = run(server, bench, goal(bench, Transfer))
    assert outcome.error_code is ErrorCode.HARDWARE_FAULT
    assert 'NoneType' in outcome.error_msg
    assert server.status().state is PackMLState.ABORTED
    assert server.close()


def test_progress_that_cannot_be_told_stops_no_movement(bench: Bench) -> None:
    def lost(_: Progress) -> None:
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'nobody listens')

    served = Served(bench, Role.FLUID_HANDLER)
    served.server.start()
    wanted = goal(bench, Transfer)
    served.submit(wanted, progress=lost)
    assert served.outcome(wanted).ok
    assert bench.world.truth(cid('spare_vessel')).volume_ml == pytest.approx(50.0, rel=0.02)
    assert served.server.close()


def test_start_with_an_unfinished_journal_is_held_until_a_person_clears(
    bench: Bench, tmp_path: Path
) -> None:
    wanted, other = goal(bench, Transfer), goal(bench, Mix)
    with Journal(tmp_path / 'journal') as journal:
        journal.started(wanted.operation_id, 'Transfer', to_json(wanted))
    before = bench.volumes()
    with Journal(tmp_path / 'journal') as journal:
        served = Served(bench, Role.FLUID_HANDLER, journal=journal)  # type: ignore[arg-type]
        served.server.start()
        status = served.server.status()
        assert (status.state, status.fault_code) == (PackMLState.HELD, ErrorCode.OUTCOME_UNKNOWN)
        assert wanted.operation_id in status.fault_text
        assert served.run(other).error_code is ErrorCode.NOT_ACTIVE
        served.server.clear()
        assert served.run(goal(bench, Mix)).ok
        assert served.run(wanted).error_code is ErrorCode.OUTCOME_UNKNOWN
        assert served.server.status().state is PackMLState.IDLE
        assert served.server.close()
    with Journal(tmp_path / 'journal') as journal:
        assert journal.unfinished() == []
        entry = journal.find(wanted.operation_id)
        assert entry is not None
        assert entry.state is JournalState.FINISHED
    assert bench.volumes() == before
