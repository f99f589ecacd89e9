"""A simulated device whose process dies half way: nothing is made, lost, or moved for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from medicell_core.operations import (
    OPERATIONS,
    ExchangeMedium,
    FillVial,
    Incubate,
    LoadBay,
    Mix,
    MoveToBay,
    Operation,
    Role,
    Sample,
    SelectCells,
    SetClimate,
    Transfer,
    WashAndConcentrate,
)
from medicell_devices.registry import make_driver
from medicell_devices.running import RunningOperation
from medicell_devices.testing.bench import Bench, cid
from medicell_devices.testing.goals import SETUPS, VALID
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

FAIL_SAFE_S = load_parameters().flow.fail_safe_s
NEVER = 10**9
PERFUSION = {'mode': 'perfusion', 'duration_s': 7200.0}


class Killed(BaseException):
    """The process is gone: no code of it may do anything about that."""


class MortalProcess:
    """A world as one process has it: nothing gets through once it died, half way in a sleep."""

    def __init__(self, world: World, dies_in_sleep: int) -> None:
        self._world = world
        self._left = dies_in_sleep
        self._dead = False
        self.sleeps = 0

    def sleep(self, owner: str, duration_s: float) -> None:
        """Sleep, or die when half the time is over."""
        self.sleeps += 1
        self._left -= 1
        if self._left:
            self._world.sleep(owner, duration_s)
            return
        self._world.sleep(owner, duration_s / 2.0)
        self._dead = True
        raise Killed

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a verb of the port."""
        verb = getattr(self._world, name)

        def call(*values: Any, **named: Any) -> Any:
            if self._dead:
                raise Killed
            return verb(*values, **named)

        return call


@contextmanager
def set_up(cls: type[Operation], **changes: object) -> Iterator[tuple[Bench, Operation]]:
    """Give a bench on which an operation can be done, and its goal."""
    with Bench() as bench:
        if cls.__name__ in SETUPS:
            SETUPS[cls.__name__](bench)
        yield bench, bench.goal(cls, **{**VALID[cls], **changes})


def perform(bench: Bench, goal: Operation, dies_in_sleep: int) -> int:
    """Have a driver in a process of its own perform a goal; returns how often it slept."""
    process: Any = MortalProcess(bench.world, dies_in_sleep)
    row = OPERATIONS[type(goal).__name__]
    driver = make_driver(row.roles[0], bench.settings(row.roles[0]), process)
    driver.connect()
    if isinstance(goal, (Incubate, ExchangeMedium)):
        told_set_points(bench)
    running = RunningOperation(
        goal,
        process,
        step_s=600.0,
        lanes=frozenset(),
        journal=bench.journal,
        on_progress=lambda _: None,
        on_done=lambda _: None,
    )
    bench.await_only(goal.operation_id)
    bench.world.begin(goal.operation_id)
    try:
        getattr(driver, row.verb)(goal, running)
    except Killed:
        bench.world.lost(goal.operation_id)
    else:
        bench.world.end(goal.operation_id)
    bench.await_only()
    return int(process.sleeps)


def told_set_points(bench: Bench) -> None:
    """Have the journal know the bay's climate, as a driver that comes up finds it."""
    goal = VALID[SetClimate]
    known = bench.journal.latest('SetClimate', 'bay', 'bay_1')
    if known is None:
        bench.journal.started('earlier', 'SetClimate', goal)
        bench.journal.finished('earlier', {'error_code': 0})


