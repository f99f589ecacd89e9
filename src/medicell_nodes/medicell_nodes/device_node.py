"""The one lifecycle node class of all devices: a driver's operations as actions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from medicell_interfaces.msg import DeviceState, ServingNode, StopRequest
from medicell_interfaces.srv import ClearDevice

from medicell_core.clock import Clock, WallClock
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_core.operations import Role
from medicell_core.states import PackMLState
from medicell_devices.cell_config import CellConfig
from medicell_devices.driver_type import Fit, Simulated
from medicell_devices.registry import driver_of, make_driver, package_of
from medicell_devices.server import DeviceStatus, OperationServer
from medicell_nodes.device_actions import DeviceActions
from medicell_nodes.extras import Closes, Extras, extras_of, machinery_of
from medicell_nodes.readings import MESSAGES, telemetry_message
from medicell_nodes.sampler import Sampler
from medicell_record.journal import Journal, MemoryJournal, OperationJournal
from medicell_ros import conversion, qos
from medicell_ros.host import on_executor
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.lifeline import Watch
from medicell_ros.node_parameters import NODES, ORCHESTRATOR, WORLD, DeviceParameters
from medicell_ros.parameters import declare
from medicell_sim.port import WorldPort

SILENT = f'no contact with {ORCHESTRATOR}'
CLEAR_TYPE = 'medicell_interfaces/srv/ClearDevice'


@runtime_checkable
class Remote(Protocol):
    """A world in another process, which may be replaced by another one."""

    def last_s(self) -> float:
        """Return the last time that was heard of, without asking."""
        ...

    def adopt(self) -> None:
        """Take the world that answers next for the one to act on."""
        ...


class DeviceNode(ManagedNode):
    """A device of the cell, whatever its role.

    Actions `~/<verb>` for each operation of the role. Every goal is accepted and answered by
    its result: a node that is not active, or a device that is stopped, busy or at fault,
    answers with the code and text of the refusal. `~/state` is latched and tells by its
    liveliness that the process lives, `~/telemetry` and
    `/diagnostics` come every `telemetry_period_s`. `stop` in the cell's namespace halts the
    device at once, `~/clear` brings it back. An orchestrator in another process that falls
    silent is told in the log and in `/diagnostics`; the device does what it was told.
    """

    def __init__(
        self,
        role: Role,
        *,
        config: CellConfig,
        port: Callable[[], WorldPort] | None = None,
        fit: Fit | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(role.value, **{'namespace': config.cell, **arguments})
        self.role = role
        self.parameters = self._declared(role)
        self._config = config
        # Wrong input is refused before anything is waited for.
        self._settings = config.settings(role, self.driver_name)
        self._make_port = port
        self._fit = fit
        self._time: Clock = WallClock()
        self._journal: OperationJournal | None = None
        self._server: OperationServer | None = None
        self._sampler: Sampler | None = None
        self._extras: Extras | None = None
        self._machinery: Closes | None = None
        self._told_state = PackMLState.STOPPED
        self._serving = ServingNode()
        self._entities: list[Callable[[], object]] = []
        self._actions: DeviceActions | None = None
        self._orchestrator: Watch | None = None
        self._state_publisher = self.create_publisher(DeviceState, '~/state', qos.living())
        self._telemetry_publisher = self.create_publisher(
            MESSAGES[role], '~/telemetry', qos.telemetry()
        )
        self._diagnostics_publisher = self.create_publisher(
            DiagnosticArray, '/diagnostics', qos.telemetry()
        )

    def _declared(self, role: Role) -> DeviceParameters:
        """Declare the parameters of the role's node."""
        found = declare(self, NODES[role.value])
        assert isinstance(found, DeviceParameters)
        return found

    @property
    def driver_name(self) -> str:
        """The driver that serves the role: the parameter, or else the cell's configuration."""
        return self.parameters.driver or self._config.settings(self.role).driver

    @property
    def is_simulated(self) -> bool:
        """Whether the driver acts on the simulated world; raises InputError if there is none."""
        return isinstance(driver_of(self.role, self.driver_name), Simulated)

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The world's node, where the driver acts on it."""
        return (WORLD,) if self.is_simulated else ()

    @property
    def serves(self) -> tuple[str, ...]:
        """The orchestrator, which ends its batch through the devices."""
        return (ORCHESTRATOR,)

    def configure(self) -> None:
        """Make driver, journal, operation server and the ROS entities."""
        port = self._port()
        driver = make_driver(self.role, self._settings, port)
        if self._fit is not None:
            self._fit(driver, port)
        self._machinery = machinery_of(self, driver, self.parameters, port)
        self._time = WallClock() if port is None else port
        # Stamps need a first time, and a world that is not there must fail the transition.
        self._time.now_s()
        self._journal = self._open_journal()
        self._extras = extras_of(self, driver, self.parameters)
        self._server = OperationServer(
            driver, self._time, self._journal, on_status=self._tell_status
        )
        self._serving = self._serving_message()
        self._serve()
        self._tell_status(self._server.status())

    def activate(self) -> None:
        """Connect the driver and start the telemetry."""
        assert self._server is not None
        self._server.start()
        self._start_sampler()

    def deactivate(self) -> None:
        """Stop the device, end what runs and the telemetry; no thread is left."""
        left = []
        if self._sampler is not None and not self._sampler.stop():
            left.append('the telemetry')
        self._sampler = None
        if self._server is not None:
            self._end_operations(self._server)
            if not self._server.close():
                left.append('an operation')
            self._tell_status(self._server.status())
        if left:
            raise MedicellError(
                ErrorCode.TIMEOUT, f'{self.role}: {" and ".join(left)} did not end in time'
            )

    def cleanup(self) -> None:
        """Destroy what `configure` made."""
        if self._actions is not None:
            self._actions.close()
        for destroy in self._entities:
            destroy()
        self._actions, self._entities, self._orchestrator = None, [], None
        for told in (self._extras, self._machinery):
            if told is not None:
                told.close()
        if isinstance(self._journal, Journal):
            self._journal.close()
        self._journal = self._server = self._extras = self._machinery = None

    def _serving_message(self) -> ServingNode:
        """Return by what the role is served."""
        package, version = package_of(self.driver_name)
        served = self.serving(
            self._config.file,
            driver=self.driver_name,
            simulated=self.is_simulated,
            package=package,
            version=version,
        )
        return conversion.to_message(served, ServingNode())

    def _port(self) -> WorldPort | None:
        """Return the world that a simulated driver acts on; a hardware driver never sees one."""
        if not self.is_simulated:
            return None
        if self._make_port is None:
            raise InputError(
                ErrorCode.INVALID_GOAL,
                f'{self.driver_name!r} is simulated and needs a world',
                field=f'{self.role}.driver',
            )
        return self._make_port()

    def _start_sampler(self) -> None:
        clock = WallClock() if isinstance(self._time, WallClock) else self._time
        self._sampler = Sampler(
            f'sampler/{self.role}',
            clock,
            period_s=self.parameters.telemetry_period_s,
            take=self._take_sample,
            on_lost=self._lose_time,
        )
        self._sampler.start()

    def _lose_time(self, error: MedicellError) -> None:
        """Say as a fault that the world has gone or is another one, until `clear`."""
        server = self._server
        if server is not None:
            server.fail(f'{error.code.name}: {error.message}')

    def _open_journal(self) -> OperationJournal:
        folder = self.parameters.journal_dir
        if folder:
            return Journal(Path(folder) / f'{self.role}.jsonl')
        if not self.is_simulated:
            raise InputError(
                ErrorCode.INVALID_GOAL,
                'must name a folder: hardware without a journal could move twice',
                field=f'{self.role}.journal_dir',
            )
        return MemoryJournal()

    def _serve(self) -> None:
        """Make the actions, the stop topic and the clear service."""
        self._actions = DeviceActions(
            self, self.role, server=self._required, on_progress=self._tell_extras
        )
        stop = self.create_subscription(
            StopRequest, 'stop', self.guarded(self._stop), qos.events()
        )
        clear = self.create_service(
            ClearDevice, '~/clear', self.answering(lambda *_: self._leave_fault())
        )
        self._entities = [
            partial(self.destroy_subscription, stop),
            partial(self.destroy_service, clear),
        ]
        self._orchestrator = Watch(
            self,
            ORCHESTRATOR,
            self._orchestrator_changed,
            one_process=not isinstance(self._time, Remote | WallClock),
        )
        self._entities.append(self._orchestrator.close)

    def told_to_end(self) -> None:
        """Miss no orchestrator from now on: it ends before its devices."""
        if self._orchestrator is not None:
            on_executor(self, self._orchestrator.close)

    def _orchestrator_changed(self, lost: bool) -> None:
        if lost:
            self.get_logger().error(f'{SILENT}; what was told is done, nothing else is begun')
        else:
            self.get_logger().info(f'in contact with {ORCHESTRATOR} again')

    def _required(self) -> OperationServer:
        """Return the operation server; raises NOT_ACTIVE before `configure`."""
        if self._server is None:
            raise MedicellError(ErrorCode.NOT_ACTIVE, f'{self.role} is not configured')
        return self._server

    def _stop(self, request: StopRequest) -> None:
        if self._server is not None and self.is_active:
            self._server.stop(f'{request.source}: {request.reason}')

    def _leave_fault(self) -> None:
        server = self._required()
        if isinstance(self._time, Remote):
            self._time.adopt()
        server.clear()
        if self._sampler is not None and not self._sampler.is_alive:
            self._start_sampler()

    def _end_operations(self, server: OperationServer) -> None:
        """Stop what runs and wake it if it sleeps in a world whose time may be standing."""
        server.stop('the device is being deactivated')
        if self._actions is not None and not isinstance(self._time, WallClock):
            for operation_id in self._actions.under_way():
                self._wake(operation_id)

    def _wake(self, operation_id: str) -> None:
        try:
            self._time.wake(operation_id)
        except MedicellError as error:
            self.get_logger().warning(f'{operation_id}: {error.message}')

    def _stamp_s(self) -> float:
        """Return the time as far as it is known here: callbacks must not wait for the world."""
        if isinstance(self._time, Remote):
            return self._time.last_s()
        return self._time.now_s()

    def _tell_extras(self) -> None:
        if self._extras is not None:
            self._extras.tell(self._time.now_s())

    def _tell_status(self, status: DeviceStatus) -> None:
        """Publish the state, and log that it is ABORTED; called from any thread, in order."""
        if status.state is PackMLState.ABORTED and self._told_state is not PackMLState.ABORTED:
            self.get_logger().error(
                f'ABORTED: {status.fault_text}. No operation is taken until a person has looked'
                f' and says: ros2 service call {self.get_fully_qualified_name()}/clear'
                f' {CLEAR_TYPE}'
            )
        self._told_state = status.state
        message = DeviceState(
            stamp=conversion.time_to_message(self._stamp_s()),
            role=self.role.value,
            state=int(status.state),
            operation_id=status.operation_id,
            operation=status.operation,
            fault_code=int(status.fault_code),
            fault_text=status.fault_text,
            journal='' if self._journal is None else self._journal.identity,
            serving=self._serving,
        )
        self.send(self._state_publisher, message, sequence=True)

    def _take_sample(self) -> None:
        """Publish readings, the role's extras and diagnostics; runs in the sampler's thread."""
        assert self._server is not None
        now_s = self._time.now_s()
        readings = self._server.driver.telemetry()
        self.send(self._telemetry_publisher, telemetry_message(self.role, readings, now_s))
        if self._extras is not None:
            self._extras.tell(now_s)
        self.send(self._diagnostics_publisher, self._diagnostics(now_s))

    def _diagnostics(self, now_s: float) -> DiagnosticArray:
        assert self._server is not None
        health = self._server.driver.health()
        status = self._server.status()
        fault = health.get('fault') or status.fault_text
        silent = SILENT if self._orchestrator is not None and self._orchestrator.lost else ''
        level = DiagnosticStatus.WARN if silent else DiagnosticStatus.OK
        item = DiagnosticStatus(
            level=DiagnosticStatus.ERROR if fault else level,
            name=self.get_fully_qualified_name().lstrip('/'),
            message=fault or silent or status.state.name,
            hardware_id=self.driver_name,
            values=[KeyValue(key=key, value=value) for key, value in health.items()],
        )
        array = DiagnosticArray(status=[item])
        array.header.stamp = conversion.time_to_message(now_s)
        return array
