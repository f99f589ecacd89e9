"""The supervisor of processes: lines, respawn, one clean end, and no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from medicell_bringup.launching import supervisor as supervising
from medicell_bringup.launching.process import (
    BAD_INPUT,
    RESPAWN_DELAY_S,
    RESPAWN_LIMIT,
    Process,
)
from medicell_bringup.launching.supervisor import HEALTHY_S, Restarts, Supervisor, command_of
from medicell_core.leash import leash

PACKAGE = 'medicell_fake'
WAIT_S = 30.0
OBEYS = (
    'print("up", flush=True)\ntry:\n    while True: time.sleep(60)\nexcept KeyboardInterrupt: pass'
)
CRASHING = (
    'signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGSEGV))\n'
    'print("up", flush=True)\nwhile True: time.sleep(60)'
)
STUBBORN = (
    'signal.signal(signal.SIGINT, signal.SIG_IGN)\nprint("up", flush=True)\n'
    'while True: time.sleep(60)'
)


class Bench:
    """Makes executables, supervises them, and keeps what they say."""

    def __init__(self, prefix: Path) -> None:
        self.said: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        self._programs = prefix / 'lib' / PACKAGE
        self._programs.mkdir(parents=True)
        index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
        index.mkdir(parents=True)
        (index / PACKAGE).touch()
        self.supervisor: Supervisor
        self.prefix: tuple[str, ...] = ()

    def process(
        self, name: str, code: str, *, respawn: bool = False, node: bool = True
    ) -> Process:
        file = self._programs / name
        file.write_text(f'#!{sys.executable} -S\nimport os, signal, sys, time\n{code}\n')
        file.chmod(0o755)
        namespace = '/cell' if node else ''
        return Process(
            name=name,
            package=PACKAGE,
            executable=name,
            prefix=self.prefix,
            namespace=namespace,
            log_level='info',
            respawn=respawn,
        )

    def start(self, *processes: Process) -> Supervisor:
        self.supervisor = Supervisor(processes, self._tell)
        self.supervisor.start()
        return self.supervisor

    def until(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S), f'{what}; it said {self.said}'

    def count(self, name: str, text: str) -> int:
        return sum(who == name and text in line for who, line in self.said)

    def _tell(self, name: str, line: str) -> None:
        with self._changed:
            self.said.append((name, line))
            self._changed.notify_all()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    monkeypatch.setattr(supervising, 'RESPAWN_DELAY_S', 0.01)
    made = Bench(tmp_path)
    yield made
    made.supervisor.stop()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_lines_carry_the_name_and_sigint_ends_all(bench: Bench) -> None:
    supervisor = bench.start(bench.process('one', OBEYS), bench.process('two', OBEYS))
    bench.until(lambda: bench.count('one', 'up') and bench.count('two', 'up') > 0, 'both up')
    pids = supervisor.pids()
    assert set(pids) == {'one', 'two'}
    supervisor.stop()
    supervisor.stop()
    assert supervisor.code == 0
    assert supervisor.pids() == {}
    assert not any(alive(pid) for pid in pids.values())


def test_killed_process_is_started_again(bench: Bench) -> None:
    supervisor = bench.start(bench.process('one', OBEYS, respawn=True))
    bench.until(lambda: bench.count('one', 'up') == 1, 'the first start')
    first = supervisor.pids()['one']
    os.kill(first, signal.SIGKILL)
    bench.until(lambda: bench.count('one', 'up') == 2, 'the second start')
    assert bench.count('one', 'has ended with code -9; start 2 follows') == 1
    assert supervisor.pids()['one'] != first
    assert not supervisor.ended.is_set()


def test_leash_holds_no_process_that_is_started_again(bench: Bench) -> None:
    bench.prefix = leash()
    supervisor = bench.start(
        bench.process('one', OBEYS, respawn=True), bench.process('two', 'sys.exit(0)', node=False)
    )
    bench.until(lambda: bench.count('one', 'up') == 1, 'the first start')
    os.kill(supervisor.pids()['one'], signal.SIGKILL)
    bench.until(lambda: bench.count('one', 'up') == 2, 'the second start')
    bench.until(lambda: bench.count('two', 'has ended with code 0') == 1, "the other's end")
    assert not supervisor.ended.wait(0.2)
    assert bench.count('one', 'follows') == 1


def test_leash_ends_a_process_whose_launch_is_killed() -> None:
    if not leash():
        pytest.skip('setpriv of util-linux is not installed here')
    code = f'import os, time\nprint(os.getpid(), flush=True)\n{OBEYS}'
    command = [*leash(), sys.executable, '-S', '-c', code]
    program = f'import subprocess\nsubprocess.run({command})'
    with subprocess.Popen(
        [sys.executable, '-c', program], stdout=subprocess.PIPE, text=True
    ) as it:
        assert it.stdout is not None
        pid = int(it.stdout.readline())
        it.kill()
        try:
            # The child holds the other end of the pipe, which closes when it has ended.
            it.communicate(timeout=WAIT_S)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_process_that_dies_again_and_again_ends_the_launch(bench: Bench) -> None:
    supervisor = bench.start(bench.process('one', 'sys.exit(1)', respawn=True))
    assert supervisor.ended.wait(WAIT_S)
    assert bench.count('one', 'follows') == RESPAWN_LIMIT
    assert supervisor.code == 1
    assert supervisor.over() == {'one': 1}


def test_end_after_long_work_starts_the_count_anew() -> None:
    process = Process(name='one', package=PACKAGE, executable='one', respawn=True)
    restarts = Restarts(process)
    assert [restarts.allow(-9, 1.0) for _ in range(RESPAWN_LIMIT)] == [True] * RESPAWN_LIMIT
    assert restarts.delay_s == RESPAWN_DELAY_S * 2.0 ** (RESPAWN_LIMIT - 1)
    assert restarts.allow(-9, HEALTHY_S)
    assert restarts.delay_s == RESPAWN_DELAY_S
    assert [restarts.allow(-9, 1.0) for _ in range(RESPAWN_LIMIT)] == [
        *[True] * (RESPAWN_LIMIT - 1),
        False,
    ]


@pytest.mark.parametrize(('node', 'code'), [(True, 1), (False, 0)])
def test_node_that_crashes_while_it_ends_fails_the_launch(
    bench: Bench, node: bool, code: int
) -> None:
    supervisor = bench.start(bench.process('one', CRASHING, node=node))
    bench.until(lambda: bench.count('one', 'up') == 1, 'its start')
    supervisor.stop()
    assert bench.count('one', 'ended with code -11') == 1
    assert supervisor.code == code


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_process_is_ended_though_its_lines_could_not_be_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, 'END_S', 0.2)
    supervisor = bench.start(bench.process('one', STUBBORN))
    told = bench._tell

    def refuse(name: str, line: str) -> None:
        told(name, line)
        if line == 'up':
            raise BrokenPipeError

    monkeypatch.setattr(supervisor, '_tell', refuse)
    bench.until(lambda: bench.count('one', 'up') == 1, 'its start')
    pid = supervisor.pids()['one']
    supervisor.stop()
    assert not alive(pid)
    assert bench.count('one', 'has not ended yet: SIGTERM') == 1


def test_bad_input_is_never_started_again(bench: Bench) -> None:
    code = 'print("one: speed: 2 is outside 0 to 1"); sys.exit(2)'
    supervisor = bench.start(bench.process('one', code, respawn=True))
    assert supervisor.ended.wait(WAIT_S)
    assert supervisor.code == BAD_INPUT
    assert bench.count('one', 'speed: 2 is outside') == 1
    assert bench.count('one', 'follows') == 0


@pytest.mark.parametrize(('code', 'ends'), [(0, False), (4, False), (BAD_INPUT, True)])
def test_program_that_is_no_node_ends_the_launch_by_bad_input_only(
    bench: Bench, code: int, ends: bool
) -> None:
    supervisor = bench.start(
        bench.process('one', OBEYS), bench.process('batch', f'sys.exit({code})', node=False)
    )
    bench.until(lambda: bench.count('batch', f'has ended with code {code}') == 1, 'its end')
    bench.until(lambda: bench.count('one', 'up') == 1, 'the node')
    assert supervisor.ended.wait(0.2) is ends


def test_stubborn_process_is_terminated_and_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, 'END_S', 0.2)
    supervisor = bench.start(bench.process('one', STUBBORN))
    bench.until(lambda: bench.count('one', 'up') == 1, 'its start')
    begun_s = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - begun_s < WAIT_S
    assert bench.count('one', 'has not ended yet: SIGTERM') == 1
    assert supervisor.code == 1
    assert supervisor.pids() == {}


def test_command_says_namespace_log_level_and_parameters_as_texts(
    bench: Bench, tmp_path: Path
) -> None:
    bench.start()
    made = bench.process('one', OBEYS)
    process = Process(
        name=made.name,
        package=made.package,
        executable=made.executable,
        namespace='/east',
        parameter_files=(tmp_path / 'shared.yaml',),
        parameters={'driver': 'true', 'seed': 3},
        remappings=(('/tf', 'tf'),),
        log_level='warn',
    )
    command = command_of(process, tmp_path)
    own = tmp_path / 'launch_params_one.yaml'
    assert command[1:] == [
        *('--ros-args', '-r', '__ns:=/east', '--log-level', 'warn', '-r', '/tf:=tf'),
        *('--params-file', str(tmp_path / 'shared.yaml'), '--params-file', str(own)),
    ]
    assert '"driver": "true"' in own.read_text('utf-8')
