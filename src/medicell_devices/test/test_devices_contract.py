"""What every driver of every role must do, run against each driver that is registered."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import fields

import pytest
from device_bench import Bench, cid
from refusals import REFUSALS, WRONG_NUMBERS, Refusal
from valid_goals import VALID, climate, station

from medicell_core.errors import ErrorCode, MedicellError, OperationRefused
from medicell_core.operations import (
    OPERATIONS,
    CountParticles,
    Mix,
    Operation,
    Role,
    Transfer,
    operations_of,
)
from medicell_devices.contracts import CONTRACTS
from medicell_devices.registry import driver_factories, driver_factory

DRIVERS = sorted(driver_factories())
ROLES = list(Role)
SETUPS = {
    'Incubate': climate,
    'ExchangeMedium': climate,
    'FillVial': station('vial_01', 'fill'),
    'StopperVial': station('vial_03', 'stopper'),
    'CapVial': station('vial_03', 'cap', stoppered=True),
    'LabelVial': station('vial_03', 'label', stoppered=True, capped=True),
}
FLOWING = {'Transfer', 'SelectCells', 'WashAndConcentrate', 'FillVial'}
"""Operations that open valves: they are ended with the valves open."""
UNTIMED = {'ReadLabel'}
"""Operations too short to be ended half-way."""
VERBS = [name for name in OPERATIONS if name != 'AnalyseImages']
"""Operations that a bare goal can start; the analysis needs pictures first."""


@pytest.fixture(params=DRIVERS)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(request.param)
    yield made
    made.close()


def ready(bench: Bench, name: str) -> Operation:
    """Set the cell up for an operation and return a goal that it takes."""
    cls = OPERATIONS[name].goal
    if name in SETUPS:
        SETUPS[name](bench)
    return bench.goal(cls, **VALID[cls])


@pytest.mark.parametrize('role', ROLES)
def test_driver_has_the_verbs_of_its_role(bench: Bench, role: Role) -> None:
    driver = bench.driver(role)
    assert driver.role is role
    assert isinstance(driver, CONTRACTS[role])
    for row in operations_of(role).values():
        assert callable(getattr(driver, row.verb))


@pytest.mark.parametrize('role', ROLES)
def test_connect_stop_and_reset_twice_are_as_good_as_once(bench: Bench, role: Role) -> None:
    driver = bench.driver(role)
    for verb in (driver.connect, driver.stop, driver.reset):
        verb()
        verb()
    assert 'fault' not in driver.health()


@pytest.mark.parametrize('role', ROLES)
def test_telemetry_is_finite_at_rest_and_stopped(bench: Bench, role: Role) -> None:
    driver = bench.driver(role)
    at_rest = driver.telemetry()
    driver.stop()
    stopped = driver.telemetry()
    assert at_rest
    assert at_rest.keys() == stopped.keys()
    assert all(math.isfinite(value) for value in (*at_rest.values(), *stopped.values()))


@pytest.mark.parametrize('name', VERBS)
def test_valid_goal_is_done(bench: Bench, name: str) -> None:
    bench.run(ready(bench, name))


@pytest.mark.parametrize('refusal', REFUSALS, ids=lambda item: item.name)
def test_limit_is_refused_and_nothing_moves(bench: Bench, refusal: Refusal) -> None:
    for setup in refusal.setup:
        setup(bench)
    goal = refusal.goal(bench)
    assert bench.refuses(goal) is refusal.code


@pytest.mark.parametrize('name', list(OPERATIONS))
def test_wrong_number_is_refused_by_field(bench: Bench, name: str) -> None:
    cls = OPERATIONS[name].goal
    numbers = [item.name for item in fields(cls) if item.type in ('float', 'int')]
    for field in numbers:
        for wrong in WRONG_NUMBERS:
            error = bench.fails(bench.goal(cls, **{**VALID[cls], field: wrong}))
            assert error.code is ErrorCode.INVALID_GOAL
            assert field in error.message


@pytest.mark.parametrize('name', list(OPERATIONS))
def test_empty_text_is_refused_by_field(bench: Bench, name: str) -> None:
    cls = OPERATIONS[name].goal
    texts = [key for key, value in VALID[cls].items() if isinstance(value, str)]
    for field in texts:
        error = bench.fails(bench.goal(cls, **{**VALID[cls], field: ' '}))
        assert error.code is ErrorCode.INVALID_GOAL
        assert field in error.message


@pytest.mark.parametrize('name', list(OPERATIONS))
def test_stopped_driver_moves_nothing_until_reset(bench: Bench, name: str) -> None:
    row = OPERATIONS[name]
    goal = bench.goal(row.goal, **VALID[row.goal])
    driver = bench.driver(row.roles[0])
    driver.stop()
    assert bench.refuses(goal) is ErrorCode.STOPPED


@pytest.mark.parametrize('role', ROLES)
def test_driver_that_is_not_connected_refuses(bench: Bench, role: Role) -> None:
    driver = driver_factory(bench.driver_name)(role, bench.config.settings(role), bench.world)
    name, row = next(iter(operations_of(role).items()))
    goal = bench.goal(row.goal, **VALID[row.goal])
    with bench.context(goal) as context, pytest.raises(OperationRefused) as caught:
        getattr(driver, row.verb)(goal, context)
    assert caught.value.code is ErrorCode.NOT_ACTIVE
    assert name


@pytest.mark.parametrize('name', [name for name in VERBS if name not in UNTIMED])
@pytest.mark.parametrize('code', [ErrorCode.CANCELLED, ErrorCode.STOPPED])
def test_operation_ends_at_the_next_step(bench: Bench, name: str, code: ErrorCode) -> None:
    row = OPERATIONS[name]
    goal = ready(bench, name)
    driver = bench.driver(row.roles[0])
    with bench.context(goal, step_s=1.0) as context:
        begun_s = bench.world.now_s()
        ender = _EndsAfter(context, code, sleeps=2 if name in FLOWING else 1)
        with pytest.raises(MedicellError) as caught:
            getattr(driver, row.verb)(goal, ender)
        taken_s = bench.world.now_s() - begun_s
    assert caught.value.code is code
    assert taken_s <= 3.0
    _assert_safe(driver.telemetry())


def _assert_safe(telemetry: dict[str, float]) -> None:
    for key, value in telemetry.items():
        if key.endswith(('pump_rate_ml_min', 'exchange_rate_ml_min', 'flow_l_min')):
            assert value == 0.0, key
        if key in ('open_valves', 'lamp') or key.endswith('door_open'):
            assert value == 0.0, key


class _EndsAfter:
    """A context that is told to end while it sleeps for the n-th time."""

    def __init__(self, context: object, code: ErrorCode, *, sleeps: int) -> None:
        self._context = context
        self._code = code
        self._left = sleeps

    def __getattr__(self, name: str) -> object:
        return getattr(self._context, name)

    def sleep(self, duration_s: float, *, step: str = '') -> None:
        self._left -= 1
        if self._left == 0:
            self._context.sleep(min(duration_s, 0.5))  # type: ignore[attr-defined]
            self._context.end_early(self._code, 'asked to')  # type: ignore[attr-defined]
        self._context.sleep(duration_s, step=step)  # type: ignore[attr-defined]


def test_no_stroke_follows_a_stop(bench: Bench) -> None:
    driver = bench.driver(Role.FLUID_HANDLER)
    goal = bench.goal(Transfer, **VALID[Transfer])
    moved: list[float] = []

    def stop_after_two(progress: object) -> None:
        volume = bench.world.truth(cid('spare_vessel')).volume_ml
        if volume > 10.0 and not moved:
            stopper = threading.Thread(target=driver.stop)
            stopper.start()
            stopper.join()
            moved.append(volume)

    with bench.context(goal) as context:
        context._on_progress = stop_after_two
        with pytest.raises(MedicellError) as caught:
            driver.transfer(goal, context)  # type: ignore[attr-defined]
    assert caught.value.code is ErrorCode.STOPPED
    assert bench.world.truth(cid('spare_vessel')).volume_ml == moved[0]
    assert 'of 50.00 mL moved' in caught.value.message


@pytest.mark.parametrize('name', [name for name in VERBS if name not in UNTIMED])
def test_operation_takes_time_and_reports_a_step(bench: Bench, name: str) -> None:
    goal = ready(bench, name)
    before_s = bench.world.now_s()
    bench.progress.clear()
    bench.run(goal)
    assert bench.world.now_s() > before_s
    assert bench.progress
    assert all(0.0 <= item.fraction_done <= 1.0 for item in bench.progress)


def test_verb_of_another_role_is_refused(bench: Bench) -> None:
    driver = bench.driver(Role.FLUID_HANDLER)
    goal = bench.goal(CountParticles, duration_s=1.0)
    with bench.context(goal) as context, pytest.raises(OperationRefused) as caught:
        driver.mix(goal, context)  # type: ignore[attr-defined]
    assert caught.value.code is ErrorCode.INVALID_GOAL
    assert Mix.__name__
