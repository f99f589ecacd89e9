"""The orchestrator as a lifecycle node: services in, topics out, one batch at a time."""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medicell_interfaces.srv import (
    AbortBatch,
    AnswerQuestion,
    GetChallenge,
    HoldBatch,
    ResumeBatch,
    StartBatch,
    VerifyRecord,
)
from rclpy.clock import Clock, ClockType

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.serving import ServingNode
from medicell_core.states import PackMLState
from medicell_orchestrator.node.contact import Contacts
from medicell_orchestrator.node.keeping import OpenBatch
from medicell_orchestrator.node.proving import Doorkeeper, required
from medicell_orchestrator.node.publishing import BatchPublisher
from medicell_orchestrator.node.ros_cell import RosCell
from medicell_orchestrator.node.telling import SelfTelling
from medicell_orchestrator.node.working import BatchWork
from medicell_orchestrator.pursuing import Contact
from medicell_orchestrator.resuming.note import OpenNote
from medicell_orchestrator.unwritten import Unwritten
from medicell_record.access.permissions import Action
from medicell_record.anchor.place import cell_state
from medicell_ros.conversion import node_time_s
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.lifeline import Watch
from medicell_ros.node_parameters import DEVICES, ORCHESTRATOR, WORLD, OrchestratorParameters
from medicell_ros.parameters import declare

if TYPE_CHECKING:
    from medicell_core.entries import CommandProof
    from medicell_devices.cell_config import CellConfig
    from medicell_orchestrator.node.starting import Begun

NAME = ORCHESTRATOR
CLOCK_WAIT_S = 0.02
"""Wall seconds between two looks whether simulated time has come."""

TOLD_S = 2.0
"""Wall seconds for which the states of devices that are seen are waited for; one that is not
configured has none.
"""

DIAGNOSTICS_PERIOD_S = 1.0
"""Wall seconds between two messages on /diagnostics while nothing changes."""

END_S = 30.0
"""Wall seconds that a batch's thread may take to end when the node shuts down."""


