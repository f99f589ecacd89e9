"""The batch engine: ticks the tree, and brings together what people, devices and it want."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from py_trees.common import Status

from medicell_core.cell import Cell
from medicell_core.clock import Clock, WallClock
from medicell_core.containers import Patient
from medicell_core.entries import Answer, CommandProof, Ordered, Question
from medicell_core.errors import ErrorCode
from medicell_core.serving import ServingNode
from medicell_core.states import PackMLState
from medicell_orchestrator.batch import Batch, RecordSink
from medicell_orchestrator.engine.clock_watch import NOTED
from medicell_orchestrator.engine.course import Course
from medicell_orchestrator.engine.desk import EngineDesk
from medicell_orchestrator.engine.ending import Ending
from medicell_orchestrator.engine.first_entry import first_entry
from medicell_orchestrator.engine.holding import outstanding, settle_hold
from medicell_orchestrator.engine.ordering import Orders
from medicell_orchestrator.engine.replay import Replay
from medicell_orchestrator.engine.snapshot import BatchSnapshot, snapshot_of_batch
from medicell_orchestrator.engine.suspending import Suspension
from medicell_orchestrator.judging import judge_of
from medicell_orchestrator.patient import check_fit
from medicell_orchestrator.recipe import Recipe
from medicell_orchestrator.resuming.cell import RecordedCell
from medicell_orchestrator.resuming.history import History
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_orchestrator.resuming.taking_up import Absence
from medicell_orchestrator.tree import NodeSnapshot, TreeFactory, snapshot_of
from medicell_record.record import RecordedEntry

WAIT_S = 0.5
"""Wall seconds after which the engine looks at its commands even if nothing was heard."""

LATELY_S = 60.0
"""Wall seconds for which a shortage counts that is over: who was told of it acts by then."""


def _ignore(cell_s: float) -> None:
    """Tell nobody."""


class BatchEngine:
    """Runs one batch on a cell; `products` is the folder of the release specifications.

    While a device that is waited for is out of contact the batch is Suspended: nothing new is
    started, and it goes on by itself. `wall` tells the times of such gaps.

    With the entries of an open record as `recorded` the batch is not begun: `take_up` goes on
    with it, by the `journals` for which its goals were sent. `on_tick` is told the cell's time
    after each turn of `run`. The orders of persons are obeyed, and recorded, at the next tick.
    While `shortage` tells of one, such as of a full disk, the batch is Held, and goes on after it.
    What `clock_set` tells is a deviation.

    `run` belongs to one thread; the commands and the snapshots may be called from any.
    """

    def __init__(
        self,
        *,
        recipe: Recipe,
        patient: Patient,
        cell: Cell,
        record: RecordSink,
        products: Path,
        seed: int = -1,
        operator: str = 'system',
        proof: CommandProof | None = None,
        software_version: str = '',
        nodes: Sequence[ServingNode] = (),
        on_change: Callable[[], None] | None = None,
        on_tick: Callable[[float], None] = _ignore,
        wall: Clock | None = None,
        recorded: Sequence[RecordedEntry] = (),
        journals: KnownJournals | None = None,
        shortage: Callable[[], str] = str,
        clock_set: Callable[[], str] = str,
    ) -> None:
        check_fit(recipe, patient)
        history = History(recorded)
        self._last = recorded[-1].entry if recorded else None
        journals = KnownJournals() if journals is None else journals
        recorded_cell = RecordedCell(history, cell, journals)
        self.batch = Batch(
            recipe=recipe,
            patient=patient,
            cell=recorded_cell if recorded else cell,
            record=record,
            judge=judge_of(recipe.product, products),
            history=history,
            journals=journals,
        )
        self._cell = self.batch.cell
        self._seed = seed
        self._operator, self._proof = operator, proof
        self._version = software_version
        self._nodes = nodes
        self._on_change = on_change
        self._on_tick = on_tick
        self._ticking = threading.RLock()
        self._left = False
        self._look_for_shortage = shortage
        self._look_at_clock = clock_set
        self._course = Course(self.batch)
        self._orders = Orders(self.batch, self._course)
        self._wall = WallClock() if wall is None else wall
        self._short, self._short_s = '', -math.inf
        self._suspension = Suspension(self._course, self._cell, self._wall)
        desk = EngineDesk(history, self._course, self._orders, self._suspension, self._changed)
        self.root = TreeFactory(self.batch, desk).procedure(recipe)
        self._ending = Ending(self.batch, self._course, self._orders, self.root, self._changed)
        self._replay = Replay(self.batch, self._course, self._orders, self._ending, recorded_cell)

    # --- commands, from any thread ----------------------------------------------------------

    def start(self) -> None:
        """Accept the batch: write its first entry. Raises BATCH_RUNNING."""
        self._orders.start(self._begin)

    def hold(self, reason: str, operator: str = '', proof: CommandProof | None = None) -> None:
        """Finish or cancel what runs and start nothing more; safe to call when held."""
        self._orders.hold(reason, operator, proof)

    def resume(
        self, reason: str = '', operator: str = '', proof: CommandProof | None = None
    ) -> None:
        """Go on at the phase where the batch was held. Raises NOT_ALLOWED_IN_STATE.

        A question must be answered first.
        """
        self._orders.resume(reason, operator, proof)

    def abort(self, reason: str, operator: str = '', proof: CommandProof | None = None) -> None:
        """Stop every device and end the batch; allowed from any state but an ended one."""
        self._orders.abort(reason, operator, proof)

    def close_held(self, reason: str) -> None:
        """End a batch that nobody will answer: its outcome is `held`. The cell is stopped."""
        self._orders.close(reason)

    def answer(
        self,
        question_id: str,
        choice: str,
        operator: str,
        reason: str,
        proof: CommandProof | None = None,
    ) -> None:
        """Answer the open question; raises UNKNOWN_QUESTION or INVALID_ANSWER."""
        self._orders.answer(question_id, choice, operator, reason, proof)

    # --- what can be seen, from any thread --------------------------------------------------

    @property
    def state(self) -> PackMLState:
        """The batch's PackML state."""
        return self._course.state

    @property
    def outcome(self) -> str:
        """The outcome of a closed batch; empty before."""
        return self._course.outcome

    @property
    def question(self) -> Question | None:
        """The question that is open, if any."""
        return self._orders.question

    @property
    def shortage(self) -> str:
        """What the batch is Held for want of, with nothing under way; empty while it goes on."""
        return self._orders.shortage if self.state is PackMLState.HELD else ''

    @property
    def shortage_lately(self) -> str:
        """What the batch is short of, or was a minute ago; empty without."""
        return self._short if self._wall.now_s() - self._short_s < LATELY_S else ''

    @property
    def over(self) -> bool:
        """Whether the batch has ended."""
        return self._course.over

    def snapshot(self) -> BatchSnapshot:
        """Return what a person sees of the batch now."""
        with self._ticking:
            return snapshot_of_batch(
                self.batch,
                self.root,
                self._course,
                question=self.question,
                alarm=self._orders.shortage or self._suspension.alarm,
            )

    def tree(self) -> list[NodeSnapshot]:
        """Return the tree's nodes as they are now."""
        with self._ticking:
            return snapshot_of(self.root)

    def outstanding(self) -> list[str]:
        """Return the operations that have not ended, without those in the background."""
        return outstanding(self.root)

    @property
    def unwritten(self) -> tuple[Ordered | Answer, ...]:
        """What people have ordered and the record would not take."""
        return self._orders.unwritten

    def keep(self, orders: Sequence[Ordered | Answer]) -> None:
        """Take over, before `take_up`, what the record would not take in an engine before."""
        self._orders.keep(orders, self._last)

    # --- the engine's thread ----------------------------------------------------------------

    def run(self) -> str:
        """Tick until the batch has ended or is left; return its outcome, empty for none."""
        while not (self.over or self._left):
            self.tick()
            self._on_tick(self._cell.now_s())
            if not self.over:
                self._cell.wait(WAIT_S)
        return self.outcome

    def leave(self, reason: str) -> None:
        """Stop the cell and go no further: the record stays open, for a process after this."""
        with self._ticking:
            self._left = True
            self._cell.stop(reason)
        self._cell.wake()

    def tick(self) -> None:
        """Obey what was commanded, then drive the tree once."""
        with self._ticking:
            if self.over or self._left or self.state is PackMLState.IDLE:
                return
            if self._ending.end is not None:
                self._ending.await_devices(self._ending.end)
                return
            self._obey()
            if self._orders.end is not None:
                self._ending.stop(self._orders.end)
                return
            self._settle()
            self.root.tick_once()
            self._settle()
            if self.root.status is not Status.RUNNING:
                self._ending.finish()
            self._changed()

    def take_up(self, absence: Absence) -> None:
        """Go through the record, then ask the devices about what it leaves open, and go on.

        Nothing is asked and nothing written before the whole record has been made again.
        Raises RECORD_UNREADABLE when that gives other entries.
        """
        with self._ticking:
            self._replay.go_through(absence, self.tick)
            if self.state is PackMLState.IDLE:
                self._go_starting()
            self._changed()
        self._cell.wake()

    def fail(self, error: BaseException) -> None:
        """End the batch after a defect of the software itself: cell stopped, record closed.

        The batch is over afterwards even if the record cannot be written any more.
        """
        with self._ticking:
            if not self.over:
                self._ending.fail(error)

    def _begin(self) -> None:
        self.batch.append(
            first_entry(
                self.batch,
                seed=self._seed,
                operator=self._operator,
                proof=self._proof,
                software_version=self._version,
                nodes=self._nodes,
            )
        )
        self._go_starting()

    def _go_starting(self) -> None:
        self._course.go(PackMLState.STARTING, f'started by {self._operator}')

    def _obey(self) -> None:
        """Obey what was ordered since the last tick, by people or as the record tells."""
        if self._replay.over:
            self._orders.obey_new()
        else:
            self._replay.absorb()

    def _settle(self) -> None:
        """Bring the batch's state in line with orders and with who can be reached."""
        if not self._replay.over:
            self._replay.absorb()
            return
        if self.state is PackMLState.STARTING:
            self._course.go(PackMLState.EXECUTE, 'started')
        clock_set = self._look_at_clock()
        if clock_set:
            self._course.noted(ErrorCode.CLOCK_SET, clock_set, NOTED)
        self._orders.shortage = self._look_for_shortage()
        if self._orders.shortage:
            self._short, self._short_s = self._orders.shortage, self._wall.now_s()
        settle_hold(self._course, self._orders, self.root)
        self._suspension.settle()

    def _changed(self) -> None:
        if self._on_change is not None and self._replay.over:
            self._on_change()
