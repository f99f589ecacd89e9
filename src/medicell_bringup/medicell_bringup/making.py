"""Make one batch on a cell that is started for it, and leave its results in a folder."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from medicell_interfaces.msg import BatchState
from medicell_interfaces.srv import StartBatch
from rich.console import Console

from medicell_bringup.display import Display
from medicell_bringup.hosting.choosing import host_of
from medicell_bringup.hosting.host import Host
from medicell_bringup.inputs import RunInputs, refused
from medicell_bringup.interrupts import LeftAlone
from medicell_bringup.people import ask_password
from medicell_bringup.results import (
    NEVER_STRUCK,
    SUMMARY,
    RunEnd,
    RunMeasures,
    fault_text,
    finish,
    show_results,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_orchestrator.resuming.folder import WORLD_FILE
from medicell_orchestrator.resuming.tenure import Tenure
from medicell_record.place import has_record
from medicell_record.summary import OUTCOME_OPEN
from medicell_ros.domain import VARIABLE
from medicell_sim.history.reading import tells_of_fault

OPERATOR = 'medicell run'
FAILED_MOTION, NOT_REHEARSED = 'failed_motion', 'not_rehearsed'
NOT_MEASURED = 'not_measured'
MADE = ('ready_for_release', 'failed_limits')
"""Outcomes of a batch that was made to its end."""
NO_SEED = 0
"""The seed that is told of a batch on hardware, where chance has none."""
LEAST_LIMIT_S = 900.0
"""Wall seconds without anything new after which a run at full speed is given up."""


def make_batch(
    inputs: RunInputs,
    *,
    console: Console,
    processes: bool = False,
    join: bool = False,
    by: str = '',
) -> str:
    """Start the cell or join it, make the batch, write its results; returns the outcome.

    With `by` it is somebody's, who proves it if the cell asks for that.

    `failed_motion` where a batch was made, and physics has shown something out of its limits;
    `not_rehearsed` where one was made in which an injected fault never struck.
    """
    started_s = time.monotonic()
    lost: MedicellError | None = None
    with host_of(inputs, processes=processes, join=join) as host:
        host.client.identify(by or OPERATOR, partial(_password_of, by))
        # A cell that was launched before has a seed already.
        inputs = replace(inputs, seed=host.client.seed() if host.has_world else NO_SEED)
        title = f'{inputs.recipe.name}  {inputs.patient.chain_of_identity}  seed {inputs.seed}'
        with Display(console, title) as display:
            display.note(
                f'cell ready after {time.monotonic() - started_s:.1f} s in ROS domain'
                f' {os.environ.get(VARIABLE, "0")}: {title}'
            )
            begun_s = time.monotonic()
            try:
                state = follow_batch(inputs, host, display, by or OPERATOR)
                measures = measure(host, begun_s)
            except MedicellError as error:
                # What the batch has left is told all the same; then the error goes on its way.
                lost, state, measures = error, BatchState(), measure_lost(host, begun_s)
    if lost is not None and not has_record(inputs.out):
        raise lost
    try:
        end = finish(inputs.out, measures)
    except (OSError, MedicellError):
        if lost is not None:
            # What keeps the batch from going on keeps its results from being written, too.
            raise lost from None
        raise
    show_results(console, inputs.out, end, state)
    if lost is not None:
        raise lost
    return outcome_of(end)


def _password_of(by: str) -> str:
    """Return somebody's password; raises PROOF_MISSING for nobody."""
    if not by:
        raise MedicellError(
            ErrorCode.PROOF_MISSING, 'this cell asks who commands it: say --as USER'
        )
    return ask_password(f'password of {by}')


def lacks_results(out: Path) -> bool:
    """Return whether the results of a batch that has ended lack, or are from before its end."""
    summary = out / SUMMARY
    return not summary.is_file() or _told_in(summary, 'outcome') == OUTCOME_OPEN


def _told_in(summary: Path, name: str) -> Any:
    return json.loads(summary.read_text('utf-8'))[name]


def finish_late(out: Path, *, console: Console) -> str:
    """Write the results of a batch that has ended when its process had died, or had left it open.

    What only that process had measured stays unknown; of faults, what the results from before the
    end tell. Returns the outcome: `not_measured` for a batch that was made, unless those results,
    or its world, tell of its faults. One in Gazebo has no world. Raises BATCH_RUNNING.
    """
    with closing(Tenure(out)):
        unknown = RunMeasures(
            wall_s=math.nan,
            peak_rss_mb=math.nan,
            messages=0,
            balance=None,
            faults=_faults_so_far(out),
            motion=None,
        )
        end = finish(out, unknown)
    show_results(console, out, end, BatchState())
    return outcome_of(end)


