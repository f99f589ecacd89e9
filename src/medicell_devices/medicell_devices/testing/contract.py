"""What every driver must do, as pytest classes: a driver's test names the driver, no more."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar

import pytest

from medicell_core.errors import ErrorCode, MedicellError, OperationRefused
from medicell_core.operations import OPERATIONS, Operation, Role, Transfer, operations_of
from medicell_devices.contracts import CONTRACTS
from medicell_devices.testing.bench import Bench, cid
from medicell_devices.testing.goals import SETUPS, VALID
from medicell_devices.testing.refusals import REFUSALS, WRONG_NUMBERS, Refusal

FLOWING = {'Transfer', 'SelectCells', 'WashAndConcentrate', 'FillVial'}
"""Operations that open valves: they are ended with the valves open."""
UNTIMED = {'ReadLabel', 'ReadLabels'}
"""Operations too short to be ended half-way."""
NOT_ALONE = {'AnalyseImages'}
"""Operations that no bare goal can start: the analysis needs pictures first."""
AT_REST = ('pump_rate_ml_min', 'exchange_rate_ml_min', 'flow_l_min', 'door_open')
"""Ends of the names of readings that are 0 in the safe state."""
OFF = ('open_valves', 'lamp')
"""Names of readings that are 0 in the safe state."""
END_WITHIN_S = 3.0
"""Time that an operation may take to end at steps of 1 s, half-way through its first ones."""


class DriverContract:
    """What every driver does, of hardware too; a subclass says which driver, in which role."""

    role: ClassVar[Role]
    driver: ClassVar[str]
    settings: ClassVar[Mapping[str, object]] = {}
    """Settings that only this driver has, in place of their defaults."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test once for each operation of the role that it is about."""
        role = self.role
        names = [name for name, row in OPERATIONS.items() if row.roles[0] is role]
        alone = [name for name in names if name not in NOT_ALONE]
        rows = [row for row in REFUSALS if OPERATIONS[row.operation.__name__].roles[0] is role]
        values: dict[str, list[Any]] = {
            'operation': names,
            'startable': alone,
            'timed': [name for name in alone if name not in UNTIMED],
            'ending': [ErrorCode.CANCELLED, ErrorCode.STOPPED],
            'refusal': [pytest.param(row, id=row.name) for row in rows],
        }
        for name, items in values.items():
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, items)

    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        """Make a cell in which the driver under test serves its role."""
        with Bench(self.role, self.driver, self.settings) as made:
            yield made

    def test_driver_has_the_verbs_of_its_role(self, bench: Bench) -> None:
        """Every operation of the role has a method of its name."""
        driver = bench.driver(self.role)
        assert driver.role is self.role
        assert isinstance(driver, CONTRACTS[self.role])
        for row in operations_of(self.role).values():
            assert callable(getattr(driver, row.verb)), row.verb

    def test_connect_stop_and_reset_twice_are_as_good_as_once(self, bench: Bench) -> None:
        """The verbs of the life cycle say the state wanted, so that twice is safe."""
        driver = bench.driver(self.role)
        for verb in (driver.connect, driver.stop, driver.reset):
            verb()
            verb()
        assert 'fault' not in driver.health()

    def test_telemetry_is_finite_at_rest_and_stopped(self, bench: Bench) -> None:
        """The same readings are there whatever the state, and each is a number."""
        driver = bench.driver(self.role)
        at_rest = driver.telemetry()
        driver.stop()
        stopped = driver.telemetry()
        assert at_rest
        assert at_rest.keys() == stopped.keys()
        assert all(math.isfinite(value) for value in (*at_rest.values(), *stopped.values()))

    def test_wrong_number_is_refused_by_field(self, bench: Bench, operation: str) -> None:
        """A number that is not finite or negative is answered with its field's name."""
        cls = OPERATIONS[operation].goal
        numbers = [item.name for item in fields(cls) if item.type in ('float', 'int')]
        for field in numbers:
            for wrong in WRONG_NUMBERS:
                error = bench.fails(bench.goal(cls, **{**VALID[cls], field: wrong}))
                assert error.code is ErrorCode.INVALID_GOAL, (field, wrong)
                assert field in error.message

    def test_empty_text_is_refused_by_field(self, bench: Bench, operation: str) -> None:
        """A text of blanks is answered with its field's name."""
        cls = OPERATIONS[operation].goal
        texts = [key for key, value in VALID[cls].items() if isinstance(value, str)]
        for field in texts:
            error = bench.fails(bench.goal(cls, **{**VALID[cls], field: ' '}))
            assert error.code is ErrorCode.INVALID_GOAL, field
            assert field in error.message

    def test_figure_beyond_a_declared_limit_is_refused_by_field(self, bench: Bench) -> None:
        """What the settings declare is what the driver holds goals against.

        Recipes are checked by the declared limits before a batch begins.
        """
        for (cls, field), limit in bench.settings(self.role).limits().items():
            if field not in VALID[cls]:
                continue
            beyond = type(VALID[cls][field])(limit.high * 1.01 + 1)
            error = bench.fails(bench.goal(cls, **{**VALID[cls], field: beyond}))
            assert field in error.message
            assert f'{limit.high:g}' in error.message

    def test_stopped_driver_moves_nothing_until_reset(self, bench: Bench, operation: str) -> None:
        """After `stop` every verb is refused."""
        cls = OPERATIONS[operation].goal
        bench.driver(self.role).stop()
        assert bench.refuses(bench.goal(cls, **VALID[cls])) is ErrorCode.STOPPED

    def test_driver_that_is_not_connected_refuses(self, bench: Bench, operation: str) -> None:
        """Before `connect` every verb is refused."""
        row = OPERATIONS[operation]
        goal = bench.goal(row.goal, **VALID[row.goal])
        driver = bench.new_driver(self.role)
        with bench.context(goal) as context, pytest.raises(OperationRefused) as caught:
            getattr(driver, row.verb)(goal, context)
        assert caught.value.code is ErrorCode.NOT_ACTIVE

    def test_goal_of_another_kind_is_refused(self, bench: Bench, operation: str) -> None:
        """A verb takes its own goal only."""
        row = OPERATIONS[operation]
        foreign = next(item for item in OPERATIONS.values() if self.role not in item.roles)
        goal = bench.goal(foreign.goal, **VALID[foreign.goal])
        with bench.context(goal) as context, pytest.raises(OperationRefused) as caught:
            getattr(bench.driver(self.role), row.verb)(goal, context)
        assert caught.value.code is ErrorCode.INVALID_GOAL


