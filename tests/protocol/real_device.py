"""The real operation server on its real journal, taken through the moves of the model."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_core.operations import Mix, MixResult, Operation, Outcome, Role
from medicell_core.states import PackMLState
from medicell_devices.contract import OperationContext
from medicell_devices.server import OperationServer
from medicell_devices.workers import Workers
from medicell_record.canonical import parse_json
from medicell_record.journal import Journal, JournalState, mark_of

from .device_model import ANOTHER, FIRST, NOTHING, Device, Told, Work, put

WAIT_S = 20.0
GOALS = tuple(
    Mix(operation_id=f'B@t/a/b/c#{number}', batch_id='B', container='B.bag', duration_s=1.0)
    for number in (1, 2)
)
IDS = [goal.operation_id for goal in GOALS]
CODES = {ErrorCode.OK: 'F', ErrorCode.CANCELLED: 'C', ErrorCode.OUTCOME_UNKNOWN: 'U'}


class Killed(BaseException):
    """The process that a thread belongs to has been killed."""


class Actor:
    """A thread that stops at gates, and goes on when it is told to."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.at = ''
        self.over = False
        self._killed = False
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)

    def start(self) -> None:
        """Let it run to its first gate."""
        HERE.actor = None
        self._thread.start()
        self._await()

    def step(self) -> None:
        """Let it run to its next gate, or to its end."""
        self._go.release()
        self._await()

    def kill(self) -> None:
        """End it where it stands."""
        self._killed = True
        self._go.release()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def gate(self, at: str) -> None:
        """Stop here; called by the thread itself."""
        if self._killed:
            raise Killed
        self.at = at
        self._stopped.release()
        self._go.acquire()
        if self._killed:
            raise Killed

    def _await(self) -> None:
        assert self._stopped.acquire(timeout=WAIT_S), f'stands at {self.at!r} and has no lock'

    def _run(self, work: Callable[[], None]) -> None:
        HERE.actor = self
        try:
            work()
        except Killed:
            return
        self.over = True
        self._stopped.release()


HERE = threading.local()


def pause(at: str) -> None:
    """Stop the thread that calls this, if it is an actor."""
    actor = getattr(HERE, 'actor', None)
    if actor is not None:
        actor.gate(at)


class SteppedWorkers(Workers):
    """Each piece of work is an actor that stops before it begins; a wake is done at once."""

    def __init__(self) -> None:
        super().__init__()
        self.newest: Actor | None = None

    def spawn(self, work: Callable[[], None], name: str) -> None:
        """Take note of a piece of work, up to its first gate."""
        if name.endswith('/wake'):
            work()
            return

        def begin() -> None:
            pause('n')
            work()

        self.newest = Actor(begin)
        self.newest.start()


class SteppedClock:
    """A clock that stands still, and stops an operation that is over and not told yet."""

    def now_s(self) -> float:
        """Return 0 s."""
        return 0.0

    def begin(self, owner: str) -> None:
        """Let it begin."""

    def sleep(self, owner: str, duration_s: float) -> None:
        """Take no time."""

    def wake(self, owner: str) -> None:
        """Nothing sleeps."""

    def end(self, owner: str) -> None:
        """Stop until the outcome is to be told."""
        pause('d')


class StrokeDriver:
    """A fluid handler whose movement is counted strokes; the hardware outlives its program."""

    role = Role.FLUID_HANDLER

    def __init__(self, strokes: list[int], wants: list[int]) -> None:
        self.busy = False
        self._strokes, self._wants = strokes, wants

    def connect(self) -> None:
        """Reach the hardware."""

    def stop(self) -> None:
        """Stand still."""

    def reset(self) -> None:
        """Be ready."""

    def telemetry(self) -> dict[str, float]:
        """Return no readings."""
        return {}

    def health(self) -> dict[str, str]:
        """Return no fault."""
        return {}

    def lanes(self, goal: Operation) -> frozenset[str]:
        """Return the one lane; refuse while something else that is not modelled has it."""
        if self.busy:
            raise OperationRefused(ErrorCode.DEVICE_BUSY, 'busy')
        return frozenset({'lane'})

    def mix(self, goal: Mix, context: OperationContext) -> MixResult:
        """Make the strokes that are wanted."""
        which, made = IDS.index(goal.operation_id), 0
        try:
            while True:
                pause('s')
                if made == self._wants[which]:
                    return MixResult()
                context.check()
                made += 1
                self._strokes[which] += 1
        finally:
            pause('e')


