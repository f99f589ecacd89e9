"""`medicell command`: hold, resume or abort the batch of a running cell, answer its question."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from medicell_interfaces.msg import BatchState
from medicell_interfaces.srv import AbortBatch, AnswerQuestion, HoldBatch, ResumeBatch
from rclpy.context import Context
from rclpy.node import Node

from medicell_bringup.operator import OperatorClient
from medicell_bringup.people import Order, ask_password
from medicell_core.errors import ErrorCode, InputError
from medicell_core.states import PackMLState
from medicell_devices.cell_config import load_cell
from medicell_ros.domain import open_ros
from medicell_ros.executable import FAREWELL_S
from medicell_ros.host import NodeHost
from medicell_ros.signals import ended_after


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """What `medicell command` was told."""

    order: Order | None
    by: str
    reason: str
    question: str
    choice: str
    cell: Path
    namespace: str


def command(options: CommandOptions) -> int:
    """Give a command, or without one tell what the batch does; raises what is refused."""
    if options.order is not None:
        _check(options)
    namespace = options.namespace or load_cell(options.cell, drivers_of=()).cell
    with _operator(f'/{namespace.strip("/")}') as client:
        if options.order is None:
            _write(_told(client.wait_for_batch()))
        else:
            service, kind = _SERVICES[options.order]
            client.identify(options.by, lambda: ask_password(f'password of {options.by}'))
            client.command(service, kind.Request(**_FIELDS[options.order](options)))
            _write(f'{options.order}: taken')
    return 0


def _check(options: CommandOptions) -> None:
    needed = {'--as': options.by, '--reason': options.reason}
    if options.order is Order.ANSWER:
        needed |= {'--question': options.question, '--choice': options.choice}
    for name, value in needed.items():
        if not value:
            raise InputError(ErrorCode.INVALID_GOAL, 'must be given', field=name)


def _ordered(options: CommandOptions) -> dict[str, str]:
    return {'operator_name': options.by, 'reason': options.reason}


def _answered(options: CommandOptions) -> dict[str, str]:
    return {
        **_ordered(options),
        'question_id': options.question,
        'choice': options.choice,
    }


_SERVICES: Mapping[Order, tuple[str, Any]] = {
    Order.HOLD: ('orchestrator/hold_batch', HoldBatch),
    Order.RESUME: ('orchestrator/resume_batch', ResumeBatch),
    Order.ABORT: ('orchestrator/abort_batch', AbortBatch),
    Order.ANSWER: ('orchestrator/answer_question', AnswerQuestion),
}
_FIELDS: Mapping[Order, Callable[[CommandOptions], dict[str, str]]] = {
    Order.HOLD: _ordered,
    Order.RESUME: _ordered,
    Order.ABORT: _ordered,
    Order.ANSWER: _answered,
}


def _told(state: BatchState) -> str:
    """Return what is seen of the batch, and the question that it asks, line by line."""
    if not state.batch_id:
        return 'no batch'
    does = state.outcome or PackMLState(state.state).name
    lines = [f'{state.batch_id}  {state.recipe}  {does}  {state.phase}'.rstrip()]
    if state.alarm:
        lines.append(f'alarm: {state.alarm}')
    if state.question_id:
        lines.append(f'{state.question_id}: {state.question_text}')
        lines.append(f'choices: {", ".join(state.question_choices)}')
    return '\n'.join(lines)


def _write(text: str) -> None:
    sys.stdout.write(f'{text}\n')
    sys.stdout.flush()


@contextmanager
def _operator(namespace: str) -> Iterator[OperatorClient]:
    """Give the client of a node of its own, which SIGALRM ends if it cannot take leave."""
    context = Context()
    open_ros(context=context)
    try:
        node = Node('command', namespace=namespace, context=context, enable_rosout=False)
        host = NodeHost([node])
        try:
            yield OperatorClient(node)
        finally:
            with ended_after(FAREWELL_S):
                host.close()
    finally:
        rclpy.try_shutdown(context=context)