@pytest.mark.parametrize(
    ('cls', 'changes'),
    [
        (Transfer, {}),
        (Sample, {}),
        (SelectCells, {}),
        (WashAndConcentrate, {}),
        (ExchangeMedium, {}),
        (ExchangeMedium, PERFUSION),
        (FillVial, {}),
        (LoadBay, {}),
        (MoveToBay, {}),
        (Incubate, {}),
        (Mix, {}),
    ],
)
def test_death_in_an_operation_conserves_everything_and_leaves_no_pump_running(
    cls: type[Operation], changes: dict[str, object]
) -> None:
    with set_up(cls, **changes) as (bench, goal):
        sleeps = perform(bench, goal, NEVER)
    for dies_in in sorted({1, 2, (sleeps + 1) // 2, sleeps}):
        with set_up(cls, **changes) as (bench, goal):
            assert perform(bench, goal, dies_in) == min(dies_in, sleeps)
            balance = bench.world.balance()
            assert max(balance.volume_error_pct, balance.cells_error_pct) < 1e-9, dies_in
            assert bench.world.state()['flows'] == [], dies_in
            left = bench.volumes(), bench.places()
            again = bench.new_driver(OPERATIONS[cls.__name__].roles[0])
            again.connect()
            again.reset()
            assert (bench.volumes(), bench.places()) == left, dies_in


def test_transfer_has_moved_the_strokes_it_was_told_and_what_ran_until_the_fail_safe() -> None:
    with set_up(Transfer) as (bench, goal):
        assert isinstance(goal, Transfer)
        valve, strokes = 1, 3
        perform(bench, goal, valve + strokes + 1)
        stroke_ml = goal.volume_ml / 8
        wanted_ml = (strokes + 0.5) * stroke_ml + goal.rate_ml_min / 60.0 * FAIL_SAFE_S
        assert bench.volumes()[cid('spare_vessel')] == pytest.approx(wanted_ml, rel=0.05)


def test_selection_has_selected_a_part_and_the_rest_is_in_its_bag() -> None:
    with set_up(SelectCells) as (bench, goal):
        before = bench.world.truth(cid('apheresis'))
        sleeps = perform(bench, goal, NEVER)
    with set_up(SelectCells) as (bench, goal):
        perform(bench, goal, sleeps)
        after, selected = (bench.world.truth(cid(name)) for name in ('apheresis', 'selected'))
    assert 0.05 * before.volume_ml < after.volume_ml < 0.95 * before.volume_ml
    assert 0.0 < selected.viable_untransduced < before.viable_untransduced


def test_a_door_that_stood_open_at_the_death_stays_open() -> None:
    with set_up(LoadBay) as (bench, goal):
        perform(bench, goal, 1)
        assert bench.world.bay('bay_2').door_open
        assert not bench.world.bay('bay_2').container


def test_a_vessel_that_stood_still_for_an_exchange_stays_so_and_its_incubation_says_it() -> None:
    with set_up(ExchangeMedium) as (bench, goal):
        perform(bench, goal, 1)
        assert bench.world.bay('bay_1').agitation_rpm == 0.0
        again = bench.new_driver(Role.INCUBATOR)
        again.connect()
        incubate = bench.goal(Incubate, **VALID[Incubate])
        with (
            bench.context(incubate) as context,
            pytest.raises(Exception, match=r'bay_1 turns at 0\.0 rpm; set are 20 rpm'),
        ):
            again.incubate(incubate, context)  # type: ignore[attr-defined]


@pytest.mark.parametrize(('outcome', 'known'), [(0, True), (204, True), (203, False), (10, False)])
def test_set_points_after_a_restart_are_those_that_the_journal_tells_for_sure(
    outcome: int, known: bool
) -> None:
    with Bench() as bench:
        bench.journal.started('earlier', 'SetClimate', VALID[SetClimate])
        bench.journal.finished('earlier', {'error_code': outcome})
        driver = bench.new_driver(Role.INCUBATOR)
        driver.connect()
        bench.world.set_climate(bay='bay_1', temperature_c=37.0, co2_pct=5.0, agitation_rpm=20.0)
        bench.await_only('warming')
        bench.world.begin('warming')
        bench.world.sleep('warming', 7200.0)
        bench.world.end('warming')
        goal = bench.goal(Incubate, **VALID[Incubate])
        with bench.context(goal) as context:
            if known:
                driver.incubate(goal, context)  # type: ignore[attr-defined]
                return
            with pytest.raises(Exception, match='has been given no set-points'):
                driver.incubate(goal, context)  # type: ignore[attr-defined]
