"""A world outlives its process by its history, and is never another one in silence."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from history_kit import open_world, play, script
from sim_kit import BAYS, OPERATION

from medicell_core.errors import ErrorCode, MedicellError
from medicell_sim.climate import Bay
from medicell_sim.history.lines import LineFile
from medicell_sim.history.reading import last_time_s
from medicell_sim.instruments import Instrument
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

VICTIM = Path(__file__).with_name('history_kit.py')
KILLS = 18


def victim(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(VICTIM), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def uninterrupted() -> tuple[str, ...]:
    """Return the digest after each call of a world that nobody kills, in memory."""
    world = open_world(None)
    digests = [world.digest()]
    play(world, script(), lambda made: digests.append(made.digest()))
    world.close()
    return tuple(digests)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Return the file of a world that has come to its end."""
    path = tmp_path / 'world.jsonl'
    with_history(path, len(script()))
    return path


def with_history(path: Path, calls: int) -> None:
    world = open_world(path)
    play(world, script()[:calls])
    world.close()


def refused(path: Path, **other: object) -> MedicellError:
    with pytest.raises(MedicellError) as caught:
        open_world(path, **other).close()  # type: ignore[arg-type]
    return caught.value


def test_a_world_killed_at_any_write_is_taken_up_as_it_was_and_ends_as_if_it_had_not_been(
    tmp_path: Path,
) -> None:
    with_history(tmp_path / 'whole.jsonl', len(script()))
    writes = (tmp_path / 'whole.jsonl').read_text(encoding='utf-8').count('\n')
    points = sorted(random.Random(20261123).sample(range(3, 3 * writes + 3), KILLS))
    victim('kill', str(tmp_path), *map(str, points))
    reached = set()
    for point in points:
        world = open_world(tmp_path / f'{point}.jsonl')
        assert world.digest() == uninterrupted()[world.calls], point
        reached.add(world.calls)
        play(world, script())
        balance = world.balance()
        assert world.digest() == uninterrupted()[-1], point
        assert max(balance.volume_error_pct, balance.cells_error_pct) < 1e-9
        world.close()
    assert len(reached) > KILLS // 2


def test_a_world_taken_up_has_every_attribute_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / 'world.jsonl'
    world = open_world(path)
    play(world, script()[:-2])
    before = attributes(world)
    assert len(before) > 400
    world.close()
    again = open_world(path)
    assert attributes(again) == before
    again.close()


def attributes(world: World) -> dict[str, object]:
    """Return everything that hangs on a world by its path, but its time, its file, its locks."""
    own = {'timeline', '_file', '_lock', '_writing', '_at_s', '_by', '_asked', 'taken_up'}
    found: dict[str, object] = {}
    seen: set[int] = set()

    def walk(place: str, item: object) -> None:
        if isinstance(item, np.random.Generator):
            found[place] = repr(item.bit_generator.state)
        elif isinstance(item, np.ndarray):
            found[place] = item.tolist()
        elif isinstance(item, Mapping):
            for key, value in item.items():
                walk(f'{place}[{key!r}]', value)
        elif isinstance(item, (list, tuple)):
            for index, value in enumerate(item):
                walk(f'{place}[{index}]', value)
        elif item is world or type(item).__module__.startswith('medicell_sim'):
            if id(item) in seen:
                return
            seen.add(id(item))
            names = [*getattr(item, '__dict__', ()), *getattr(type(item), '__slots__', ())]
            for name in names:
                if item is not world or name not in own:
                    walk(f'{place}.{name}', getattr(item, name))
        else:
            found[place] = repr(item)

    walk('world', world)
    return found


def test_time_that_was_told_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / 'world.jsonl'
    world = open_world(path)
    play(world, script()[:1])
    world.sleep(OPERATION, 12_345.0)
    told_s = world.now_s()
    world.close()
    again = open_world(path)
    assert again.taken_up
    assert again.now_s() == told_s
    assert again.identity == world.identity
    again.close()


def test_two_worlds_of_one_seed_write_the_same_history(history: Path, tmp_path: Path) -> None:
    with_history(tmp_path / 'other.jsonl', len(script()))

    def calls(path: Path) -> list[str]:
        lines = path.read_text(encoding='utf-8').splitlines()[1:]
        return [line.partition(' ')[2] for line in lines]

    assert calls(tmp_path / 'other.jsonl') == calls(history)


