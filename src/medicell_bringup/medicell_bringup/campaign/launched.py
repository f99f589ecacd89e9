"""Makes a batch on a cell of many processes, of which a node meets its fault in a phase."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from medicell_interfaces.msg import BatchState
from medicell_interfaces.srv import AnswerQuestion
from rich.console import Console

from medicell_bringup.bench.killing import Person
from medicell_bringup.campaign.interfering import InPhase
from medicell_bringup.campaign.nodes import NodeFault
from medicell_bringup.display import Display
from medicell_bringup.hosting.many_processes import ManyProcesses
from medicell_bringup.inputs import RunInputs, read_inputs
from medicell_bringup.making import follow_batch, follow_resumed
from medicell_core.errors import ErrorCode
from medicell_core.operations import Role
from medicell_orchestrator.simulate import MOST_ANSWERS
from medicell_ros.domain import REACH_VARIABLE

if TYPE_CHECKING:
    from medicell_bringup.campaign.making import Case, Setting

WITHIN_S = 0.05
"""Wall seconds within which a node meets its fault, once it has told of an operation; half as
many after each operation that was over before."""
PLAYED = 'campaign'
POLL_S = 0.005
LOOK_S = 0.1


def make_launched(setting: Setting, case: Case, folder: Path, kind: type[NodeFault]) -> None:
    """Make the batch to its end, or until nothing new comes for long; raises TIMEOUT then."""
    inputs = read_inputs(
        config=setting.config,
        recipe=setting.recipe,
        patient=setting.patient,
        seed=setting.seed,
        out=folder,
        speed=setting.speed,
        inject=(),
    )
    # Nodes may be on hosts of their own.
    os.environ[REACH_VARIABLE] = 'SUBNET'
    befalling = InPhase(folder, case.phase, setting.seed, inputs.cell.incubator.bays)
    with kind() as fault, ManyProcesses(inputs, prefix=fault.prefix) as host:
        host.client.identify(PLAYED, str)
        with _watched(host, fault, befalling), Display(Console(), case.fault) as display:
            state = follow_batch(inputs, host, display, PLAYED)
            _answer(inputs, host, display, state)


@contextmanager
def _watched(host: ManyProcesses, fault: NodeFault, befalling: InPhase) -> Iterator[None]:
    """Have the fault strike the node of the first operation of the phase that is seen."""
    over = threading.Event()
    chance = befalling.chance()

    def watch() -> None:
        within_s = WITHIN_S
        while not over.wait(POLL_S):
            for role in Role:
                pid = host.pids().get(role)
                at_work = host.client.operation_of(role)
                if pid is None or not befalling.in_phase(at_work):
                    continue
                time.sleep(chance.uniform(0.0, within_s))
                if host.client.operation_of(role) != at_work:
                    # It was over before, and nothing would befall it: sooner in the next one.
                    within_s /= 2.0
                    continue
                befalling.strike()
                fault.strike(pid)
                return

    watcher = threading.Thread(target=watch, name='fault', daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _answer(inputs: RunInputs, host: ManyProcesses, display: Display, state: BatchState) -> None:
    """Answer each question once, until the batch has ended; one that keeps asking is aborted."""
    person = Person(inputs.cell.incubator.bays)
    answered: set[str] = set()
    while not state.outcome:
        key = state.question_id
        if key and key not in answered:
            answered.add(key)
            if len(answered) > MOST_ANSWERS:
                host.client.abort(PLAYED, f'asked {MOST_ANSWERS} times')
            else:
                text = state.question_text
                # Of what stands in a bay nothing but the incubator tells.
                loaded = ErrorCode.BAY_OCCUPIED.name in text
                choice = person.choose(text, state.question_choices, loaded=loaded)
                request = AnswerQuestion.Request(
                    question_id=key, choice=choice, operator_name=PLAYED, reason='looked'
                )
                host.client.command('orchestrator/answer_question', request)
        time.sleep(LOOK_S)
        state = follow_resumed(inputs, host, display, PLAYED)
