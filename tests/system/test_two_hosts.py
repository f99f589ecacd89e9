"""Devices and world on one host, orchestrator and operator on another, and a cable that is cut."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from needs import NETWORK_NAMESPACES, lacking

from medicell_bringup.campaign.two_hosts import CONTROL, DEVICES, TwoHosts, why_not
from medicell_core.entries import Command, Completed, Deviation, Entry, StateChanged
from medicell_core.errors import ErrorCode
from medicell_record.record import BatchRecord, RecordedEntry, encode_entry
from medicell_record.verify import verify
from system.bench import DATA, PATIENT, local_batch

RECIPE = DATA / 'transfers.yaml'
PHASE = 'starting_material/pooling/fill'
OPERATOR = Path(__file__).parent / 'two_hosts_operator.py'
CUT_S = 30.0
"""Longer than the 20 s after which DDS forgets a peer that is silent."""
ALARM_S = 2.0
PATIENCE_S = 180.0
SPEED = 300.0
"""Simulated over wall time: the transfer that is struck then takes six seconds."""
INTO_TRANSFER_S = 1.0
END_S = 60.0


class Program:
    """A program on a host; its lines are kept, and those that are JSON are read."""

    def __init__(self, command: list[str]) -> None:
        env = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.said: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith('{'):
                self.said.append(json.loads(line))

    def await_(self, what: str, *, text: str = '', **fields: Any) -> dict[str, Any]:
        """Wait for a line with these fields and this text; fails with what was said instead."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            for item in list(self.said):
                if item['what'] == what and fields.items() <= item.items() and text in str(item):
                    return item
            if self.process.poll() is not None or time.monotonic() > deadline:
                wanted = f'{what} {text} {fields}'
                pytest.fail(f'no {wanted}; it said\n{"".join(self.lines[-40:])}')
            time.sleep(0.01)

    def end(self) -> None:
        """End it by SIGINT; whatever is left of its session is killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(END_S)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self._reader.join(END_S)
            assert self.process.stdout is not None
            self.process.stdout.close()


@pytest.fixture
def hosts() -> Iterator[TwoHosts]:
    reason = why_not()
    if reason:
        lacking(NETWORK_NAMESPACES, reason)
    with TwoHosts() as made:
        yield made


class Batch:
    """One batch of two hosts, from the launch of its cell to the end of it."""

    def __init__(self, hosts: TwoHosts, out: Path, *, speed: float) -> None:
        self.record = out / 'batch' / 'record.sqlite'
        self.journals = out / 'cell' / 'journals'
        launch = [sys.executable, '-m', 'medicell_bringup.cli', 'launch']
        cell = ['seed:=1', f'speed:={speed}', f'out:={out / "cell"}']
        operator = [sys.executable, str(OPERATOR), str(RECIPE), str(PATIENT), str(out / 'batch')]
        self.programs = [
            Program(hosts.on(DEVICES, [*launch, 'devices', *cell])),
            Program(hosts.on(CONTROL, [*launch, 'orchestrator'])),
            Program(hosts.on(CONTROL, operator)),
        ]
        self.operator = self.programs[-1]

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for program in reversed(self.programs):
            program.end()
        if kind is not None:
            for program in self.programs:
                print(program.process.args, ''.join(program.lines[-40:]), sep='\n')

    def recorded(self) -> list[RecordedEntry]:
        with BatchRecord.open(self.record, read_only=True) as record:
            return record.entries()

    def entries(self) -> list[Entry]:
        return [item.entry for item in self.recorded()]

    def journalled(self) -> Mapping[str, Counter[str]]:
        """Return how often each operation was started and finished, by all journals together."""
        counts: dict[str, Counter[str]] = {'started': Counter(), 'finished': Counter()}
        for file in self.journals.glob('*.jsonl'):
            for line in map(json.loads, file.read_text('utf-8').splitlines()):
                for kind in counts.keys() & line.keys():
                    counts[kind][line['id']] += 1
        return counts


def of_gap(entry: Entry) -> bool:
    """Return whether an entry tells of a loss of contact."""
    if isinstance(entry, StateChanged):
        return 'SUSPEND' in entry.from_state + entry.to_state
    return isinstance(entry, Deviation) and entry.error_code == ErrorCode.COMMUNICATION_LOST


def whole_part(entries: Sequence[RecordedEntry]) -> list[RecordedEntry]:
    """Return what is recorded of a batch besides the gap.

    Without its first two entries, which say by whom it was started, and without its last, which
    counts the deviations.
    """
    return [item for item in entries if not of_gap(item.entry)][2:-1]


def told(entries: Sequence[RecordedEntry]) -> list[str]:
    """Return what is told, in the record's own words."""
    return [encode_entry(item.entry) for item in whole_part(entries)]


