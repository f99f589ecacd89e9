"""The operation server: once only, one per lane, always an outcome, never a dead thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest
from device_bench import WAIT_S, Served, goal

from medicell_core.clock import WallClock
from medicell_core.errors import ErrorCode, MedicellError, OperationRefused
from medicell_core.operations import (
    AssaySample,
    CountParticles,
    Incubate,
    MeasureProbes,
    Mix,
    MoveToBay,
    Operation,
    Outcome,
    ProcessVial,
    Role,
    SetClimate,
    Transfer,
    TransferResult,
    Weigh,
)
from medicell_core.serialise import to_json
from medicell_core.states import PackMLState
from medicell_devices.server import OperationServer
from medicell_devices.testing.bench import OTHER_BATCH, Bench, cid
from medicell_devices.testing.goals import climate
from medicell_devices.unknown import BrokenOff
from medicell_record.journal import Journal, JournalState, MemoryJournal


@pytest.fixture
def served(bench: Bench) -> Iterator[Served]:
    made = Served(bench, Role.FLUID_HANDLER)
    made.server.start()
    yield made
    assert made.server.close()


def states(served: Served) -> list[PackMLState]:
    seen: list[PackMLState] = []
    for status in served.statuses:
        if not seen or status.state is not seen[-1]:
            seen.append(status.state)
    return seen


def test_operation_runs_and_its_outcome_is_journalled(bench: Bench, served: Served) -> None:
    wanted = goal(bench, Transfer)
    outcome = served.run(wanted)
    assert outcome.ok
    assert isinstance(outcome.result, TransferResult)
    assert outcome.at_s == bench.world.now_s()
    entry = served.journal.find(wanted.operation_id)
    assert entry is not None
    assert entry.state is JournalState.FINISHED
    assert entry.outcome == to_json(outcome)
    assert states(served) == [PackMLState.IDLE, PackMLState.EXECUTE, PackMLState.IDLE]
    assert served.progress[-1].fraction_done == pytest.approx(1.0, abs=0.02)


def test_status_names_the_running_operation(bench: Bench, served: Served) -> None:
    wanted = goal(bench, Transfer)
    served.run(wanted)
    running = next(item for item in served.statuses if item.state is PackMLState.EXECUTE)
    assert (running.operation_id, running.operation) == (wanted.operation_id, 'Transfer')


def test_finished_id_returns_the_recorded_outcome_and_moves_nothing(
    bench: Bench, served: Served
) -> None:
    wanted = goal(bench, Transfer)
    first = served.run(wanted)
    before = bench.volumes()
    second = served.run(wanted)
    assert second == first
    assert bench.volumes() == before


def test_failed_id_returns_the_recorded_failure(bench: Bench, served: Served) -> None:
    bench.world.inject('leak', 'p')
    wanted = goal(bench, Transfer)
    first = served.run(wanted)
    assert first.error_code is ErrorCode.LEAK
    assert isinstance(first.result, TransferResult)
    before = bench.volumes()
    assert served.run(wanted) == first
    assert bench.volumes() == before
    assert served.server.status().state is PackMLState.IDLE
    assert served.server.status().fault_code is ErrorCode.LEAK


def test_finished_id_is_answered_after_a_restart_from_disk(bench: Bench, tmp_path: Path) -> None:
    wanted = goal(bench, Transfer)
    with Journal(tmp_path / 'journal') as journal:
        first = Served(bench, Role.FLUID_HANDLER, journal=journal)  # type: ignore[arg-type]
        first.server.start()
        outcome = first.run(wanted)
        first.server.close()
    before = bench.volumes()
    with Journal(tmp_path / 'journal') as journal:
        again = Served(bench, Role.FLUID_HANDLER, journal=journal)  # type: ignore[arg-type]
        again.server.start()
        assert again.run(wanted) == outcome
        again.server.close()
    assert bench.volumes() == before


def test_started_and_not_finished_is_unknown_and_the_device_is_held(
    bench: Bench, served: Served
) -> None:
    wanted = goal(bench, Transfer)
    served.journal.started(wanted.operation_id, 'Transfer', to_json(wanted))
    before = bench.volumes()
    assert served.run(wanted).error_code is ErrorCode.OUTCOME_UNKNOWN
    assert bench.volumes() == before
    assert served.server.status().state is PackMLState.HELD
    assert served.run(goal(bench, Mix)).error_code is ErrorCode.NOT_ACTIVE
    served.server.clear()
    assert served.run(goal(bench, Mix)).ok


@pytest.mark.parametrize(
    ('role', 'kind'),
    [
        (Role.FLUID_HANDLER, Weigh),
        (Role.INCUBATOR, Incubate),
        (Role.INCUBATOR, MeasureProbes),
        (Role.PARTICLE_COUNTER, CountParticles),
    ],
)
def test_broken_off_operation_that_moves_nothing_is_over_and_the_device_is_idle(
    bench: Bench, role: Role, kind: type[Operation]
) -> None:
    wanted = goal(bench, kind)
    served = Served(bench, role)
    served.journal.started(wanted.operation_id, kind.__name__, to_json(wanted))
    served.server.start()
    assert served.server.status().state is PackMLState.IDLE
    assert served.journal.unfinished() == []
    outcome = served.run(wanted)
    assert outcome.error_code is ErrorCode.OUTCOME_UNKNOWN
    assert 'it moves nothing' in outcome.error_msg
    assert served.server.status().state is PackMLState.IDLE
    assert served.server.close()


@pytest.mark.parametrize(
    ('role', 'kind', 'said'),
    [
        (Role.INCUBATOR, Incubate, 'it moves nothing'),
        (Role.FILL_ROBOT, ProcessVial, 'was broken off by the end of its process'),
    ],
)
def test_goal_that_comes_before_the_device_has_looked_is_answered_with_what_was_found(
    bench: Bench, role: Role, kind: type[Operation], said: str
) -> None:
    wanted = goal(bench, kind)
    served = Served(bench, role)
    served.journal.started(wanted.operation_id, kind.__name__, to_json(wanted))
    served.submit(wanted)
    served.server.start()
    early = served.outcome(wanted)
    assert said in early.error_msg
    assert (early.result is not None) == (kind is ProcessVial)
    assert served.run(wanted).error_msg == early.error_msg
    assert served.server.close()


def test_goal_that_waits_for_a_look_is_answered_when_the_device_is_closed(bench: Bench) -> None:
    wanted = goal(bench, ProcessVial)
    served = Served(bench, Role.FILL_ROBOT)
    served.journal.started(wanted.operation_id, 'ProcessVial', to_json(wanted))
    served.submit(wanted)
    assert served.server.close()
    outcome = served.outcome(wanted)
    assert (outcome.error_code, outcome.result) == (ErrorCode.OUTCOME_UNKNOWN, None)


def test_operation_that_still_runs_when_its_device_is_started_again_is_not_broken_off(
    bench: Bench, served: Served
) -> None:
    wanted = goal(bench, Weigh)
    served.journal.started(wanted.operation_id, 'Weigh', to_json(wanted))
    broken_off = BrokenOff(bench.driver(Role.FLUID_HANDLER), bench.world, served.journal)
    broken_off.look(but={wanted.operation_id})
    assert [item.operation_id for item in served.journal.unfinished()] == [wanted.operation_id]
    assert broken_off.text(but={wanted.operation_id}) == ''


def test_device_whose_driver_cannot_look_after_a_crash_is_held(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = goal(bench, ProcessVial)
    served = Served(bench, Role.FILL_ROBOT)
    served.journal.started(wanted.operation_id, 'ProcessVial', to_json(wanted))

    def lost(*_: object) -> int:
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'no printer')

    monkeypatch.setattr(bench.world, 'labels_printed', lost)
    served.server.start()
    assert served.server.status().state is PackMLState.HELD
    outcome = served.run(wanted)
    assert (outcome.error_code, outcome.result) == (ErrorCode.OUTCOME_UNKNOWN, None)
    assert served.server.close()


def test_id_used_for_another_goal_is_refused(bench: Bench, served: Served) -> None:
    wanted = goal(bench, Mix)
    served.run(wanted)
    other = Mix(
        operation_id=wanted.operation_id,
        batch_id=wanted.batch_id,
        container=cid('product'),
        duration_s=30.0,
    )
    assert served.run(other).error_code is ErrorCode.INVALID_GOAL


def test_journal_is_written_before_the_first_stroke_and_the_clock_ends_after_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    journal = MemoryJournal()
    spied = (
        (journal, 'started'),
        (journal, 'finished'),
        (bench.world, 'begin'),
        (bench.world, 'pump'),
        (bench.world, 'end'),
    )
    for owner, name in spied:
        real = getattr(owner, name)

        def spy(*args: object, _real: object = real, _name: str = name, **rest: object) -> object:
            order.append(_name)
            return _real(*args, **rest)  # type: ignore[operator]

        monkeypatch.setattr(owner, name, spy)
    served = Served(bench, Role.FLUID_HANDLER, journal=journal)
    served.server.start()
    wanted = goal(bench, Transfer)
    bench.await_only(wanted.operation_id)
    done = threading.Event()

    def on_done(_: Outcome) -> None:
        order.append('done')
        done.set()

    served.server.submit(wanted, on_progress=lambda _: None, on_done=on_done)
    assert done.wait(WAIT_S)
    assert order == ['begin', 'started', *['pump'] * 8, 'finished', 'end', 'done']
    assert served.server.close()


def test_second_operation_of_one_lane_is_busy(bench: Bench, served: Served) -> None:
    first, second = goal(bench, Transfer), goal(bench, Mix)
    outcomes = served.run_all(first, second)
    assert outcomes[first.operation_id].ok
    assert outcomes[second.operation_id].error_code is ErrorCode.DEVICE_BUSY


def test_same_goal_sent_again_while_it_runs_is_done_once_and_answered_to_both(
    bench: Bench, served: Served
) -> None:
    wanted = goal(bench, Transfer)
    bench.await_only('nobody')
    outcomes: list[Outcome] = []
    progress: list[int] = []
    came = threading.Semaphore(0)

    def on_done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        came.release()

    for told in (1, 2):
        served.server.submit(
            wanted, on_progress=lambda _, who=told: progress.append(who), on_done=on_done
        )
    assert not came.acquire(blocking=False)
    bench.await_only(wanted.operation_id)
    assert came.acquire(timeout=WAIT_S)
    assert came.acquire(timeout=WAIT_S)
    assert outcomes[0].ok
    assert outcomes[1] == outcomes[0]
    assert set(progress) == {1, 2}
    assert bench.world.truth(cid('spare_vessel')).volume_ml == pytest.approx(50.0, rel=0.02)


def test_other_goal_under_the_id_of_one_that_runs_is_refused(bench: Bench, served: Served) -> None:
    wanted = goal(bench, Transfer)
    bench.await_only('nobody')
    served.server.submit(
        wanted,
        on_progress=lambda _: None,
        on_done=lambda outcome: served._take(wanted.operation_id, outcome),
    )
    other = replace(wanted, volume_ml=1.0)  # type: ignore[call-arg]
    refused: list[Outcome] = []
    came = threading.Event()

    def on_done(outcome: Outcome) -> None:
        refused.append(outcome)
        came.set()

    served.server.submit(other, on_progress=lambda _: None, on_done=on_done)
    assert came.wait(WAIT_S)
    assert refused[0].error_code is ErrorCode.INVALID_GOAL
    bench.await_only(wanted.operation_id)
    assert served.outcome(wanted).ok


def test_same_goal_sent_again_as_cancelled_ends_the_one_that_runs(
    bench: Bench, served: Served
) -> None:
    wanted = goal(bench, Transfer)
    bench.await_only('nobody')
    codes: list[ErrorCode] = []
    came = threading.Semaphore(0)

    def on_done(outcome: Outcome) -> None:
        codes.append(outcome.error_code)
        came.release()

    for cancelled in (False, True):
        served.server.submit(
            wanted, on_progress=lambda _: None, on_done=on_done, cancelled=cancelled
        )
    bench.await_only(wanted.operation_id)
    assert came.acquire(timeout=WAIT_S)
    assert came.acquire(timeout=WAIT_S)
    assert codes == [ErrorCode.CANCELLED] * 2


def test_bays_work_side_by_side_and_one_bay_does_not(bench: Bench) -> None:
    climate(bench)
    served = Served(bench, Role.INCUBATOR)
    served.server.start()
    first = goal(bench, Incubate)
    beside = goal(bench, SetClimate, bay='bay_2')
    probes = goal(bench, MeasureProbes)
    clash = goal(bench, MoveToBay, from_bay='bay_3', to_bay='bay_1')
    outcomes = served.run_all(first, beside, probes, clash)
    assert outcomes.pop(clash.operation_id).error_code is ErrorCode.DEVICE_BUSY
    assert all(outcome.ok for outcome in outcomes.values())
    assert served.server.close()


def test_tests_of_the_laboratory_run_side_by_side(bench: Bench) -> None:
    served = Served(bench, Role.LABORATORY)
    served.server.start()
    begun_s = bench.world.now_s()
    goals = [goal(bench, AssaySample, test=test) for test in ('sterility', 'potency', 'endotoxin')]
    assert all(outcome.ok for outcome in served.run_all(*goals).values())
    assert bench.world.now_s() - begun_s <= 24.5 * 3600.0
    assert served.server.close()


def test_goal_of_another_batch_is_refused_while_one_of_this_runs(bench: Bench) -> None:
    served = Served(bench, Role.LABORATORY)
    served.server.start()
    mine = goal(bench, AssaySample, test='sterility')
    other = goal(bench, AssaySample, test='potency', batch_id=OTHER_BATCH)
    outcomes = served.run_all(mine, other)
    assert outcomes[mine.operation_id].ok
    refused = outcomes[other.operation_id]
    assert refused.error_code is ErrorCode.IDENTITY_MISMATCH
    assert mine.operation_id in refused.error_msg
    assert served.server.close()


def test_goal_of_a_batch_is_refused_while_the_journal_has_an_open_one_of_another(
    bench: Bench,
) -> None:
    journal = MemoryJournal()
    journal.started(f'{OTHER_BATCH}@1/u/o/p#1', 'Transfer', {})
    served = Served(bench, Role.FLUID_HANDLER, journal=journal)
    served.server.start()
    before = bench.volumes()
    refused = served.run(goal(bench, Transfer))
    assert not refused.ok
    assert f'{OTHER_BATCH}@1/u/o/p#1' in refused.error_msg
    assert bench.volumes() == before
    assert served.server.close()


def sleeping(served: Served, wanted: Operation) -> None:
    """Submit a goal and wait until it sleeps in a world that stands still."""
    steps = threading.Event()
    served.bench.world.register('sampler/still')
    served.submit(wanted, progress=lambda _: steps.set())
    assert steps.wait(WAIT_S)


def test_cancel_ends_a_sleeping_operation_though_time_stands_still(
    bench: Bench, served: Served
) -> None:
    wanted = goal(bench, Mix, duration_s=86400.0)
    sleeping(served, wanted)
    assert served.server.cancel(wanted.operation_id)
    assert served.outcome(wanted).error_code is ErrorCode.CANCELLED
    assert not served.server.cancel(wanted.operation_id)
    assert served.server.status().state is PackMLState.IDLE
    bench.world.end('sampler/still')


def test_stop_halts_and_nothing_runs_until_clear(bench: Bench, served: Served) -> None:
    wanted = goal(bench, Mix, duration_s=86400.0)
    sleeping(served, wanted)
    served.server.stop('stop button')
    served.server.stop('stop button again')
    outcome = served.outcome(wanted)
    assert outcome.error_code is ErrorCode.STOPPED
    assert 'stop button' in outcome.error_msg
    assert served.server.status().state is PackMLState.STOPPED
    refused = served.run(goal(bench, Mix))
    assert refused.error_code is ErrorCode.STOPPED
    assert 'stop button' in refused.error_msg
    served.server.clear()
    served.server.clear()
    bench.world.end('sampler/still')
    assert served.run(goal(bench, Mix)).ok
    assert PackMLState.STOPPING in states(served)
    assert PackMLState.RESETTING in states(served)


def test_refused_goal_is_never_begun_under_its_id_and_may_be_under_another(
    bench: Bench, served: Served
) -> None:
    served.server.stop('stop button')
    wanted = goal(bench, Transfer)
    refusal = served.run(wanted)
    assert refusal.error_code is ErrorCode.STOPPED
    entry = served.journal.find(wanted.operation_id)
    assert entry is not None
    assert entry.state is JournalState.REFUSED
    served.server.clear()
    before = bench.volumes()
    assert served.run(wanted) == replace(refusal, at_s=ANY)
    assert bench.volumes() == before
    assert served.run(goal(bench, Transfer)).ok


def test_goal_refused_as_busy_is_not_begun_by_a_copy_that_comes_when_the_lane_is_free(
    bench: Bench, served: Served
) -> None:
    first, second = goal(bench, Transfer), goal(bench, Mix)
    assert served.run_all(first, second)[second.operation_id].error_code is ErrorCode.DEVICE_BUSY
    assert served.run(second).error_code is ErrorCode.DEVICE_BUSY


def test_goal_cancelled_before_it_began_is_not_begun_by_a_copy_after_a_restart(
    bench: Bench, tmp_path: Path
) -> None:
    wanted = goal(bench, Transfer)
    before = bench.volumes()
    for cancelled in (True, False):
        with Journal(tmp_path / 'journal') as journal:
            served = Served(bench, Role.FLUID_HANDLER, journal=journal)  # type: ignore[arg-type]
            served.server.start()
            bench.await_only(wanted.operation_id)
            served.server.submit(
                wanted,
                on_progress=lambda _: None,
                on_done=lambda outcome, told=served: told._take(wanted.operation_id, outcome),
                cancelled=cancelled,
            )
            assert served.outcome(wanted).error_code is ErrorCode.CANCELLED
            assert served.server.close()
    assert bench.volumes() == before


def test_refusal_that_the_journal_cannot_keep_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = MemoryJournal()
    served = Served(bench, Role.FLUID_HANDLER, journal=journal)

    def full(*_: object) -> None:
        raise MedicellError(ErrorCode.HARDWARE_FAULT, 'no space left on device')

    monkeypatch.setattr(journal, 'refused', full)
    outcome = served.run(goal(bench, Mix))
    assert outcome.error_code is ErrorCode.NOT_ACTIVE
    assert 'the journal does not keep it: no space left' in outcome.error_msg
    assert served.server.close()


def test_server_that_was_not_started_is_not_active(bench: Bench) -> None:
    served = Served(bench, Role.FLUID_HANDLER)
    assert served.run(goal(bench, Mix)).error_code is ErrorCode.NOT_ACTIVE
    with pytest.raises(OperationRefused) as caught:
        served.server.clear()
    assert caught.value.code is ErrorCode.NOT_ACTIVE
    assert served.server.close()


def test_closed_server_has_ended_its_threads(bench: Bench) -> None:
    served = Served(bench, Role.FLUID_HANDLER)
    served.server.start()
    wanted = goal(bench, Mix, duration_s=86400.0)
    sleeping(served, wanted)
    assert served.server.close()
    assert served.outcome(wanted).error_code is ErrorCode.STOPPED
    assert not [item for item in threading.enumerate() if 'fluid_handler' in item.name]
    assert served.run(goal(bench, Mix)).error_code is ErrorCode.NOT_ACTIVE


def test_unexpected_error_becomes_a_hardware_fault_and_aborts(
    bench: Bench, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError('the firmware divided by zero')

    monkeypatch.setattr(bench.world, 'mix', broken)
    wanted = goal(bench, Mix)
    outcome = served.run(wanted)
    assert outcome.error_code is ErrorCode.HARDWARE_FAULT
    assert 'ZeroDivisionError: the firmware divided by zero' in outcome.error_msg
    assert served.server.status().state is PackMLState.ABORTED
    assert served.run(goal(bench, Mix)).error_code is ErrorCode.NOT_ACTIVE
    monkeypatch.undo()
    served.server.clear()
    assert served.run(goal(bench, Mix)).ok
    assert PackMLState.CLEARING in states(served)


def test_safe_state_that_is_not_reached_aborts(
    bench: Bench, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck() -> None:
        raise MedicellError(ErrorCode.HARDWARE_FAULT, 'the valve is stuck')

    driver = bench.driver(Role.FLUID_HANDLER)
    monkeypatch.setattr(driver, 'stop', stuck)
    served.server.stop('stop button')
    status = served.server.status()
    assert status.state is PackMLState.ABORTED
    assert 'the valve is stuck' in status.fault_text
    monkeypatch.setattr(driver, 'reset', stuck)
    with pytest.raises(MedicellError) as caught:
        served.server.clear()
    assert caught.value.code is ErrorCode.HARDWARE_FAULT
    monkeypatch.undo()


def test_journal_that_cannot_be_written_lets_nothing_move(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = MemoryJournal()
    served = Served(bench, Role.FLUID_HANDLER, journal=journal)
    served.server.start()

    def full(*_: object) -> None:
        raise MedicellError(ErrorCode.HARDWARE_FAULT, 'no space left on device')

    monkeypatch.setattr(journal, 'started', full)
    before = bench.volumes()
    outcome = served.run(goal(bench, Transfer))
    assert outcome.error_code is ErrorCode.HARDWARE_FAULT
    assert bench.volumes() == before
    assert served.server.close()


def test_callbacks_that_fail_do_no_harm(bench: Bench, served: Served) -> None:
    came = threading.Event()

    def broken(outcome: Outcome) -> None:
        came.set()
        raise ValueError(outcome)

    wanted = goal(bench, Mix)
    bench.await_only(wanted.operation_id)
    served.server.submit(wanted, on_progress=lambda _: None, on_done=broken)
    assert came.wait(WAIT_S)
    assert served.run(goal(bench, Mix)).ok


def test_driver_without_an_instrument_cannot_start(bench: Bench) -> None:
    def away() -> float:
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'no answer')

    driver = bench.driver(Role.FLUID_HANDLER)
    real, bench.world.now_s = bench.world.now_s, away  # type: ignore[method-assign]
    server = OperationServer(driver, bench.world, MemoryJournal(), on_status=lambda _: None)
    with pytest.raises(MedicellError) as caught:
        server.start()
    assert caught.value.code is ErrorCode.HARDWARE_FAULT
    assert server.status().state is PackMLState.STOPPED
    bench.world.now_s = real  # type: ignore[method-assign]


def test_goal_of_another_role_is_refused(bench: Bench, served: Served) -> None:
    outcome = served.run(goal(bench, CountParticles))
    assert outcome.error_code is ErrorCode.INVALID_GOAL


def test_wall_clock_ends_an_operation_within_a_step(bench: Bench) -> None:
    clock = WallClock()
    done: list[Outcome] = []
    came = threading.Event()
    begun = threading.Event()
    server = OperationServer(
        bench.driver(Role.FLUID_HANDLER), clock, MemoryJournal(), on_status=lambda _: None
    )
    server.start()
    wanted = goal(bench, Mix, duration_s=3600.0)
    server.submit(
        wanted,
        on_progress=lambda _: begun.set(),
        on_done=lambda outcome: (done.append(outcome), came.set()),
    )
    assert begun.wait(WAIT_S)
    assert server.cancel(wanted.operation_id)
    assert came.wait(2.0)
    assert done[0].error_code is ErrorCode.CANCELLED
    clock.close()
    assert server.close()