def _faults_so_far(out: Path) -> Sequence[str] | None:
    summary, world = out / SUMMARY, out / WORLD_FILE
    if summary.is_file():
        told: list[str] | None = _told_in(summary, 'faults')
        return told
    return () if world.is_file() and not tells_of_fault(world) else None


def outcome_of(end: RunEnd) -> str:
    """Return how a run has ended: as its batch did, unless that was made and does not count."""
    outcome = str(end.summary['outcome'])
    if outcome not in MADE:
        return outcome
    if end.failures:
        return FAILED_MOTION
    faults = end.summary['faults']
    if faults is None:
        return NOT_MEASURED
    missed = any(fault.endswith(NEVER_STRUCK) for fault in faults)
    return NOT_REHEARSED if missed else outcome


def measure(host: Host, begun_s: float) -> RunMeasures:
    """Return what is measured of a run whose cell is whole."""
    if not host.has_world:
        return measure_lost(host, begun_s)
    return RunMeasures(
        wall_s=time.monotonic() - begun_s,
        peak_rss_mb=host.peak_rss_mb(),
        messages=host.client.messages(),
        balance=host.client.balance(),
        faults=[fault_text(fault) for fault in host.client.faults()],
        motion=host.motion(),
        poses=host.poses(),
    )


def measure_lost(host: Host, begun_s: float) -> RunMeasures:
    """Return what is measured without a world: on hardware, or when it no longer answers."""
    return RunMeasures(
        wall_s=time.monotonic() - begun_s,
        peak_rss_mb=host.peak_rss_mb(),
        messages=host.client.messages(),
        balance=None,
        faults=(),
        motion=host.motion(),
        poses=host.poses(),
    )


def follow_batch(
    inputs: RunInputs, host: Host, display: Display, operator: str = OPERATOR
) -> BatchState:
    """Hang the kit, arm the faults, start the batch and follow it to its outcome or question.

    On hardware the kit has been hung by a person.
    """
    if inputs.back_s is not None:
        return follow_resumed(inputs, host, display, operator)
    client, patient = host.client, inputs.patient
    if host.has_world:
        kit = inputs.recipe.kit(patient)
        client.load_kit(patient.chain_of_identity, kit, patient.apheresis_label)
    elif inputs.injections:
        raise refused('--inject', 'no driver of this cell is simulated: faults come by themselves')
    for injection in inputs.injections:
        client.inject(injection.fault, injection.phase)
    request = StartBatch.Request(
        recipe=inputs.recipe.name,
        recipe_yaml=inputs.recipe_file.read_text('utf-8'),
        patient_yaml=inputs.patient_file.read_text('utf-8'),
        out_dir=str(inputs.out.resolve()),
        operator_name=operator,
        seed=inputs.seed,
    )
    limit_s = LEAST_LIMIT_S + wall_limit_s(inputs)

    def follow(batch_id: str) -> BatchState:
        return client.follow(batch_id, display.show, alive=host.check_alive, limit_s=limit_s)

    # What the orchestrator calls it; needed before it has answered.
    batch_id = patient.chain_of_identity
    try:
        try:
            batch_id = client.start(request)
        except MedicellError as error:
            if error.code is ErrorCode.TIMEOUT:
                display.note('the start was not answered: aborting the batch if it has begun')
                if client.withdraw(batch_id, operator, 'its start was not answered in time'):
                    follow(batch_id)
            raise
        return follow(batch_id)
    except LeftAlone:
        # The cell goes down with its launch, and its batch is taken up by the next one.
        raise
    except KeyboardInterrupt:
        display.note('interrupted: aborting the batch')
        if not client.withdraw(batch_id, operator, 'interrupted at the keyboard'):
            raise
        return follow(batch_id)


def follow_resumed(inputs: RunInputs, host: Host, display: Display, operator: str) -> BatchState:
    """Follow a batch that the orchestrator takes up by itself to its outcome or question."""
    client, batch_id = host.client, inputs.patient.chain_of_identity
    limit_s = LEAST_LIMIT_S + wall_limit_s(inputs)

    def follow() -> BatchState:
        return client.follow(batch_id, display.show, alive=host.check_alive, limit_s=limit_s)

    try:
        return follow()
    except KeyboardInterrupt:
        display.note('interrupted: aborting the batch')
        client.abort(operator, 'interrupted at the keyboard')
        return follow()


def wall_limit_s(inputs: RunInputs) -> float:
    """Return the wall time that a paced run may be silent beyond the least limit."""
    longest_s = 60.0 * 86_400.0
    return longest_s / inputs.speed
