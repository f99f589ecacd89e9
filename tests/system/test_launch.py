"""A launched cell: its lists, a batch on it, a killed node, one clean end, cells kept apart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from needs import ROS2_LAUNCH, lacking
from rclpy.node import NodeNameNonExistentError

from medicell_bringup.launching.plan import launch_plan
from medicell_bringup.launching.supervisor import Supervisor
from medicell_core.entries import BatchClosed, Command, Ordered, Resumed
from medicell_core.operations import Role, operations_of
from medicell_orchestrator.resuming.folder import JOURNALS
from medicell_orchestrator.resuming.note import FILE as NOTE
from medicell_record.place import RECORD_FILE
from medicell_record.verify import verify
from medicell_ros.domain import VARIABLE, own_domain
from system.bench import DATA, PATIENT, SHORT, Cli, entries_of, written
from system.eye import NAMESPACE, Eye
from system.graph import Ends, documented, seen

# A parser behind rclpy's type support imports a deprecated module of the standard library.
pytestmark = pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')

NODES = ['world', *(str(role) for role in Role), 'orchestrator']
ACTIONS = {
    f'{NAMESPACE}/{role}/{row.verb}' for role in Role for row in operations_of(role).values()
}
ACTIVE = 'active'
CLOCK = 'rosgraph_msgs/msg/Clock'
TRANSFERS = DATA / 'transfers.yaml'
SPEED = 1200.0
"""Simulated over wall time: its two hours take six seconds, and the orchestrator is killed."""
LEASE_S = 20.0
"""Wall seconds for which DDS keeps a process that is gone without a word."""
WAIT_S = 120.0
"""Wall seconds that anything may take on a busy machine."""


def until_ended(processes: dict[str, int]) -> None:
    """Wait until processes have ended by themselves."""
    deadline = time.monotonic() + WAIT_S
    while left := [name for name, pid in processes.items() if alive(pid)]:
        assert time.monotonic() < deadline, f'still there: {left}'
        time.sleep(0.1)


@dataclass
class Launched:
    """A launch, and the processes of its nodes by name."""

    process: subprocess.Popen[str]
    log: Path

    def said(self) -> str:
        return self.log.read_text('utf-8')

    def pids(self) -> dict[str, int]:
        """Return the ids of the launch's children by the names of their executables."""
        found = {}
        for item in Path('/proc').iterdir():
            fields = stat_of(int(item.name)) if item.name.isdigit() else []
            if fields[1:2] == [str(self.process.pid)] and fields[0] != 'Z':
                found[executable_of(int(item.name))] = int(item.name)
        return found


@pytest.fixture
def eye() -> Iterator[Eye]:
    made = Eye(int(os.environ[VARIABLE]))
    yield made
    made.close()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Launch a description by Medicell, or by upstream's launch; whatever is left is ended."""
    started: list[Launched] = []

    def start(*words: str, domain: int | None = None, upstream: bool = False) -> Launched:
        log = tmp_path / f'launch_{len(started)}.log'
        command = [sys.executable, '-m', 'medicell_bringup.cli', 'launch', *words]
        if upstream:
            program = 'import sys; from ros2cli.cli import main; sys.exit(main())'
            file = f'{words[0]}.launch.py'
            command = [sys.executable, '-W', 'ignore', '-c', program]
            command += ['launch', '--noninteractive', 'medicell_bringup', file, *words[1:]]
        env = dict(os.environ)
        if domain is not None:
            env[VARIABLE] = str(domain)
        with open(log, 'wb') as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                text=True,
                cwd=tmp_path,
                env=env,
                start_new_session=True,
            )
        started.append(Launched(process=process, log=log))
        return started[-1]

    yield start
    for item in started:
        children = item.pids()
        if item.process.poll() is None:
            item.process.kill()
            item.process.wait()
        for pid in children.values():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def until(
    condition: Callable[[], Any], what: str, launched: Launched, *, wait_s: float = WAIT_S
) -> Any:
    """Return the first true value; fails with what the launch said, at once when it has ended."""
    deadline = time.monotonic() + wait_s
    while True:
        found = condition()
        if found:
            return found
        assert launched.process.poll() is None, f'ended before {what}:\n{launched.said()}'
        assert time.monotonic() < deadline, f'still missing: {what}\n{launched.said()}'
        time.sleep(0.1)


