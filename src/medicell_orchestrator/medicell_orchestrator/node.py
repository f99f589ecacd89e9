"""The orchestrator as a lifecycle node: services in, topics out, one batch at a time."""

from __future__ import annotations

import math
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from medicell_interfaces.msg import DeviceState, StopRequest
from medicell_interfaces.srv import (
    AbortBatch,
    AnswerQuestion,
    HoldBatch,
    ResumeBatch,
    StartBatch,
    VerifyRecord,
)
from rclpy.clock import Clock, ClockType

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.serving import ServingNode
from medicell_core.states import PackMLState
from medicell_orchestrator.contact import Contacts
from medicell_orchestrator.diagnosis import diagnostics_message
from medicell_orchestrator.publishing import BatchPublisher
from medicell_orchestrator.pursuing import Contact
from medicell_orchestrator.resuming.note import OpenNote
from medicell_orchestrator.ros_cell import RosCell
from medicell_ros.conversion import node_time_s, time_to_message
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.node_parameters import DEVICES, ORCHESTRATOR, OrchestratorParameters
from medicell_ros.parameters import declare
from medicell_ros.qos import events, living, telemetry

if TYPE_CHECKING:
    from medicell_devices.cell_config import CellConfig
    from medicell_orchestrator.engine.engine import BatchEngine
    from medicell_orchestrator.engine.snapshot import BatchSnapshot
    from medicell_orchestrator.resuming.taking_up import Absence
    from medicell_orchestrator.starting import Begun

NAME = ORCHESTRATOR
CLOCK_WAIT_S = 0.02
"""Wall seconds between two looks whether simulated time has come."""

