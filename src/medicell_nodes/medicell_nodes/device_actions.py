"""A device's operations as actions: goals in, progress and results out."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from rclpy.task import Future

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Outcome, Progress, Role, operations_of
from medicell_devices.server import OperationServer
from medicell_ros import conversion
from medicell_ros.goal_ids import mark_in, was_cancelled
from medicell_ros.host import on_executor

RESULT_KEPT_S = 60 * 86_400
"""How long a finished goal's result can be asked for, in ROS time, which leaps in simulation."""


class DeviceActions:
    """An action `~/<verb>` of a node for each operation of a role.

    Every goal is accepted and answered by its result, what `server` or the operation server
    refuses too. `on_progress` is called after each feedback, in the operation's thread.
    """

    def __init__(
        self,
        node: Node,
        role: Role,
        *,
        server: Callable[[], OperationServer],
        on_progress: Callable[[], None],
    ) -> None:
        self._node = node
        self._server = server
        self._on_progress = on_progress
        self._submitted: set[bytes] = set()
        self._actions = [
            ActionServer(
                node,
                conversion.action_type(name),
                f'~/{row.verb}',
                execute_callback=partial(self._execute, name),
                goal_callback=lambda _: GoalResponse.ACCEPT,
                cancel_callback=self._cancel,
                result_timeout=RESULT_KEPT_S,
            )
            for name, row in operations_of(role).items()
        ]

    def under_way(self) -> list[str]:
        """Return the operation ids of the goals that are not answered yet."""
        return [
            handle.request.operation_id
            for action in self._actions
            for handle in list(action._goal_handles.values())
            if handle.is_active
        ]

    def close(self) -> None:
        """Destroy the action servers."""
        for action in self._actions:
            action.destroy()
        self._actions = []

    async def _execute(self, name: str, handle: ServerGoalHandle) -> Any:
        """Perform a goal and answer it; rclpy would answer an exception with error code 0."""
        outcome, message = self._told(name, await self._outcome(name, handle))
        try:
            if outcome.ok:
                handle.succeed()
            elif outcome.error_code is ErrorCode.CANCELLED and handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
        except Exception:
            self._node.get_logger().error(f'{name}: {traceback.format_exc()}')
        return message

    async def _outcome(self, name: str, handle: ServerGoalHandle) -> Outcome:
        """Perform a goal in the operation server's thread; awaits, never blocks, never raises."""
        done: Future = Future()
        goal_id = bytes(handle.goal_id.uuid)
        try:
            self._submitted.add(goal_id)
            self._server().submit(
                conversion.goal_from_message(name, handle.request),
                on_progress=partial(self._tell_progress, name, handle),
                on_done=lambda outcome: on_executor(self._node, done.set_result, outcome),
                cancelled=handle.is_cancel_requested or was_cancelled(handle.goal_id),
                journal_mark=mark_in(handle.goal_id),
            )
            outcome: Outcome = await done
        except MedicellError as error:
            return Outcome.of_error(error)
        except Exception as error:
            self._node.get_logger().error(f'{name}: {traceback.format_exc()}')
            text = f'{name}: {type(error).__name__}: {error}'
            return Outcome.of_error(MedicellError(ErrorCode.HARDWARE_FAULT, text))
        finally:
            self._submitted.discard(goal_id)
        return outcome

    def _told(self, name: str, outcome: Outcome) -> tuple[Outcome, Any]:
        """Return an outcome with its message; one whose result has no message goes without it."""
        try:
            return outcome, conversion.outcome_to_message(name, outcome)
        except Exception as error:
            self._node.get_logger().error(f'{name}: {traceback.format_exc()}')
            code = ErrorCode.OUTCOME_UNKNOWN if outcome.ok else outcome.error_code
            text = f'{outcome.error_msg or name}; the result cannot be told: {error}'
            bare = replace(outcome, error_code=code, error_msg=text, result=None)
            return bare, conversion.outcome_to_message(name, bare)

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        """Have an operation end at its next step, or before it begins; refused when it is over."""
        if bytes(handle.goal_id.uuid) not in self._submitted:
            return CancelResponse.ACCEPT
        try:
            running = self._server().cancel(handle.request.operation_id)
        except Exception:
            self._node.get_logger().error(f'cancel: {traceback.format_exc()}')
            return CancelResponse.REJECT
        return CancelResponse.ACCEPT if running else CancelResponse.REJECT

    def _tell_progress(self, name: str, handle: ServerGoalHandle, progress: Progress) -> None:
        if handle.is_active:
            handle.publish_feedback(conversion.progress_to_message(name, progress))
        self._on_progress()
