"""Turns and time are the same whatever the threads do."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medicell_core.errors import ErrorCode, MedicellError
from medicell_sim.timeline import Callback, Timeline

START_S = 1000.0
PATIENCE_S = 10.0


def make(**changes: object) -> Timeline:
    options = {
        'start_s': START_S,
        'paused_until_idle': True,
        'speed': math.inf,
        'leap_limit_s': 50.0,
    }
    return Timeline(**{**options, **changes})


def run_owners(plans: dict[str, list[float]], jitter: int) -> list[tuple[float, str]]:
    """Run every plan in a thread of its own with random delays; return who woke when."""
    line = make()
    woke: list[tuple[float, str]] = []
    inside: list[str] = []
    rng = random.Random(jitter)
    delays = {owner: [rng.random() * 0.002 for _ in range(40)] for owner in plans}

    def work(owner: str) -> None:
        time.sleep(delays[owner][0])
        line.begin(owner)
        for index, duration_s in enumerate([0.0, *plans[owner]]):
            if index:
                line.sleep(owner, duration_s)
            inside.append(owner)
            assert inside == [owner]
            now_s = line.now_s()
            time.sleep(delays[owner][index % 40])
            assert line.now_s() == now_s
            woke.append((now_s, owner))
            inside.remove(owner)
        left.discard(owner)
        line.idle(line_sequence.pop(0), sorted(left))
        line.end(owner)

    left = set(plans)
    line_sequence = list(range(2, 2 + len(plans)))
    threads = [threading.Thread(target=work, args=(owner,)) for owner in plans]
    rng.shuffle(threads)
    for thread in threads:
        thread.start()
    line.idle(1, list(plans))
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), f'{line.running} has the turn at {line.now_s()}'
    line.close()
    return woke


@settings(max_examples=12, deadline=None)
@given(
    plans=st.dictionaries(
        st.sampled_from(['a', 'b', 'c', 'd']),
        st.lists(st.sampled_from([0.0, 1.0, 2.5, 70.0]), min_size=1, max_size=5),
        min_size=1,
    ),
    jitter=st.integers(0, 10_000),
)
def test_order_and_times_of_turns_do_not_depend_on_the_threads(
    plans: dict[str, list[float]], jitter: int
) -> None:
    expected: list[tuple[float, str]] = []
    queue = [(START_S, owner, 0) for owner in plans]
    while queue:
        queue.sort()
        now_s, owner, index = queue.pop(0)
        expected.append((now_s, owner))
        if index < len(plans[owner]):
            queue.append((now_s + plans[owner][index], owner, index + 1))
    assert run_owners(plans, jitter) == expected


def napper(line: Timeline, owner: str, duration_s: float) -> Callback:
    """Return a callback that sleeps once, and does nothing when the timeline closes."""

    def turn(error: MedicellError | None) -> None:
        if error is None:
            line.sleep_async(owner, duration_s, lambda _: None)

    return turn


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f'never came: {what}'
        time.sleep(0.001)


def stays(line: Timeline) -> bool:
    now_s = line.now_s()
    time.sleep(0.15)
    return line.now_s() == now_s


def test_time_stands_before_the_first_idle_when_paused() -> None:
    line = make()
    turns: list[object] = []
    line.begin_async('sampler', turns.append)
    assert stays(line)
    assert turns == []
    line.close()


def test_time_passes_at_the_walls_pace_without_operations_when_not_paused() -> None:
    line = make(paused_until_idle=False)
    begun_s = time.monotonic()
    line.begin('sampler')
    line.sleep('sampler', 0.3)
    assert 0.29 <= time.monotonic() - begun_s < 5.0
    assert line.now_s() == pytest.approx(START_S + 0.3, abs=0.2)
    line.close()


def test_time_stands_while_an_outstanding_operation_has_not_begun() -> None:
    line = make()
    turns: list[object] = []
    line.begin_async('a', turns.append)
    line.idle(1, ['a', 'late'])
    assert stays(line)
    assert turns == []
    line.begin_async('late', turns.append)
    wait_for(lambda: line.running == 'a', 'the turn of a')
    line.close()


def test_time_stands_after_an_operation_ended_until_it_is_named_no_more() -> None:
    line = make()
    line.idle(1, ['a'])
    line.begin_async('sampler', napper(line, 'sampler', 30.0))
    line.begin('a')
    line.end('a')
    assert stays(line)
    line.begin_async('b', napper(line, 'b', 500.0))
    line.idle(2, ['b'])
    wait_for(lambda: line.now_s() == START_S + 30.0, 'the turn of the sampler')
    line.close()


def test_an_older_idle_is_dropped() -> None:
    line = make()
    line.idle(5, ['a'])
    line.idle(4, [])
    assert stays(line)
    line.close()


def test_no_step_passes_a_wake_up_or_the_leap_limit() -> None:
    seen: list[float] = []
    line = make(on_time=seen.append)
    line.register('b')
    line.idle(1, ['a'])
    line.begin_async('b', lambda _: line.sleep_async('b', 75.0, lambda _: line.end('b')))
    line.begin('a')
    line.sleep('a', 120.0)
    assert seen == [START_S + 50.0, START_S + 75.0, START_S + 120.0]
    line.close()


def test_time_never_moves_while_an_owner_runs() -> None:
    line = make()
    line.idle(1, ['a'])
    line.begin_async('sampler', napper(line, 'sampler', 1.0))
    line.begin('a')
    assert line.running == 'a'
    assert stays(line)
    line.close()


def test_a_registered_owner_is_waited_for() -> None:
    line = make()
    line.register('sampler')
    line.idle(1, ['a'])
    turns: list[str] = []
    line.begin_async('a', lambda _: line.sleep_async('a', 10.0, lambda _: turns.append('a')))
    assert stays(line)
    line.begin_async('sampler', lambda _: line.end('sampler'))
    wait_for(lambda: turns == ['a'], 'the turn of a')
    assert line.now_s() == START_S + 10.0
    line.close()


def test_finite_speed_paces_steps_by_the_wall() -> None:
    line = make(speed=100.0)
    line.idle(1, ['a'])
    line.begin('a')
    begun_s = time.monotonic()
    line.sleep('a', 20.0)
    assert 0.19 <= time.monotonic() - begun_s < 5.0
    assert line.now_s() == START_S + 20.0
    line.close()


def test_close_ends_every_sleep_with_world_closed() -> None:
    line = make()
    errors: list[MedicellError] = []

    def work() -> None:
        try:
            line.begin('a')
        except MedicellError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_for(lambda: 'a' in line._sleepers, 'the begin of a')
    line.close()
    line.close()
    thread.join(PATIENCE_S)
    assert [error.code for error in errors] == [ErrorCode.WORLD_CLOSED]
    with pytest.raises(MedicellError, match='closed'):
        line.begin('b')


def test_end_of_a_sleeping_owner_cancels_its_sleep_and_is_safe_twice() -> None:
    line = make()
    line.idle(1, ['a', 'b'])
    errors: list[MedicellError | None] = []
    line.begin_async('a', errors.append)
    line.end('a')
    line.end('a')
    assert [error.code for error in errors] == [ErrorCode.CANCELLED]
    line.close()


@pytest.mark.parametrize(
    ('act', 'message'),
    [
        (lambda line: line.sleep('b', 1.0), 'not the turn of "b"'),
        (lambda line: line.begin('a'), '"a" has begun'),
        (lambda line: line.sleep('a', math.nan), 'nan is not finite'),
    ],
)
def test_wrong_calls_are_refused(act: Callable[[Timeline], object], message: str) -> None:
    line = make()
    line.idle(1, ['a'])
    line.begin('a')
    with pytest.raises(MedicellError, match=message):
        act(line)
    line.close()


def test_a_speed_of_zero_is_refused() -> None:
    with pytest.raises(MedicellError, match='speed: 0'):
        make(speed=0.0)


def test_a_callback_that_raises_loses_its_turn_and_time_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = make()
    line.idle(1, ['b'])

    def bad(error: MedicellError | None) -> None:
        raise ValueError('broken callback')

    line.begin_async('a', bad)
    line.begin('b')
    line.sleep('b', 10.0)
    assert line.now_s() == START_S + 10.0
    assert 'broken callback' in caplog.text
    line.close()


def test_time_stands_at_rest_when_asked_to() -> None:
    told: list[float] = []
    timeline = Timeline(
        start_s=0.0,
        paused_until_idle=True,
        speed=math.inf,
        leap_limit_s=60.0,
        rest_pace=0.0,
        on_time=told.append,
    )
    try:
        timeline.idle(1, [])
        turn = threading.Event()
        timeline.begin_async('sampler', lambda _: turn.set())
        assert turn.wait(5.0)
        slept = threading.Event()
        timeline.sleep_async('sampler', 1.0, lambda _: slept.set())
        assert not slept.wait(0.3)
        assert told == []
        assert timeline.now_s() == 0.0
    finally:
        timeline.close()


@pytest.mark.parametrize('pace', [-1.0, math.inf, math.nan])
def test_a_rest_pace_that_is_none_is_refused(pace: float) -> None:
    with pytest.raises(MedicellError, match='rest_pace'):
        Timeline(
            start_s=0.0,
            paused_until_idle=True,
            speed=1.0,
            leap_limit_s=60.0,
            rest_pace=pace,
        )


def test_woken_sleeper_runs_with_cancelled_and_nobody_beside_it() -> None:
    line = make(speed=1e-6)
    turns: list[MedicellError | None] = []
    line.idle(1, ['b'])
    line.begin('b')
    line.sleep_async('b', 10.0, turns.append)
    line.begin('a')
    line.wake('b')
    line.wake('b')
    assert turns == []
    assert line.running == 'a'
    line.idle(2, ['never'])
    line.end('a')
    wait_for(lambda: turns, 'the turn of b')
    assert turns[0] is not None
    assert turns[0].code is ErrorCode.CANCELLED
    assert line.running == 'b'
    assert line.now_s() == pytest.approx(START_S, abs=1.0)
    line.end('b')
    line.close()


def test_wake_of_a_running_owner_leaves_its_turn_and_ends_its_next_sleep() -> None:
    line = make()
    line.idle(1, ['a'])
    line.begin('a')
    line.wake('a')
    assert line.running == 'a'
    with pytest.raises(MedicellError) as caught:
        line.sleep('a', 100.0)
    assert caught.value.code is ErrorCode.CANCELLED
    assert line.now_s() == START_S
    line.sleep('a', 5.0)
    assert line.now_s() == START_S + 5.0
    line.close()


def test_wake_of_an_unknown_owner_does_nothing() -> None:
    line = make()
    line.wake('nobody')
    line.idle(1, ['a'])
    line.begin('a')
    line.sleep('a', 5.0)
    line.close()