RETRY_S = 10.0
"""Wall seconds between two looks at a record that cannot be reached; a database that does not
answer is waited for as long, and nobody is answered meanwhile.
"""

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

    `~/start_batch`, `~/hold_batch`, `~/resume_batch`, `~/abort_batch`, `~/answer_question`
    and `~/verify_record` command it; `~/batch`, `~/tree`, `~/record`, `~/state` and
    `/diagnostics` tell. A device out of contact is a fault in `~/state` and in `/diagnostics`
    at once, whether a batch runs or not. With a `journal_dir` a batch whose orchestrator has died
    is taken up again when this one becomes active; one that cannot be is Held, and it tells why.
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
        self._engine: BatchEngine | None = None
        self._thread: threading.Thread | None = None
        self._publisher: BatchPublisher | None = None
        self._state: Any = None
        self._stop: Any = None
        self._diagnostics: Any = None
        self._contacts: Contacts | None = None
        self._cell: RosCell | None = None
        self._telling = threading.Lock()
        self._told = PackMLState.STOPPED
        self._taking = False
        self._timed_s = math.inf
        self._snapshot: BatchSnapshot | None = None
        self._clock_timer: Any = None
        self._retry_timer: Any = None
        self._diagnostics_timer: Any = None
        self._served: list[Any] = []
        self._note = OpenNote('')
        self._refusal: MedicellError | None = None

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Every device of the cell."""
        return DEVICES

    def configure(self) -> None:
        """Open the services and topics; raises InputError for a wrong `record_url`."""
        if self.parameters.record_url:
            from medicell_record.database.postgresql import check_url  # noqa: PLC0415

            check_url(self.parameters.record_url, field='record_url')
        self._serving = self.serving(
            self._cell_config.file, package='medicell_orchestrator', version=self._version
        )
        self._note = OpenNote(self.parameters.journal_dir)
        self._publisher = BatchPublisher(self)
        self._state = self.create_publisher(DeviceState, '~/state', living())
        self._stop = self.create_publisher(StopRequest, 'stop', events())
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', telemetry())
        self._contacts = Contacts(self, self._contact_changed, one_process=self._one_process)
        self._served = [
            self.create_service(kind, f'~/{name}', self.answering(verb))
            for kind, name, verb in (
                (StartBatch, 'start_batch', self._start),
                (HoldBatch, 'hold_batch', self._hold),
                (ResumeBatch, 'resume_batch', self._resume),
                (AbortBatch, 'abort_batch', self._abort),
                (AnswerQuestion, 'answer_question', self._answer),
                (VerifyRecord, 'verify_record', self._verify),
            )
        ]

    def activate(self) -> None:
        """Take batches as soon as the cell's time is known; IDLE says so."""
        self._say(PackMLState.RESETTING)
        self._timed_s = math.inf
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._clock_timer = self.create_timer(
            CLOCK_WAIT_S, self.guarded(self._await_time), clock=steady
        )
        self._diagnostics_timer = self.create_timer(
            DIAGNOSTICS_PERIOD_S, self.guarded(self._diagnose), clock=steady
        )

    def check_may_stop(self) -> None:
        """Raise BATCH_RUNNING during a batch, which ends only through this node's executor."""
        self._check_no_batch()

    def deactivate(self) -> None:
        """Abort what runs, close what is Held, and wait for the last entry; STOPPED says so.

        A node that is `left_alone` stops the devices and leaves the batch open, as one that is
        killed does, for the orchestrator that finds its note.
        """
        self._taking = False
        self._stop_waiting()
        self._stop_retrying()
        engine, thread = self._engine, self._thread
        if engine is not None and not engine.over:
            if self.left_alone and self._note.read() is not None:
                engine.leave('who started the orchestrator is gone')
            elif engine.question is not None:
                engine.close_held('the orchestrator was shut down while a question was open')
            else:
                engine.abort('the orchestrator was shut down')
        if thread is not None:
            thread.join(END_S)
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
        if self._publisher is not None:
            self._publisher.close(self)
            self.destroy_publisher(self._state)
            self.destroy_publisher(self._stop)
            self.destroy_publisher(self._diagnostics)
            self._publisher = None

    def _await_time(self) -> None:
        """Become IDLE when active, with the first time that is not zero; called by a timer.

        By then the devices have told by which drivers they serve, which the record opens with.
        """
        if self.is_active and self._now_s() > 0.0 and self._publisher is not None:
            if self._awaits_devices():
                return
            self._stop_waiting()
            self._taking = True
            try:
                self._take_up_noted()
            except Exception as error:
                self._keep_held(self._note, error)

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
        from medicell_orchestrator.starting import begin_batch  # noqa: PLC0415

        if not self.is_active:
            raise MedicellError(ErrorCode.NOT_ACTIVE, f'{NAME} is not active')
        self._check_no_batch()
        required(request, 'recipe', 'patient_yaml', 'out_dir', 'operator_name')
        if not self._now_s() > 0.0:
            topic = self.resolve_topic_name('/clock')
            text = f'the time is not known yet: nothing has come on {topic}'
            raise MedicellError(ErrorCode.NOT_ACTIVE, text)
        if not self._taking:
            raise MedicellError(ErrorCode.NOT_ACTIVE, f'{NAME} looks for an open batch first')
        assert self._contacts is not None
        batch = begin_batch(
            request,
            record_url=self.parameters.record_url,
            nodes=[self._serving, *self._contacts.serving()],
            note=self._note,
            **self._means(),
        )
        self._begin(batch)
        reply.batch_id = batch.engine.batch.batch_id

    def _means(self) -> dict[str, Any]:
        """Return by what a batch is made, whether it begins or is taken up again."""
        from medicell_orchestrator.starting import Anchoring  # noqa: PLC0415

        parameters = self.parameters
        assert self._contacts is not None
        return {
            'config': self._config,
            'cell_config': self._cell_config,
            'anchoring': Anchoring(
                state_dir=parameters.state_dir, entries=parameters.checkpoint_entries
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
        }

    def _begin(self, batch: Begun) -> None:
        self._engine, self._cell = batch.engine, batch.cell
        self._thread = threading.Thread(
            target=self._work, args=(batch,), name='batch', daemon=True
        )
        self._thread.start()

    def _take_up_noted(self) -> None:
        """Go on with the batch that a process before this one has left open, or take others.

        One whose record cannot be reached, as in a database that comes up late, is tried again.
        """
        self._stop_retrying()
        folder = self._note.read()
        if folder is None:
            self._rest()
            return
        self.get_logger().info(f'takes up the batch in {folder}')
        try:
            self._take_up(folder)
        except Exception as error:
            code = error.code if isinstance(error, MedicellError) else None
            if code is ErrorCode.RECORD_CLOSED:
                self._rest()
                return
            self._keep_held(folder, error)
            if code is ErrorCode.RECORD_UNREADABLE or isinstance(error, OSError):
                self._retry_timer = self.create_timer(
                    RETRY_S,
                    self.guarded(self._take_up_noted),
                    clock=Clock(clock_type=ClockType.STEADY_TIME),
                )

    def _stop_retrying(self) -> None:
        if self._retry_timer is not None:
            self.destroy_timer(self._retry_timer)
            self._retry_timer = None

    def _take_up(self, folder: Path) -> None:
        from medicell_orchestrator.starting import find_batch  # noqa: PLC0415

        simulated = bool(self.get_parameter('use_sim_time').value)
        means = {**self._means(), 'serving': self._serving, 'simulated': simulated}
        batch = find_batch(folder, **means)
        self._refusal = None
        self._begin(batch)

    def _rest(self) -> None:
        """Take batches: none is open."""
        assert self._publisher is not None
        self._stop_retrying()
        self._note.clear()
        self._refusal = None
        self._publisher.nothing(self._now_s())
        self._say(PackMLState.IDLE)

    def _keep_held(self, where: Path | OpenNote, error: Exception) -> None:
        """Be Held with the batch that cannot be taken up, until a person aborts it."""
        if not isinstance(error, MedicellError):
            error = MedicellError(ErrorCode.HARDWARE_FAULT, f'{error!r}')
        said = f'the batch in {where} cannot be taken up: {error.message}'
        self.get_logger().error(said)
        self._refusal = MedicellError(error.code, said)
        self._say(PackMLState.HELD)

    def _hold(self, request: Any, reply: Any) -> None:
        required(request, 'operator_name')
        self._running().hold(request.reason, request.operator_name)

    def _resume(self, request: Any, reply: Any) -> None:
        required(request, 'operator_name')
        self._running().resume(request.reason, request.operator_name)

    def _abort(self, request: Any, reply: Any) -> None:
        required(request, 'operator_name')
        if self._refusal is not None:
            self._let_go(f'{request.operator_name}: {request.reason}')
        else:
            self._running().abort(request.reason, request.operator_name)

    def _let_go(self, reason: str) -> None:
        """Stop the devices, leave the record of a batch that cannot be taken up, take others."""
        self.get_logger().warning(f'{self._refusal}: left as it is: {reason}')
        if self._stop is not None:
            self._stop.publish(StopRequest(source=NAME, reason=f'abort: {reason}'))
        self._rest()

    def _answer(self, request: Any, reply: Any) -> None:
        self._running().answer(
            request.question_id, request.choice, request.operator_name, request.reason
        )

    def _verify(self, request: Any, reply: Any) -> None:
        from medicell_record.verify import report_text, verify  # noqa: PLC0415

        required(request, 'path')
        result = verify(request.path, home=self.parameters.state_dir)
        reply.sound = result.sound
        reply.text = report_text(result)

    # --- the batch's thread -----------------------------------------------------------------

    def _work(self, batch: Begun) -> None:
        engine = batch.engine
        refusal: Exception | None = None
        try:
            if batch.absence is not None:
                refusal = self._taken_up(engine, batch.absence)
            if refusal is None:
                engine.run()
        except Exception as error:
            self.get_logger().fatal(f'batch {engine.batch.batch_id} ended by a defect: {error!r}')
            refusal = self._fail(engine, error)
        finally:
            self._cell = None
            try:
                batch.close()
            finally:
                self._engine = self._snapshot = None
                if refusal is not None:
                    self._keep_held(batch.folder, refusal)
                elif batch.closed:
                    self._note.clear()
                    if self._taking:
                        self._say(PackMLState.IDLE)

    @staticmethod
    def _taken_up(engine: BatchEngine, absence: Absence) -> Exception | None:
        """Have a batch taken up; return why it cannot be."""
        try:
            engine.take_up(absence)
        except Exception as error:
            return error
        return None

    def _fail(self, engine: BatchEngine, error: Exception) -> MedicellError | None:
        """End a batch whose engine has failed; return why its record could not be closed."""
        try:
            engine.fail(error)
        except Exception as further:
            said = f'its record could not be closed after {error!r}: {further!r}'
            self.get_logger().fatal(said)
            self._changed()
            return MedicellError(ErrorCode.HARDWARE_FAULT, said)
        return None

    def _changed(self) -> None:
        engine = self._engine
        if engine is None or self._publisher is None:
            return
        self._snapshot = engine.snapshot()
        self._say(engine.state)
        self._publisher.engine_changed(engine, engine.batch.now_s())

    def _say(self, state: PackMLState | None = None) -> None:
        """Publish the PackML state, or again the one told last; from any thread.

        Its sequence counts the record's entries published.
        """
        # Told and published under one lock: an older state must not be the one that stays.
        with self._telling:
            publisher, alarm = self._publisher, self._alarm()
            if publisher is None:
                return
            self._told = self._told if state is None else state
            message = DeviceState(
                stamp=time_to_message(self._now_s()),
                role=NAME,
                state=int(self._told),
                operation='' if self._snapshot is None else self._snapshot.phase,
                fault_code=int(self._fault_code(alarm)),
                fault_text=alarm,
                sequence=publisher.entries,
            )
            self._state.publish(message)

    def _contact_changed(self, contact: Contact) -> None:
        """Tell at once who cannot be reached; a batch that waits for it looks after it."""
        if contact.lost:
            self.get_logger().error(f'no contact with {contact.role}')
        elif contact.epoch > 1:
            self.get_logger().info(f'in contact with {contact.role} again')
        if self._publisher is not None:
            self._say()
            self._diagnose()
        cell = self._cell
        if cell is not None:
            cell.wake()

    def _fault_code(self, alarm: str) -> ErrorCode:
        if self._refusal is not None:
            return self._refusal.code
        return ErrorCode.COMMUNICATION_LOST if alarm else ErrorCode.OK

    def _alarm(self) -> str:
        """Return why a batch is not taken up, or which devices are out of contact, in words."""
        if self._refusal is not None:
            return self._refusal.message
        lost = [] if self._contacts is None else self._contacts.lost()
        return f'no contact with {", ".join(lost)}' if lost else ''

    def _diagnose(self) -> None:
        """Publish what an operator's page shows of the orchestrator's health."""
        name = f'{self.get_namespace().strip("/")}/{NAME}'
        # Not the engine's own snapshot: a tick may hold it while it waits for this executor.
        self._diagnostics.publish(
            diagnostics_message(name, self._told, self._alarm(), self._snapshot, self._now_s())
        )

    def _now_s(self) -> float:
        return node_time_s(self)

    def _check_no_batch(self) -> None:
        if self._refusal is not None:
            raise MedicellError(
                ErrorCode.BATCH_RUNNING, f'{self._refusal.message}; abort it first'
            )
        engine = self._engine
        if engine is not None:
            raise MedicellError(
                ErrorCode.BATCH_RUNNING, f'batch {engine.batch.batch_id} has not ended'
            )

    def _running(self) -> BatchEngine:
        if self._engine is None or self._engine.over:
            raise MedicellError(ErrorCode.NO_BATCH, 'no batch is running')
        return self._engine


def required(request: Any, *names: str) -> None:
    """Raise INVALID_GOAL when a text field of a request is empty."""
    for name in names:
        if not getattr(request, name):
            raise MedicellError(ErrorCode.INVALID_GOAL, f'{name}: must not be empty')
