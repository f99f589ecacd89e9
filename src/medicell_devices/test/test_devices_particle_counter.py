"""The particle counter: what is an alert, what an excursion, and how soon it is known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import CountParticles, CountParticlesResult, Role
from medicell_devices.failure import PartlyDone
from medicell_devices.testing.bench import Bench
from medicell_sim.port import ParticleReading

MINUTE_S = 60.0


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(Role.PARTICLE_COUNTER)
    yield made
    made.close()


def air(bench: Bench, monkeypatch: pytest.MonkeyPatch, small: list[int], large: list[int]) -> None:
    """Let the next parts of samples hold so many particles, then none."""

    def particles(*, operation_id: str, duration_s: float) -> ParticleReading:
        assert operation_id
        assert duration_s == 6.0
        return ParticleReading(
            count_0_5_um=small.pop(0) if small else 0,
            count_5_um=large.pop(0) if large else 0,
            flow_l_min=28.3,
        )

    monkeypatch.setattr(bench.world, 'particles', particles)


def sample(bench: Bench) -> CountParticlesResult:
    result = bench.run(bench.goal(CountParticles, duration_s=MINUTE_S))
    assert isinstance(result, CountParticlesResult)
    return result


def excursion(bench: Bench) -> MedicellError:
    error = bench.fails(bench.goal(CountParticles, duration_s=MINUTE_S))
    assert error.code is ErrorCode.PARTICLE_EXCURSION
    assert isinstance(error, PartlyDone)
    return error


def test_minute_of_grade_a_air_is_no_alert(bench: Bench) -> None:
    assert not sample(bench).alert


@pytest.mark.parametrize(('count', 'alert'), [(19, False), (20, True), (99, True)])
def test_alert_is_a_fifth_of_the_limit_and_the_limit_itself_is_allowed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, count: int, alert: bool
) -> None:
    air(bench, monkeypatch, [count], [])
    found = sample(bench)
    assert found.alert is alert
    assert found.particles_0_5_um_per_m3 == pytest.approx(count / 0.0283)


def test_burst_ends_the_sample_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    air(bench, monkeypatch, [50, 50], [])
    begun_s = bench.world.now_s()
    assert '100 particles of 0.5 um and more (at most 99)' in excursion(bench).message
    assert bench.world.now_s() - begun_s == pytest.approx(12.0, abs=0.01)


def test_single_large_particle_is_an_alert_and_two_are_an_excursion(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    air(bench, monkeypatch, [], [1])
    assert sample(bench).alert
    air(bench, monkeypatch, [], [1, 0, 1])
    assert '2 of 5 um and more (at most 1)' in excursion(bench).message


def test_third_alert_within_the_window_is_an_excursion(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        air(bench, monkeypatch, [], [1])
        assert sample(bench).alert
    air(bench, monkeypatch, [], [1])
    assert 'alert 3 within 1800 s' in excursion(bench).message


def test_alerts_that_are_long_past_do_not_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        air(bench, monkeypatch, [], [1])
        assert sample(bench).alert
        air(bench, monkeypatch, [], [])
        for _ in range(15):
            assert not sample(bench).alert


def test_large_sample_is_held_against_its_own_volume(bench: Bench) -> None:
    driver = bench.driver(Role.PARTICLE_COUNTER)
    assert driver._most_5_um(600.0) == 8  # type: ignore[attr-defined]
    assert driver._most_0_5_um(MINUTE_S) == 99  # type: ignore[attr-defined]


def test_sample_that_is_stopped_tells_what_it_has_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    air(bench, monkeypatch, [3], [])
    goal = bench.goal(CountParticles, duration_s=MINUTE_S)
    driver = bench.driver(Role.PARTICLE_COUNTER)
    with bench.context(goal) as context:
        real = context._clock.sleep
        naps: list[float] = []

        def sleep(owner: str, duration_s: float) -> None:
            real(owner, duration_s)
            naps.append(duration_s)
            if len(naps) == 2:
                context.end_early(ErrorCode.STOPPED, 'the button')

        monkeypatch.setattr(bench.world, 'sleep', sleep)
        with pytest.raises(PartlyDone) as caught:
            driver.count_particles(goal, context)  # type: ignore[attr-defined]
    assert caught.value.code is ErrorCode.STOPPED
    assert isinstance(caught.value.result, CountParticlesResult)
    assert caught.value.result.particles_0_5_um_per_m3 == pytest.approx(3 / 0.00283)