class RealDevice:
    """A device's process, disk and hardware: what the model's `Device` is made of."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self.path = folder / 'pump.jsonl'
        self._journal: Journal | None = None
        self._server: OperationServer | None = None
        self._workers = SteppedWorkers()
        self._work: tuple[int, Actor] | None = None
        self._refusing: tuple[int, Actor] | None = None
        self._clearing: Actor | None = None
        self._identities: list[str] = []
        self._wants, self._strokes = [0, 0], [0, 0]
        self._synced = 0
        self._cuts = 0
        self.answers: list[tuple[int, str]] = []
        monkeypatch.setattr(os, 'fdatasync', self._sync)
        monkeypatch.setattr(os, 'fsync', self._sync)

    def _sync(self, file: int) -> None:
        """Stop before what was written is on disk."""
        if not self.path.exists() or os.fstat(file).st_ino != self.path.stat().st_ino:
            return
        actor = getattr(HERE, 'actor', None)
        pause('f' if actor is not None and actor.at == 'e' else 'w')
        self._synced = self.path.stat().st_size

    # --- moves ----------------------------------------------------------------------------

    def move(self, told: Told) -> None:
        """Do what a move of the model stands for."""
        self.answers.clear()
        kind, *given = told.cue
        getattr(self, f'_on_{kind}')(*given)

    def _on_start(self) -> None:
        self._journal = Journal(self.path)
        if self._journal.identity not in self._identities:
            self._identities.append(self._journal.identity)
        driver = StrokeDriver(self._strokes, self._wants)
        server = OperationServer(
            driver, SteppedClock(), self._journal, on_status=lambda _: None, step_s=1.0
        )
        self._workers = server._workers = SteppedWorkers()
        server.start()
        self._driver, self._server = driver, server

    def _on_goal(self, which: int, mark: str, wants: int, begins: bool, busy: str = '') -> None:
        assert self._server is not None
        if which not in self.known_ids():
            self._wants[which] = wants
        self._driver.busy = bool(busy)
        identity = self._identities[0 if mark == FIRST else 1]
        joins = self._work is not None and self._work[0] == which
        self._server.submit(
            GOALS[which],
            on_progress=lambda _: None,
            on_done=lambda outcome: None if joins else self._take(which, outcome),
            cancelled=not begins,
            journal_mark=mark_of(identity),
        )
        if joins:
            return
        actor = self._workers.newest
        assert actor is not None
        if IDS[which] in self._server._running:
            self._work = (which, actor)
        elif IDS[which] in self._server._refusing:
            self._refusing = (which, actor)
        else:
            actor.step()
            assert actor.over

    def known_ids(self) -> list[int]:
        """Return the operations that the journal in memory knows."""
        assert self._journal is not None
        return [which for which in (0, 1) if IDS[which] in self._journal._entries]

    def _on_work(self) -> None:
        assert self._work is not None
        self._work[1].step()
        if self._work[1].over:
            self._work = None

    def _on_refusal(self) -> None:
        assert self._refusing is not None
        self._refusing[1].step()
        if self._refusing[1].over:
            self._refusing = None

    def _on_clear(self) -> None:
        assert self._server is not None
        if self._clearing is None:
            self._clearing = Actor(self._server.clear)
            self._clearing.start()
        else:
            self._clearing.step()
        if self._clearing.over:
            self._clearing = None

    def _on_kill(self) -> None:
        actors = [self._clearing, *(item[1] for item in (self._work, self._refusing) if item)]
        for actor in actors:
            if actor is not None:
                actor.kill()
        if self._journal is not None:
            os.close(self._journal._file)
        self._work = self._refusing = self._clearing = None
        self._journal = self._server = None

    def _on_power(self, what: str) -> None:
        self._on_kill()
        if self.path.exists():
            data = self.path.read_bytes()
            unsynced = len(data) - self._synced
            self._cuts += 1
            # Every other time the cut leaves half of a line.
            kept = unsynced if what == 'kept' else unsynced // 2 * (self._cuts % 2)
            os.truncate(self.path, self._synced + kept)
            self._synced = self.path.stat().st_size

    def _on_disk(self) -> None:
        self.path.unlink()
        self._synced = 0

    def close(self) -> None:
        """End what still runs."""
        self._on_kill()

    def _take(self, which: int, outcome: Outcome) -> None:
        assert self._journal is not None
        entry = self._journal._entries.get(IDS[which])
        refused = entry is not None and entry.state is JournalState.REFUSED
        self.answers.append((which, 'R' if refused else CODES.get(outcome.error_code, 'R')))

    # --- what is seen -----------------------------------------------------------------------

    def seen(self, model: Device) -> Device:
        """Return the device as it is; of the model only what nobody can see from outside."""
        data = self.path.read_bytes() if self.path.exists() else b''
        server, journal = self._server, self._journal
        held = server is not None and server.status().state in {
            PackMLState.HELD,
            PackMLState.RESETTING,
        }
        return Device(
            up=server is not None,
            journal=self._label(model),
            named=model.named,
            disk=_letters(data[: self._synced]),
            cache=_letters(data),
            known=NOTHING if journal is None else _known(journal),
            held=held,
            work=self._work_seen(model.work),
            refusing=None if self._refusing is None else (self._refusing[0], self._refusing[1].at),
            clearing=self._clearing is not None,
            strokes=(self._strokes[0], self._strokes[1]),
        )

    def _label(self, model: Device) -> str:
        if self._journal is None:
            return model.journal
        number = self._identities.index(self._journal.identity)
        return (FIRST, ANOTHER)[number] if number < 2 else f'not known: {number + 1}'

    def _work_seen(self, model: Work | None) -> Work | None:
        if self._work is None or self._server is None or model is None:
            return None
        which, actor = self._work
        running = self._server._running[IDS[which]]
        return model._replace(which=which, at=actor.at, ending=running.ending)


def _known(journal: Journal) -> str:
    lines = NOTHING
    for which, key in enumerate(IDS):
        entry = journal._entries.get(key)
        if entry is not None:
            lines = put(lines, which, _letter(entry.state, entry.outcome))
    return lines


def _letters(data: bytes) -> str:
    """Return what whole lines of a journal say of the operations."""
    lines = NOTHING
    for line in data[: data.rfind(b'\n') + 1].decode().splitlines():
        item = parse_json(line)
        if 'id' not in item:
            continue
        state = next(state for state in JournalState if state.value in item)
        outcome = None if state is JournalState.STARTED else item[state.value]
        lines = put(lines, IDS.index(item['id']), _letter(state, outcome))
    return lines


def _letter(state: JournalState, outcome: dict[str, object] | None) -> str:
    if state is JournalState.STARTED or outcome is None:
        return 'S'
    if state is JournalState.REFUSED:
        return 'R'
    return CODES[ErrorCode(int(str(outcome['error_code'])))]