class OrchestratorNode(ManagedNode):
    """Runs batches on the devices of its namespace.

    `~/start_batch`, `~/hold_batch`, `~/resume_batch`, `~/abort_batch` and `~/answer_question`
    command it, by people who prove it with `~/get_challenge`, and `~/verify_record` asks it;
    `~/batch`, `~/tree`, `~/record`, `~/state` and `/diagnostics` tell. A device out of contact is
    a fault in `~/state` and in `/diagnostics` at once, whether a batch runs or not. With a
    `journal_dir` a batch whose orchestrator has died is taken up again when this one becomes
    active; one that cannot be is Held, and it tells why.
    """

    def __init__(
        self,
        *,
        config: Path,
        cell: CellConfig,
        software_version: str,
        one_process: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(NAME, **options)
        self._one_process = one_process
        self.parameters = declare(self, OrchestratorParameters)
        self._config = config
        self._cell_config = cell
        self._version = software_version
        self._serving = ServingNode(node=NAME)
        self._publisher: BatchPublisher | None = None
        self._telling: SelfTelling | None = None
        self._door: Doorkeeper | None = None
        self._contacts: Contacts | None = None
        self._world: Watch | None = None
        self._work = BatchWork(self.get_logger(), on_failure=self._changed, on_end=self._ended)
        self._open = OpenBatch(
            self, find=self._find, begin=self._work.begin, say=self._say, rest=self._rest
        )
        self._taking = False
        self._timed_s = math.inf
        self._clock_timer: Any = None
        self._diagnostics_timer: Any = None
        self._served: list[Any] = []

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Every device of the cell."""
        return DEVICES

    def configure(self) -> None:
        """Open the services and topics; raises InputError for a wrong `record_url`.

        And where proofs are asked for without accounts to check them.
        """
        if self.parameters.record_url:
            from medicell_record.database.postgresql import check_url  # noqa: PLC0415

            check_url(self.parameters.record_url, field='record_url')
        self._serving = self.serving(
            self._cell_config.file, package='medicell_orchestrator', version=self._version
        )
        asks, home = self.parameters.proofs_required, self.parameters.state_dir
        self._door = Doorkeeper(cell_state(self._cell_config.cell, home) if asks else None)
        self._open.note = OpenNote(self.parameters.journal_dir)
        self._publisher = BatchPublisher(self)
        self._telling = SelfTelling(self, self._publisher, fault=self._fault)
        self._contacts = Contacts(self, self._contact_changed, one_process=self._one_process)
        self._world = Watch(
            self, WORLD, partial(self._tell_contact, WORLD), one_process=self._one_process
        )
        self._served = [
            self.create_service(kind, f'~/{name}', self.answering(verb))
            for kind, name, verb in (
                (StartBatch, 'start_batch', self._start),
                (HoldBatch, 'hold_batch', self._hold),
                (ResumeBatch, 'resume_batch', self._resume),
                (AbortBatch, 'abort_batch', self._abort),
                (AnswerQuestion, 'answer_question', self._answer),
                (GetChallenge, 'get_challenge', self._door.challenge),
                (VerifyRecord, 'verify_record', self._verify),
            )
        ]

    def activate(self) -> None:
        """Take batches as soon as the cell's time is known; IDLE says so."""
        assert self._telling is not None
        self._say(PackMLState.RESETTING)
        self._timed_s = math.inf
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._clock_timer = self.create_timer(
            CLOCK_WAIT_S, self.guarded(self._await_time), clock=steady
        )
        self._diagnostics_timer = self.create_timer(
            DIAGNOSTICS_PERIOD_S, self.guarded(self._telling.diagnose), clock=steady
        )

    def check_may_stop(self) -> None:
        """Raise BATCH_RUNNING during a batch, which ends only through this node's executor."""
        self._check_no_batch()

    def deactivate(self) -> None:
        """Abort what runs, close what is Held, and wait for the last entry; STOPPED says so.

        A node that is `left_alone`, or whose batch is or was short of room lately, stops the
        devices and leaves the batch open, as one that is killed does, for the orchestrator that
        finds its note: who was told of the shortage was told that the batch goes on.
        """
        self._taking = False
        self._stop_waiting()
        self._open.stop_retrying()
        engine = self._work.engine
        if engine is not None and not engine.over:
            gone = 'who started the orchestrator is gone' if self.left_alone else ''
            why_left = gone or engine.shortage_lately
            if why_left and self._open.note.read() is not None:
                engine.leave(why_left)
            elif engine.question is not None:
                engine.close_held('the orchestrator was shut down while a question was open')
            else:
                engine.abort('the orchestrator was shut down')
        self._work.wait(END_S)
        if self._diagnostics_timer is not None:
            self.destroy_timer(self._diagnostics_timer)
            self._diagnostics_timer = None
        self._say(PackMLState.STOPPED)

    def cleanup(self) -> None:
        """Close the services and topics."""
        for service in self._served:
            self.destroy_service(service)
        self._served = []
        if self._contacts is not None:
            self._contacts.close()
            self._contacts = None
        if self._world is not None:
            self._world.close()
            self._world = None
        if self._publisher is not None and self._telling is not None:
            self._publisher.close(self)
            self._telling.close()
            self._publisher = self._telling = None

    def _await_time(self) -> None:
        """Become IDLE when active, with the first time that is not zero; called by a timer.

        By then the devices have told by which drivers they serve, which the record opens with.
        """
        if self.is_active and self._now_s() > 0.0 and self._publisher is not None:
            if self._awaits_devices():
                return
            self._stop_waiting()
            self._taking = True
            self._open.look()

    def _awaits_devices(self) -> bool:
        """Return whether a device that is seen has not told its state yet, for a while only."""
        assert self._contacts is not None
        self._timed_s = min(self._timed_s, time.monotonic())
        return time.monotonic() - self._timed_s < TOLD_S and bool(self._contacts.untold())

    def _stop_waiting(self) -> None:
        if self._clock_timer is not None:
            self.destroy_timer(self._clock_timer)
            self._clock_timer = None

    # --- services ---------------------------------------------------------------------------

    # What only a batch needs is imported with the first one: half of the node's start otherwise.

    def _start(self, request: Any, reply: Any) -> None:
        from medicell_orchestrator.node.starting import begin_batch  # noqa: PLC0415

        if not self.is_active:
            raise MedicellError(ErrorCode.NOT_ACTIVE, f'{NAME} is not active')
        self._check_no_batch()
        required(request, 'recipe', 'patient_yaml', 'out_dir')
        proof = self._admit(request, Action.START_BATCH)
        if not self._now_s() > 0.0:
            topic = self.resolve_topic_name('/clock')
            text = f'the time is not known yet: nothing has come on {topic}'
            raise MedicellError(ErrorCode.NOT_ACTIVE, text)
        if not self._taking:
            raise MedicellError(ErrorCode.NOT_ACTIVE, f'{NAME} looks for an open batch first')
        assert self._contacts is not None
        batch = begin_batch(
            request,
            proof,
            record_url=self.parameters.record_url,
            nodes=[self._serving, *self._contacts.serving()],
            note=self._open.note,
            **self._means(),
        )
        self._work.begin(batch)
        reply.batch_id = batch.engine.batch.batch_id

    def _means(self) -> dict[str, Any]:
        """Return by what a batch is made, whether it begins or is taken up again."""
        from medicell_orchestrator.node.starting import Keeping  # noqa: PLC0415

        parameters = self.parameters
        assert self._contacts is not None
        return {
            'config': self._config,
            'cell_config': self._cell_config,
            'keeping': Keeping(
                state_dir=parameters.state_dir,
                journal_dir=parameters.journal_dir,
                entries=parameters.checkpoint_entries,
                least_free_mb=parameters.least_free_mb,
            ),
            'software_version': self._version,
            'publisher': self._publisher,
            'make_cell': partial(
                RosCell,
                self,
                contacts=self._contacts,
                patience_s=parameters.lost_device_wait_s,
            ),
            'on_change': self._changed,
            'simulated': bool(self.get_parameter('use_sim_time').value),
        }

    def _find(self, folder: Path) -> Begun:
        """Return the open batch of a folder, to be taken up again."""
        from medicell_orchestrator.node.starting import find_batch  # noqa: PLC0415

        return find_batch(folder, serving=self._serving, **self._means())

    def _hold(self, request: Any, reply: Any) -> None:
        required(request, 'reason')
        proof = self._admit(request, Action.HOLD_BATCH)
        self._work.running.hold(request.reason, request.operator_name, proof)

    def _resume(self, request: Any, reply: Any) -> None:
        required(request, 'reason')
        proof = self._admit(request, Action.RESUME_BATCH)
        self._work.running.resume(request.reason, request.operator_name, proof)

    def _abort(self, request: Any, reply: Any) -> None:
        required(request, 'reason')
        proof = self._admit(request, Action.ABORT_BATCH)
        if self._open.refusal is not None:
            reason = f'{request.operator_name}: {request.reason}'
            if self._telling is not None:
                self._telling.stop(f'abort: {reason}')
            self._open.let_go(reason)
        else:
            self._work.running.abort(request.reason, request.operator_name, proof)

    def _answer(self, request: Any, reply: Any) -> None:
        proof = self._admit(request, Action.ANSWER_QUESTION)
        self._work.running.answer(
            request.question_id, request.choice, request.operator_name, request.reason, proof
        )

    def _admit(self, request: Any, action: Action) -> CommandProof | None:
        """Return that somebody gives a command; None where names are taken."""
        assert self._door is not None
        return self._door.admit(request, action)

    def _verify(self, request: Any, reply: Any) -> None:
        from medicell_record.verify import report_text, verify  # noqa: PLC0415

        required(request, 'path')
        result = verify(request.path, home=self.parameters.state_dir)
        reply.sound = result.sound
        reply.text = report_text(result)

    # --- what is told, from any thread -------------------------------------------------------

    def _changed(self) -> None:
        """Tell what is seen of the batch."""
        engine, publisher, telling = self._work.engine, self._publisher, self._telling
        if engine is None or publisher is None or telling is None:
            return
        telling.batch = engine.snapshot()
        telling.say(engine.state)
        publisher.engine_changed(engine, engine.batch.now_s())

    def _ended(self, batch: Begun, refusal: Exception | None) -> None:
        """Take others after a batch, or be Held with one that cannot be taken up or closed."""
        if self._telling is not None:
            self._telling.batch = None
        if isinstance(refusal, Unwritten):
            self._open.keep_open(batch, refusal, again=self._taking)
        elif refusal is not None:
            self._open.keep_held(batch.folder, refusal)
        elif batch.closed:
            self._open.note.clear()
            if self._taking:
                self._say(PackMLState.IDLE)

    def _rest(self) -> None:
        """Tell that there is no batch."""
        assert self._publisher is not None
        self._publisher.nothing(self._now_s())

    def _contact_changed(self, contact: Contact) -> None:
        """Tell at once who cannot be reached; a batch that waits for it looks after it."""
        self._tell_contact(contact.role, contact.lost, again=contact.epoch > 1)
        self._work.wake()

    def _tell_contact(self, name: str, lost: bool, *, again: bool = True) -> None:
        if lost:
            self.get_logger().error(f'no contact with {name}')
        elif again:
            self.get_logger().info(f'in contact with {name} again')
        if self._telling is not None:
            self._telling.say()
            self._telling.diagnose()

    def _say(self, state: PackMLState) -> None:
        if self._telling is not None:
            self._telling.say(state)

    def _fault(self) -> MedicellError | None:
        """Return why a batch is not taken up or is Held, or who is out of contact, if any."""
        if self._open.refusal is not None:
            return self._open.refusal
        engine = self._work.engine
        if engine is not None and engine.shortage:
            return MedicellError(ErrorCode.DISK_FULL, engine.shortage)
        lost: list[str] = [] if self._contacts is None else [*self._contacts.lost()]
        if self._world is not None and self._world.lost:
            lost.append(WORLD)
        if not lost:
            return None
        return MedicellError(ErrorCode.COMMUNICATION_LOST, f'no contact with {", ".join(lost)}')

    def _now_s(self) -> float:
        return node_time_s(self)

    def _check_no_batch(self) -> None:
        self._open.check_none()
        self._work.check_none()