class SimulatedDriverContract(DriverContract):
    """What a driver on the simulated world does beside: it acts, takes time, refuses, ends."""

    def test_valid_goal_is_done(self, bench: Bench, startable: str) -> None:
        """A goal within the limits is performed."""
        bench.run(_ready(bench, startable))

    def test_limit_is_refused_and_nothing_moves(self, bench: Bench, refusal: Refusal) -> None:
        """What is beyond a limit is refused with its code before a drop or a part moves."""
        for setup in refusal.setup:
            setup(bench)
        assert bench.refuses(refusal.goal(bench)) is refusal.code

    def test_operation_takes_time_and_reports_a_step(self, bench: Bench, timed: str) -> None:
        """Nothing happens at once, and progress is told as a share."""
        goal = _ready(bench, timed)
        before_s = bench.world.now_s()
        bench.progress.clear()
        bench.run(goal)
        assert bench.world.now_s() > before_s
        assert bench.progress
        assert all(0.0 <= item.fraction_done <= 1.0 for item in bench.progress)

    def test_operation_ends_at_the_next_step(
        self, bench: Bench, timed: str, ending: ErrorCode
    ) -> None:
        """A cancel and a stop are obeyed within a step, and leave the safe state."""
        row = OPERATIONS[timed]
        goal = _ready(bench, timed)
        driver = bench.driver(self.role)
        with bench.context(goal, step_s=1.0) as context:
            begun_s = bench.world.now_s()
            ender = _EndsAfter(context, ending, sleeps=2 if timed in FLOWING else 1)
            with pytest.raises(MedicellError) as caught:
                getattr(driver, row.verb)(goal, ender)
            taken_s = bench.world.now_s() - begun_s
        assert caught.value.code is ending
        assert taken_s <= END_WITHIN_S
        for key, value in driver.telemetry().items():
            if key.endswith(AT_REST) or key in OFF:
                assert value == 0.0, f'{key} is {value:g} after the end'


class FluidHandlerContract(SimulatedDriverContract):
    """What a driver of the fluid handler on the simulated world does."""

    role = Role.FLUID_HANDLER

    def test_no_stroke_follows_a_stop(self, bench: Bench) -> None:
        """Once `stop` has returned nothing moves, and the error says what had moved."""
        driver = bench.driver(self.role)
        goal = bench.goal(Transfer, **VALID[Transfer])
        moved: list[float] = []

        def stop_after_two(_: object) -> None:
            volume = bench.world.truth(cid('spare_vessel')).volume_ml
            if volume > 10.0 and not moved:
                stopper = threading.Thread(target=driver.stop)
                stopper.start()
                stopper.join()
                moved.append(volume)

        with bench.context(goal) as context:
            context.listen(stop_after_two)
            with pytest.raises(MedicellError) as caught:
                driver.transfer(goal, context)  # type: ignore[attr-defined]
        assert caught.value.code is ErrorCode.STOPPED
        assert bench.world.truth(cid('spare_vessel')).volume_ml == moved[0]
        assert 'of 50.00 mL moved' in caught.value.message


def _ready(bench: Bench, name: str) -> Operation:
    """Set the cell up for an operation and return a goal that it takes."""
    cls = OPERATIONS[name].goal
    if name in SETUPS:
        SETUPS[name](bench)
    return bench.goal(cls, **VALID[cls])


class _EndsAfter:
    """A context that is told to end while it sleeps for the n-th time."""

    def __init__(self, context: Any, code: ErrorCode, *, sleeps: int) -> None:
        self._context = context
        self._code = code
        self._left = sleeps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def sleep(self, duration_s: float, *, step: str = '') -> None:
        self._left -= 1
        if self._left == 0:
            self._context.sleep(min(duration_s, 0.5))
            self._context.end_early(self._code, 'asked to')
        self._context.sleep(duration_s, step=step)
