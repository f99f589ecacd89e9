"""The wall's clock is set while a batch runs by it: told, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import STARTS_S, make_rig

from medicell_core import operations as ops
from medicell_core.clock import WallClock
from medicell_core.entries import Deviation
from medicell_core.errors import ErrorCode
from medicell_orchestrator.engine.clock_watch import LEAST_S, ClockWatch
from medicell_orchestrator.node.diagnosis import STANDS_S, StandingClock

MIX = '- {phase: mix, type: mix, container: apheresis, duration: 1 min}'
HOUR_S = 3600.0


class Times:
    """The wall's time and the steady one, which a test lets go on or sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_s, self.steady_s = STARTS_S, 100.0
        monkeypatch.setattr(WallClock, 'now_s', lambda _: self.wall_s)
        self.watch = ClockWatch(WallClock(), lambda: self.steady_s)

    def pass_by(self, duration_s: float) -> None:
        self.wall_s += duration_s
        self.steady_s += duration_s


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    return Times(monkeypatch)


@pytest.mark.parametrize(('set_s', 'said'), [(HOUR_S, 'forward'), (-HOUR_S, 'back')])
def test_clock_that_is_set_is_told_once_with_by_how_much(
    times: Times, set_s: float, said: str
) -> None:
    times.pass_by(HOUR_S)
    assert times.watch.look() == ''
    times.wall_s += set_s
    times.pass_by(1.0)
    assert times.watch.look() == f"the wall's clock was set {said} by 3600.0 s"
    assert times.watch.look() == ''


def test_clock_that_is_slewed_is_not_told(times: Times) -> None:
    for _ in range(10):
        times.wall_s += 0.4 * LEAST_S
        assert times.watch.look() == ''


def test_clock_that_is_set_in_a_batch_is_one_deviation(tmp_path: Path, times: Times) -> None:
    rig = make_rig(tmp_path, MIX, clock_set=times.watch.look)
    rig.cell.slow = {ops.Mix}
    rig.tick()
    times.wall_s -= HOUR_S
    rig.tick()
    rig.cell.finish(rig.cell.sent(ops.Mix)[0])
    rig.tick()
    (deviation,) = rig.sink.of(Deviation)
    assert (deviation.error_code, deviation.recovered) == (ErrorCode.CLOCK_SET, True)
    assert 'set back by 3600.0 s' in deviation.description
    assert rig.engine.outcome == 'ready_for_release'


def test_clock_that_stands_while_it_is_awaited_is_told_until_it_goes_on() -> None:
    steady = [100.0]
    clock = StandingClock(lambda: steady[0])
    assert clock.look(50.0, awaited=True) == ''
    steady[0] += STANDS_S - 0.1
    assert clock.look(50.0, awaited=True) == ''
    steady[0] += 0.2
    assert clock.look(50.0, awaited=True) == 'the clock has stood for 1.6 s'
    assert clock.look(51.0, awaited=True) == ''
    steady[0] += HOUR_S
    assert clock.look(51.0, awaited=False) == ''
    steady[0] += STANDS_S - 0.1
    assert clock.look(51.0, awaited=True) == ''
