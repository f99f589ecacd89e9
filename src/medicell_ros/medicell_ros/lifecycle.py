"""The base of the cell's nodes: a lifecycle whose failures are told, and counted messages."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher

from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_core.serving import ServingNode, UsedFile
from medicell_ros.host import in_executor
from medicell_ros.node_parameters import LAUNCH_FILES


class ManagedNode(LifecycleNode):
    """A lifecycle node whose subclasses override the four verbs and what may refuse two.

    `configure`, `activate`, `deactivate`, `cleanup` raise to fail; `deactivate` and `cleanup`
    are safe to call twice. `check_may_stop` raises to stay active when the service of the
    lifecycle is asked to deactivate the node or to shut it down; :meth:`bring_down` does not
    ask it. rclpy swallows what a transition raises: here it is logged, and kept for
    :meth:`bring_up`.
    """

    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **arguments)
        self._count_lock = threading.Lock()
        self._published = 0
        self._failure: Exception | None = None
        self.on_failure: Callable[[Exception], None] | None = None
        """Ends the process that the node is alone in; set by who runs it."""
        self.left_alone = False
        """Whether who started the process is gone without a word: what the node does is then not
        ended for good. Said by who runs it, before it is brought down.
        """
        self.parameter_files: Sequence[Path] = ()
        """The files that the node's parameters come from; said by who has made the node."""
        service = self._service_change_state
        service.callback = partial(self._serve_change, service.callback)

    @property
    def messages_published(self) -> int:
        """How many messages the node has published through :meth:`send`."""
        return self._published

    @property
    def is_active(self) -> bool:
        """Whether the node is in the lifecycle state `active`."""
        return bool(self._state_machine.current_state[1] == 'active')

    def destroy_node(self) -> None:
        """Destroy the node, and have it leave the ROS graph now; nothing may be asked of it then.

        rclpy's state machine holds the node, and would keep it there until garbage is collected.
        """
        super().destroy_node()
        self.__dict__.pop('_state_machine', None)

    def send(self, publisher: Publisher, message: Any, *, sequence: bool = False) -> None:
        """Publish and count; with `sequence`, the message carries the count. Any thread."""
        with self._count_lock:
            self._published += 1
            if sequence:
                message.sequence = self._published
            publisher.publish(message)

    def serving(self, cell: UsedFile | None, **told: Any) -> ServingNode:
        """Return by what the node serves, for the record; `told` are further fields of it.

        What launch has written for itself is left out: another name and another content each
        time, for arguments that are told where they count.
        """
        files = [] if cell is None else [cell]
        for path in self.parameter_files:
            if not path.name.startswith(LAUNCH_FILES):
                files.append(UsedFile.of(path.name, path.read_bytes()))
        return ServingNode(node=self.get_name(), host=os.uname().nodename, files=files, **told)

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The nodes of its namespace that must be active before this one can be."""
        return ()

    @property
    def serves(self) -> tuple[str, ...]:
        """The nodes of its namespace that must have ended before this one may."""
        return ()

    def configure(self) -> None:
        """Make what the node needs; nothing runs yet."""

    def activate(self) -> None:
        """Start serving."""

    def check_may_stop(self) -> None:
        """Raise MedicellError when the node must stay active for now."""

    def deactivate(self) -> None:
        """Stop serving; no thread is left."""

    def cleanup(self) -> None:
        """Let go of what `configure` made."""

    def fail(self, error: Exception) -> None:
        """Give up: what the node needs is gone for good. Any thread."""
        self.get_logger().fatal(f'{self.get_name()} gives up: {error}')
        if self.on_failure is not None:
            self.on_failure(error)

    def guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Return a callback for topics and timers whose failure is logged and nothing else."""

        def call(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception:
                self.get_logger().error(f'{callback.__name__}: {traceback.format_exc()}')

        return call

    def answering(self, verb: Callable[[Any, Any], object]) -> Callable[[Any, Any], Any]:
        """Return a service's callback: what its verb raises becomes the reply's code and text.

        The executor must live on, since it also delivers the results of what runs.
        """

        def serve(request: Any, reply: Any) -> Any:
            try:
                verb(request, reply)
            except Exception as error:
                self.refuse(reply, error)
            return reply

        return serve

    def refuse(self, reply: Any, error: Exception) -> None:
        """Fill in a reply's `error_code` and `error_msg`; what is unexpected is logged too."""
        if isinstance(error, MedicellError):
            reply.error_code, reply.error_msg = int(error.code), error.message
            return
        trace = ''.join(traceback.format_exception(error))
        self.get_logger().error(f'{type(reply).__name__}: {trace}')
        reply.error_code = int(ErrorCode.HARDWARE_FAULT)
        reply.error_msg = f'{type(error).__name__}: {error}'

    def bring_up(self) -> None:
        """Configure and activate; raises what failed, as MedicellError, wrong input as it is."""
        for transition, verb in (
            (self.trigger_configure, 'configure'),
            (self.trigger_activate, 'activate'),
        ):
            self._failure = None
            if transition() != TransitionCallbackReturn.SUCCESS:
                self._raise(verb)

    def told_to_end(self) -> None:
        """Know that the process is to end, and others of its cell with it."""

    def bring_down(self) -> None:
        """Shut the node down, from any state; safe to call twice."""
        if self._state_machine.current_state[1] != 'finalized':
            self.trigger_shutdown()

    def _raise(self, verb: str) -> None:
        cause = self._failure
        if isinstance(cause, InputError):
            raise cause
        text = f'{self.get_name()} could not {verb}: {cause}'
        if isinstance(cause, MedicellError):
            raise MedicellError(cause.code, text) from cause
        raise MedicellError(ErrorCode.HARDWARE_FAULT, text) from cause

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Serve the transition `configure`."""
        return self._transit(self.configure, self.cleanup)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Serve the transition `activate`."""
        return self._transit(self.activate, self.deactivate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Serve the transition `deactivate`."""
        return self._transit(self.deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Serve the transition `cleanup`."""
        return self._transit(self._cleanup_in_turn)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Serve the transition `shutdown`, from any state."""
        return self._end()

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to `unconfigured` after an unexpected error, so that one can try again."""
        return self._end()

    def _end(self) -> TransitionCallbackReturn:
        stopped = self._transit(self.deactivate)
        cleaned = self._transit(self._cleanup_in_turn)
        return cleaned if stopped == TransitionCallbackReturn.SUCCESS else stopped

    def _cleanup_in_turn(self) -> None:
        in_executor(self, self.cleanup)

    def _serve_change(
        self, serve: Callable[[Any, Any], Any], request: ChangeState.Request, reply: Any
    ) -> Any:
        """Serve the service of transitions; a node that must stay active does.

        A transition that has begun could not refuse: a shutdown that fails is final too.
        """
        if self.is_active and self._transit(self.check_may_stop) != (
            TransitionCallbackReturn.SUCCESS
        ):
            reply.success = False
            return reply
        return serve(request, reply)

    def _transit(
        self, verb: Callable[[], None], undo: Callable[[], None] | None = None
    ) -> TransitionCallbackReturn:
        """Run a verb; a refusal fails the transition, anything else is an error."""
        try:
            verb()
        except MedicellError as error:
            self._failure = error
            self.get_logger().error(f'{verb.__name__}: {error.code.name}: {error.message}')
            if undo is not None:
                self._transit_back(undo)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._failure = error
            self.get_logger().error(f'{verb.__name__}: {traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _transit_back(self, undo: Callable[[], None]) -> None:
        """Take back what a refused transition has begun; its own failure is only logged."""
        try:
            undo()
        except Exception:
            self.get_logger().error(f'{undo.__name__}: {traceback.format_exc()}')