def until_gone(eye: Eye) -> dict[str, float]:
    """Wait until discovery has forgotten what each node publishes; return when, from now on.

    Names are no measure: a word of a node that is read after its last one puts its name back.
    """
    begun_s = time.monotonic()
    gone_s: dict[str, float] = {}
    while left := [name for name in NODES if name not in gone_s]:
        gone_s |= {name: time.monotonic() - begun_s for name in left if not eye.publishes(name)}
        assert time.monotonic() - begun_s < WAIT_S, f'still there: {left}'
        time.sleep(0.1)
    return gone_s


def await_active(eye: Eye, names: list[str], launched: Launched) -> None:
    for name in names:
        until(lambda name=name: eye.state_of(name) == ACTIVE, f'{name} active', launched)


def need_upstream() -> None:
    """Skip a test where `ros2 launch` is not there."""
    if find_spec('launch_ros') is None or find_spec('ros2launch') is None:
        lacking(ROS2_LAUNCH, "upstream's launch, launch_ros and ros2launch are not installed here")


def stat_of(pid: int) -> list[str]:
    """Return the fields of a process's stat after its name; empty when it is gone."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    return stat_of(pid)[:1] not in ([], ['Z'])


def executable_of(pid: int) -> str:
    words = Path(f'/proc/{pid}/cmdline').read_bytes().decode().split('\0')
    return next((Path(word).name for word in words if '/lib/medicell_' in word), words[0])


def check_ready(launched: Launched) -> None:
    """See that the launch says once, and when all nodes are active, that the cell is ready."""
    line = f'cell {NAMESPACE.strip("/")} is ready: {len(NODES)} nodes active'
    until(lambda: line in launched.said(), 'the word that the cell is ready', launched)
    assert launched.said().count('is ready: ') == 1


def check_ends(eye: Eye, launched: Launched) -> None:
    """See that each node has the topics, services and actions of the reference, and no other."""
    clock = ('Hears', f'{NAMESPACE}/clock', CLOCK)
    for name, ends in documented(NAMESPACE).items():
        if name not in NODES:
            continue
        # The reference lists nodes on the machine's time; these run on the cell's.
        wanted = ends - {clock}
        deadline = time.monotonic() + WAIT_S
        while ends_at(eye, name) - {clock} != wanted and time.monotonic() < deadline:
            assert launched.process.poll() is None, launched.said()
            time.sleep(0.1)
        assert ends_at(eye, name) - {clock} == wanted, name


def ends_at(eye: Eye, name: str) -> Ends:
    try:
        return seen(eye.node, name, NAMESPACE)
    except NodeNameNonExistentError:
        return set()


def check_lists(eye: Eye, launched: Launched) -> tuple[set[str], set[str], set[str]]:
    """Compare nodes with the plan, and what they have with the reference; return the lists."""
    expected = {f'{NAMESPACE}/{process.name}' for process in launch_plan('cell', {}).processes}
    until(lambda: expected <= eye.nodes(), f'the nodes {sorted(expected)}', launched)
    check_ends(eye, launched)
    until(lambda: set(eye.actions()) >= ACTIONS, f'the actions {sorted(ACTIONS)}', launched)
    assert set(eye.actions()) == ACTIONS
    strangers = {item for item in eye.nodes() - expected if not item.endswith('_world_client')}
    assert strangers == set()
    topics = {f'{name} [{types[0]}]' for name, types in eye.topics().items()}
    return eye.nodes(), topics, set(eye.actions())


@pytest.mark.slow
def test_launched_cell_shows_its_lists_makes_a_batch_and_heals(
    launch: Callable[..., Launched], eye: Eye, cli: Cli, tmp_path: Path
) -> None:
    cell = launch('cell', f'out:={tmp_path / "cell"}', 'seed:=1')
    await_active(eye, NODES, cell)
    check_ready(cell)
    check_lists(eye, cell)
    before = cell.pids()
    assert set(before) >= set(NODES)

    out = tmp_path / 'batch'
    batch = ('--recipe', str(SHORT), '--patient', str(PATIENT), '--out', str(out))
    ended = cli('run', '--join', *batch)
    assert ended.code == 0, ended.err
    summary = json.loads((out / 'summary.json').read_text('utf-8'))
    assert (summary['outcome'], summary['seed']) == ('ready_for_release', 1)
    assert cell.process.poll() is None

    os.kill(before['imaging'], signal.SIGKILL)
    until(lambda: '[imaging] has ended with code -9; start 2' in cell.said(), 'the end', cell)
    until(lambda: cell.pids().get('imaging') not in (None, before['imaging']), 'a start', cell)
    until(lambda: eye.state_of('imaging') == ACTIVE, 'imaging active again', cell)
    assert {cell.pids()[name] for name in ('world', 'incubator')} == {
        before[name] for name in ('world', 'incubator')
    }
    children = cell.pids()
    cell.process.send_signal(signal.SIGINT)
    assert cell.process.wait(WAIT_S) == 0, cell.said()
    assert [name for name, pid in children.items() if alive(pid)] == []
    assert 'Traceback' not in cell.said()


@pytest.mark.slow
def test_launch_with_a_recipe_makes_its_batch_though_its_orchestrator_dies_and_stays_up(
    launch: Callable[..., Launched], tmp_path: Path
) -> None:
    batch = (f'recipe:={TRANSFERS}', f'patient:={PATIENT}', 'seed:=3', f'speed:={SPEED}')
    cell = launch('cell', f'out:={tmp_path / "cell"}', *batch)
    record = tmp_path / 'cell' / 'batch' / RECORD_FILE
    for times, least in enumerate((15, 35), start=1):
        until(lambda least=least: written(record) >= least, f'{least} entries', cell)
        os.kill(cell.pids()['orchestrator'], signal.SIGKILL)
        until(
            lambda times=times: cell.said().count('takes up the batch') == times,
            'that it is taken up',
            cell,
        )
    until(lambda: '[batch] has ended with code' in cell.said(), "the batch's end", cell)
    # A product that was not tested is not released.
    assert '[batch] has ended with code 3' in cell.said(), cell.said()
    summary = json.loads((record.parent / 'summary.json').read_text('utf-8'))
    assert (summary['outcome'], summary['seed']) == ('failed_limits', 3)
    entries_ = entries_of(record.parent)
    assert sum(isinstance(item.entry, Resumed) for item in entries_) == 2
    commands = [item.entry.operation_id for item in entries_ if isinstance(item.entry, Command)]
    assert len(set(commands)) == len(commands)
    assert verify(record).sound
    assert (tmp_path / 'cell' / JOURNALS).is_dir()
    assert cell.process.poll() is None
    cell.process.send_signal(signal.SIGHUP)
    assert cell.process.wait(WAIT_S) == 0, cell.said()
    assert cell.said().rstrip().endswith('[launch] no process is left')


@pytest.mark.slow
def test_killed_launch_leaves_its_batch_open_and_the_next_one_takes_it_up(
    launch: Callable[..., Launched], tmp_path: Path
) -> None:
    out, record = tmp_path / 'cell', tmp_path / 'cell' / 'batch' / RECORD_FILE
    batch = (f'recipe:={SHORT}', f'patient:={PATIENT}', 'seed:=3', 'speed:=max')
    cell = launch('cell', f'out:={out}', *batch)
    until(lambda: written(record) >= 40, '40 entries', cell)
    children = cell.pids()
    cell.process.kill()
    cell.process.wait(WAIT_S)
    until_ended(children)
    left = entries_of(record.parent)
    assert not [item for item in left if isinstance(item.entry, BatchClosed | Ordered)]
    assert (out / JOURNALS / NOTE).is_file()
    again = launch('cell', f'out:={out}', 'seed:=3', 'speed:=max')
    until(lambda: written(record) > len(left), 'that it is taken up', again)
    assert isinstance(entries_of(record.parent)[len(left)].entry, Resumed)
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(WAIT_S) == 0, again.said()
    assert verify(record).sound


@pytest.mark.slow
def test_ros2_launch_shows_the_same_lists_as_medicell_launch(
    launch: Callable[..., Launched], tmp_path: Path
) -> None:
    need_upstream()
    lists = []
    for upstream in (False, True):
        # DDS may keep a node that has ended in mind: each cell has an eye that saw no other.
        with closing(Eye(int(os.environ[VARIABLE]))) as eye:
            cell = launch('cell', f'out:={tmp_path / str(upstream)}', upstream=upstream)
            await_active(eye, NODES, cell)
            check_ready(cell)
            lists.append(check_lists(eye, cell))
        children = cell.pids()
        cell.process.send_signal(signal.SIGINT)
        assert cell.process.wait(WAIT_S) == 0, cell.said()
        assert [name for name, pid in children.items() if alive(pid)] == []
    assert lists[0] == lists[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    'signals',
    [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT, signal.SIGINT)],
    ids=['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGINT twice'],
)
def test_signals_end_the_process_by_itself_and_leave_none(
    launch: Callable[..., Launched], eye: Eye, signals: tuple[signal.Signals, ...]
) -> None:
    one = launch('orchestrator', 'use_sim_time:=false')
    # It answers, and waits for devices that are not there.
    until(lambda: eye.state_of('orchestrator'), 'an answer', one)
    children = one.pids()
    assert set(children) == {'orchestrator'}
    for number in signals:
        one.process.send_signal(number)
    assert one.process.wait(WAIT_S) == 0, one.said()
    assert [name for name, pid in children.items() if alive(pid)] == []
    assert one.said().rstrip().endswith('[launch] no process is left')


@pytest.mark.slow
@pytest.mark.parametrize(
    ('upstream', 'number'),
    [(False, signal.SIGKILL), (True, signal.SIGKILL), (True, signal.SIGTERM)],
    ids=['medicell launch, SIGKILL', 'ros2 launch, SIGKILL', 'ros2 launch, SIGTERM'],
)
def test_nodes_end_by_themselves_when_their_launch_is_gone_without_a_word(
    launch: Callable[..., Launched],
    eye: Eye,
    tmp_path: Path,
    upstream: bool,
    number: signal.Signals,
) -> None:
    if upstream:
        need_upstream()
    cell = launch('cell', f'out:={tmp_path / "cell"}', upstream=upstream)
    await_active(eye, NODES, cell)
    children = cell.pids()
    assert set(children) == set(NODES)
    try:
        cell.process.send_signal(number)
        cell.process.wait(WAIT_S)
        until_ended(children)
        # Who is killed stays in the graph for its lease; who ends says so. One word may be lost.
        gone_s = until_gone(eye)
        assert sorted(gone_s.values())[-2] < LEASE_S / 2, gone_s
    finally:
        for pid in children.values():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_launch_goes_on_and_ends_when_nobody_reads_its_lines(eye: Eye) -> None:
    words = ('launch', 'orchestrator', 'use_sim_time:=false', 'log_level:=debug')
    command = [sys.executable, '-m', 'medicell_bringup.cli', *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b'[orchestrator]')
            process.stdout.close()
            deadline = time.monotonic() + WAIT_S
            while not eye.state_of('orchestrator'):
                assert process.poll() is None
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGINT)
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()
    until_gone(eye)


@pytest.mark.slow
def test_cells_of_two_namespaces_in_one_domain_have_a_clock_each(eye: Eye, tmp_path: Path) -> None:
    cells = ('east', 'west')
    processes = [
        process
        for cell in cells
        for process in launch_plan(
            'devices', {'namespace': cell, 'out': str(tmp_path / cell)}
        ).processes
        if process.name in ('world', 'fluid_handler')
    ]
    said: list[str] = []
    supervisors = [
        Supervisor(
            [item for item in processes if item.namespace == f'/{cell}'],
            lambda name, line: said.append(f'[{name}] {line}'),
        )
        for cell in cells
    ]
    try:
        for supervisor in supervisors:
            supervisor.start()
        deadline = time.monotonic() + WAIT_S
        for process in processes:
            while eye.state_of(f'{process.namespace}/{process.name}') != ACTIVE:
                assert time.monotonic() < deadline, said
                time.sleep(0.1)
        own = ('fluid_handler', 'fluid_handler_world_client', 'world')
        expected = [f'/{cell}/{name}' for cell in cells for name in own]
        # DDS tells a newcomer of nodes and their ends one after the other.
        while eye.node_list() != expected and time.monotonic() < deadline:
            time.sleep(0.1)
        assert eye.node_list() == expected
        clocks = {name for name, kinds in eye.topics().items() if CLOCK in kinds}
        assert clocks == {f'/{cell}/clock' for cell in cells}
        for cell in cells:
            published, heard = eye.ends_of(f'/{cell}/clock')
            assert published == {f'/{cell}/world'}
            assert f'/{cell}/fluid_handler' in heard
            assert {name.split('/')[1] for name in heard} == {cell}
    finally:
        for supervisor in supervisors:
            supervisor.stop()
    assert [supervisor.code for supervisor in supervisors] == [0, 0], said


@pytest.mark.slow
def test_cells_of_one_namespace_on_two_domains_do_not_meet(
    launch: Callable[..., Launched], eye: Eye
) -> None:
    with own_domain() as other:
        far = launch('orchestrator', 'use_sim_time:=false', domain=other)
        near = launch('orchestrator', 'use_sim_time:=false')
        there = Eye(other)
        try:
            for sight, cell in ((eye, near), (there, far)):
                until(lambda sight=sight: sight.state_of('orchestrator'), 'an answer', cell)
            for sight in (eye, there):
                # DDS tells a newcomer of a node's services and of its name one after the other.
                until(lambda sight=sight: sight.node_list(), 'a name', near)
                assert sight.node_list() == [f'{NAMESPACE}/orchestrator']
                assert sight.node.count_publishers('orchestrator/transition_event') == 1
        finally:
            there.close()