def times(entries: Sequence[RecordedEntry]) -> list[float]:
    """Return the cell's time of each entry, in seconds from the batch's start."""
    return [item.at_s - entries[0].at_s for item in whole_part(entries)]


def await_holds(condition: Callable[[], object], what: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f'after {timeout_s:g} s still missing: {what}'
        time.sleep(0.05)


def check_sound(batch: Batch) -> None:
    """Check that a batch ended, its record is whole and nothing was done twice or invented."""
    end = batch.operator.await_('end')
    assert not end['question']
    assert end['volume_error_pct'] < 1e-6
    assert end['cells_error_pct'] < 0.1
    assert verify(batch.record).sound
    journalled = batch.journalled()
    assert set(journalled['started'].values()) == {1}
    assert journalled['finished'] == journalled['started']
    sent = [item.operation_id for item in batch.entries() if isinstance(item, Command)]
    assert sorted(sent) == sorted(journalled['started'])
    completed = [item for item in batch.entries() if isinstance(item, Completed)]
    assert sorted(item.operation_id for item in completed) == sorted(sent)
    assert {item.error_code for item in completed} == {ErrorCode.OK}


@pytest.mark.slow
def test_cable_cut_for_30_s_in_a_transfer_costs_nothing_but_the_gap(
    hosts: TwoHosts, tmp_path: Path
) -> None:
    with Batch(hosts, tmp_path / 'cut', speed=SPEED) as cut:
        operator = cut.operator
        operator.await_('batch', state='EXECUTE', phase=PHASE)
        struck = operator.await_('fluid_handler', operation='Transfer')['operation_id']
        time.sleep(INTO_TRANSFER_S)
        assert struck not in cut.journalled()['finished']
        hosts.cut()
        cut_s = time.time()
        alarm = operator.await_('batch', state='SUSPENDED')
        health = operator.await_('diagnostics', text='fluid_handler')
        state = operator.await_('orchestrator', text='fluid_handler', state='SUSPENDED')
        assert alarm['wall_s'] - cut_s < ALARM_S
        assert health['wall_s'] - cut_s < ALARM_S
        assert alarm['alarm'].startswith('no contact with fluid_handler since ')
        assert state['wall_s'] - cut_s < ALARM_S
        assert health['message'].startswith('no contact with ')
        assert state['fault'].startswith('no contact with ')
        await_holds(lambda: struck in cut.journalled()['finished'], 'end of the transfer', CUT_S)
        begun = cut.journalled()['started']
        time.sleep(max(0.0, cut_s + CUT_S - time.time()))
        assert cut.journalled()['started'] == begun
        hosts.heal()
        healed_s = time.time()
        check_sound(cut)
        goes_on = [
            item['wall_s']
            for item in operator.said
            if item['what'] == 'batch' and item['state'] == 'EXECUTE' and item['wall_s'] > healed_s
        ]
        print(
            f'alarm {alarm["wall_s"] - cut_s:.2f} s after the cut,'
            f' in contact {goes_on[0] - healed_s:.2f} s after the healing'
        )
    whole = local_batch(1, recipe=RECIPE)
    gap = [entry for entry in cut.entries() if of_gap(entry)]
    assert [type(entry) for entry in gap] == [StateChanged] * 4 + [Deviation]
    deviation = gap[-1]
    assert isinstance(deviation, Deviation)
    assert deviation.recovered
    assert deviation.phase == PHASE
    assert 'no contact with fluid_handler from ' in deviation.description
    assert struck in deviation.action
    assert told(cut.recorded()) == told(whole.entries)
    assert times(cut.recorded()) == pytest.approx(times(whole.entries), abs=1e-3)
    end = cut.operator.await_('end')
    assert end['outcome'] == whole.outcome == 'failed_limits'
    assert end['volume_now_ml'] == pytest.approx(whole.balance.volume_now_ml, abs=1e-6)