def test_a_torn_last_line_is_a_call_that_did_not_happen(history: Path) -> None:
    data = history.read_bytes()
    last = data.rfind(b'\n', 0, -1) + 1
    for cut in (last + 1, (last + len(data)) // 2, len(data) - 1):
        history.write_bytes(data[:cut])
        world = open_world(history)
        assert world.calls == len(script()) - 1
        assert world.digest() == uninterrupted()[-2]
        world.close()
        assert history.read_bytes() == data[:last]


def test_an_altered_byte_is_found_with_its_line(history: Path) -> None:
    data = history.read_bytes()
    chance = random.Random(5)
    for place in chance.sample(range(len(data) - 1), 20):
        altered = bytearray(data)
        altered[place] ^= 1 + chance.randrange(255)
        history.write_bytes(altered)
        error = refused(history)
        number = data.count(b'\n', 0, place) + 1
        assert error.code is ErrorCode.RECORD_UNREADABLE
        assert f'{history}:{number}: ' in error.message
    history.write_bytes(data)
    open_world(history).close()


def test_lines_that_are_missing_or_exchanged_are_found(history: Path) -> None:
    lines = history.read_bytes().splitlines(keepends=True)
    for changed in (
        lines[:20] + lines[21:],
        [*lines[:20], lines[21], lines[20], *lines[22:]],
        lines[1:],
    ):
        history.write_bytes(b''.join(changed))
        assert refused(history).code is ErrorCode.RECORD_UNREADABLE


def test_another_worlds_history_is_refused_with_the_field(history: Path) -> None:
    error = refused(history, seed=8)
    assert error.code is ErrorCode.INVALID_GOAL
    assert 'seed is 7 in the history, and 8 was given' in error.message
    assert 'bays is ' in refused(history, bays=[*BAYS, 'bay_3']).message
    p = load_parameters()
    flow = p.flow.model_copy(update={'fail_safe_s': 9.0})
    with pytest.raises(MedicellError, match=r'parameters\.flow\.fail_safe_s is 2\.0 in the'):
        World(
            p.model_copy(update={'flow': flow}),
            7,
            paused_until_idle=True,
            speed=1.0,
            bays=BAYS,
            history=history,
        )
    open_world(history).close()


def test_a_history_of_another_format_is_refused(
    history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('medicell_sim.history.kept.FORMAT', 2)
    assert 'format is 1 in the history, and 2 was given' in refused(history).message


def test_code_that_answers_otherwise_is_refused(
    history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Instrument.read
    monkeypatch.setattr(Instrument, 'read', lambda *given: read(*given) + 1e-9)
    error = refused(history)
    assert error.code is ErrorCode.RECORD_UNREADABLE
    assert 'use the code that wrote the history' in error.message


def test_code_that_gives_another_state_is_refused_though_it_answers_alike(
    history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bay, '_step', lambda *_: None)
    monkeypatch.setattr('medicell_sim.history.kept._print_of', lambda _: 'alike')
    assert 'the world is not as it was' in rewritten(history).message


def rewritten(path: Path) -> MedicellError:
    """Refuse a history whose calls are all said to have come to the same."""
    from medicell_sim.history.lines import LineFile  # noqa: PLC0415 - the one who may write it

    file = LineFile(path)
    lines = [line for _, line in file.read()]
    file.close()
    path.unlink()
    file = LineFile(path)
    for line in lines:
        file.append({**line, 'before': 'alike'} if line.get('before') else line)
    file.close()
    return refused(path)


def test_one_process_at_a_time_holds_a_history(history: Path) -> None:
    world = open_world(history)
    assert refused(history).code is ErrorCode.DEVICE_BUSY
    world.close()
    open_world(history).close()


def test_a_call_on_a_full_disk_is_not_done_and_the_next_one_is(tmp_path: Path) -> None:
    path = tmp_path / 'world.jsonl'
    found = json.loads(victim('full', str(path)))
    assert found['same']
    assert [code for code, _ in found['codes']] == ['HARDWARE_FAULT', 'HARDWARE_FAULT']
    assert all('world.jsonl cannot be written' in text for _, text in found['codes'])
    assert found['calls'] == 41
    world = open_world(path)
    assert world.calls == 41
    world.close()


def test_readings_at_other_times_change_nothing(tmp_path: Path) -> None:
    def vessel(reads: int) -> float:
        world = open_world(None)
        play(world, script()[:11])
        world.place('B.vessel', 'fluid_handler/port_9')
        world.pump(
            operation_id=OPERATION,
            source='B.vector',
            target='B.selected',
            volume_ml=5.0,
            rate_ml_min=50.0,
        )
        world.place('B.selected', 'incubator/bay_1')
        for _ in range(reads):
            world.sleep(OPERATION, 86_400.0 / reads)
            world.bay('bay_1')
        left = world.truth('B.selected').extra['vector_tu']
        world.close()
        return left

    assert vessel(1) == vessel(48)


def test_last_time_is_that_of_the_last_whole_line(tmp_path: Path) -> None:
    file = tmp_path / 'world.jsonl'
    file.write_bytes(b'')
    assert last_time_s(file) == 0.0
    lines = LineFile(file)
    lines.append({'t': 5.0})
    lines.append({'owner': 'somebody'})
    lines.close()
    with file.open('ab') as torn:
        torn.write(b'0123456789abcdef {"t": 9.0}')
    assert last_time_s(file) == 5.0
