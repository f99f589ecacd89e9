"""What all simulated drivers share: connection, safe state, identity of containers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, MedicellError, OperationRefused
from medicell_core.operations import Operation, ReadLabels, ReadLabelsResult, Role
from medicell_devices.checks import check_goal
from medicell_devices.contract import OperationContext
from medicell_devices.identity import IdentityCheck
from medicell_devices.settings import Settings
from medicell_devices.simulated.label_camera import SimulatedLabelCamera
from medicell_devices.simulated.machinery import Machinery, NoBodies
from medicell_sim.port import ContainerView, WorldPort


class SimulatedDriver:
    """A driver on a world's port; the verbs are in the subclasses.

    `_acting` guards the moment between asking whether the instrument may move and moving it, so
    that nothing moves any more once `stop` has returned.
    """

    role: Role

    def __init__(self, port: WorldPort, settings: Settings) -> None:
        self._port = port
        self._name = settings.driver
        self._acting = threading.RLock()
        self._connected = False
        self._stopped = False
        self._fault = ''
        self._machinery: Machinery = NoBodies()
        self._identity = IdentityCheck(SimulatedLabelCamera(port, self.role))

    def use_machinery(self, machinery: Machinery) -> None:
        """Tell another machinery what moves, from now on."""
        self._machinery = machinery

    def connect(self) -> None:
        """Reach the world; safe to call twice. Raises HARDWARE_FAULT when it is not there."""
        try:
            self._port.now_s()
        except MedicellError as error:
            raise MedicellError(
                ErrorCode.HARDWARE_FAULT, f'{self.role}: no answer: {error.message}'
            ) from error
        self._connected = True

    def stop(self) -> None:
        """Bring the instrument to its safe state; it refuses to move until `reset`."""
        with self._acting:
            self._stopped = True
            self._make_safe()

    def reset(self) -> None:
        """Leave the safe state."""
        with self._acting:
            self._stopped = False
            self._fault = ''
        self._identity.forget()

    def read_labels(self, goal: ReadLabels, context: OperationContext) -> ReadLabelsResult:
        """Read the labels of all that stands at the instrument."""
        with self._admitted(goal, context):
            texts = self._identity.read_all()
            return ReadLabelsResult(containers=list(texts), label_texts=list(texts.values()))

    def telemetry(self) -> dict[str, float]:
        """Return the readings that every device has."""
        return {'connected': float(self._connected), 'stopped': float(self._stopped)}

    def health(self) -> dict[str, str]:
        """Return connection and safe state, and the last fault if there is one."""
        entries = {
            'driver': self._name,
            'connected': 'yes' if self._connected else 'no',
            'safe state': 'held' if self._stopped else 'left',
        }
        if self._fault:
            entries['fault'] = self._fault
        return entries

    def _make_safe(self) -> None:
        """Switch off what moves; called with `_acting` held."""

    @contextmanager
    def _admitted(self, goal: Operation, context: OperationContext) -> Iterator[dict[str, str]]:
        """Check goal and identity, run the body, and leave the instrument safe after a failure.

        The body is given the texts of the labels that were read, by the goal's fields.
        """
        self._require_active()
        row = check_goal(goal, self.role)
        self._fault = ''
        try:
            texts = {
                field: self._identify(goal, field, getattr(goal, field))
                for field in row.containers
            }
            context.check()
            yield texts
        except MedicellError as error:
            self._identity.forget()
            with self._acting:
                self._make_safe()
            if error.code not in (ErrorCode.CANCELLED, ErrorCode.STOPPED):
                self._fault = f'{row.name}: {error.message}'
            raise
        except BaseException as error:
            with self._acting:
                self._make_safe()
            self._fault = f'{row.name}: {error}'
            raise

    @contextmanager
    def _moving(self, context: OperationContext) -> Iterator[None]:
        """Hold the instrument for one movement; raises CANCELLED or STOPPED before it."""
        with self._acting:
            context.check()
            self._require_active()
            yield

    def _require_active(self) -> None:
        if not self._connected:
            raise OperationRefused(ErrorCode.NOT_ACTIVE, f'{self.role} is not connected')
        if self._stopped:
            raise OperationRefused(
                ErrorCode.STOPPED, f'{self.role} is in its safe state and must be reset first'
            )

    def _identify(self, goal: Operation, field: str, container: str) -> str:
        """Read a label and hold it against the goal; returns the label's text."""
        self._port.look(container)
        return self._identity.require(field, container, batch_id=goal.batch_id)

    def _look(self, field: str, container: str, kinds: tuple[ContainerKind, ...]) -> ContainerView:
        """See a container; raises WRONG_CONTAINER when it is of another kind."""
        view = self._port.look(container)
        if view.kind not in kinds:
            raise OperationRefused(
                ErrorCode.WRONG_CONTAINER,
                f'{field}: {container} is a {view.kind}; allowed is {" or ".join(kinds)}',
            )
        return view

    def _look_joined(
        self, field: str, container: str, kinds: tuple[ContainerKind, ...]
    ) -> ContainerView:
        """See a container that liquid is to pass; raises NOT_CONNECTED and VALVE_CLOSED too."""
        view = self._look(field, container, kinds)
        if not view.connected:
            raise OperationRefused(
                ErrorCode.NOT_CONNECTED,
                f"{field}: {container} at {view.location} is not joined to the kit's tubing",
            )
        if view.clamped:
            raise OperationRefused(
                ErrorCode.VALVE_CLOSED, f'{field}: a clamp closes the tubing of {container}'
            )
        return view
