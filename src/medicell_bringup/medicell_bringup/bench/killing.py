"""Batches whose process is killed again and again: what such a process does, and who kills it."""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from medicell_bringup.bench.result import BenchOptions
from medicell_bringup.shipped import cell_file_of
from medicell_core.entries import Question
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import LoadBay
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.asking import DONE
from medicell_orchestrator.durable import run_durable_batch
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import find_recipe, load_recipe
from medicell_orchestrator.remedies import WEIGH_AGAIN
from medicell_orchestrator.resuming.folder import WORLD_FILE
from medicell_orchestrator.run import RETRY
from medicell_record.place import has_record, record_of
from medicell_record.record import BatchRecord
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

EARLY_SHARE, EARLY_S = 0.25, 2.0
"""So many kills strike within the first wall seconds of a process, most of them while it takes
its batch up."""
HANGS_S = 300.0
"""Wall seconds after which a process that neither ends nor comes to its kill hangs."""
LOG = 'log'

POLL_S = 0.001

_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload([__name__])


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """When a process is killed: at a share of the batch, or so many wall seconds after its start.

    The share is of the history of a world that nobody interrupts: all that its devices do.
    """

    share: float
    after_s: float = HANGS_S


def instants(chance: random.Random, count: int) -> list[Instant]:
    """Return when the processes of a batch are killed, one after the other."""
    return [
        Instant(
            share=share,
            after_s=chance.uniform(0.0, EARLY_S) if chance.random() < EARLY_SHARE else HANGS_S,
        )
        for share in sorted(chance.random() for _ in range(count))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """At which share of a batch its processes were killed, and what is wrong with the last one.

    `failure` is empty if that has come to the batch's end.
    """

    shares: tuple[float, ...]
    failure: str = ''


def made_batch(
    options: BenchOptions, folder: Path, plan: Sequence[Instant] = (), whole_bytes: int = 1
) -> Made:
    """Make a batch in a folder by processes that are killed as planned, and by one more.

    `whole_bytes` is the size of the history of a batch that nobody interrupts.
    """
    shares: list[float] = []
    for instant in (*plan, Instant(share=math.inf)):
        if not _begun(folder):
            shutil.rmtree(folder)
            folder.mkdir()
        process = _FORKS.Process(target=_live, args=(options, folder), daemon=True)
        process.start()
        try:
            share = _await(process, folder, instant, whole_bytes)
            hung = process.is_alive() and instant.after_s == HANGS_S and share < instant.share
        finally:
            process.kill()
            process.join()
        if hung:
            return Made(shares=tuple(shares), failure=f'hangs for {HANGS_S:g} s')
        if process.exitcode == 0:
            break
        if process.exitcode != -signal.SIGKILL:
            return Made(shares=tuple(shares), failure=(folder / LOG).read_text('utf-8'))
        shares.append(share)
    return Made(shares=tuple(shares))


def share_of(folder: Path, whole_bytes: int) -> float:
    """Return how far the batch of a folder has come, by the history of its world."""
    history = folder / WORLD_FILE
    return history.stat().st_size / whole_bytes if history.exists() else 0.0


class Person:
    """Answers as somebody who has looked: a vessel in a bay is loaded, all else is to be done.

    What is asked in the same words again, since weights still do not tell, is taken as it stands.
    """

    def __init__(self, bays: Sequence[str]) -> None:
        self._bays = bays
        self._heard = ''

    def answer(self, question: Question, world: World) -> str:
        """Return the choice of somebody who sees the world."""
        loaded = any(world.at(f'incubator/{bay}') for bay in self._bays)
        return self.choose(question.text, question.choices, loaded=loaded)

    def choose(self, text: str, choices: Sequence[str], *, loaded: bool) -> str:
        """Return the choice; `loaded` tells whether a vessel is in a bay."""
        again, self._heard = text == self._heard, text
        done = loaded if LoadBay.__name__ in text else again and WEIGH_AGAIN in text
        if done and DONE in choices:
            return DONE
        return RETRY if RETRY in choices else choices[0]


def _await(process: BaseProcess, folder: Path, instant: Instant, whole_bytes: int) -> float:
    """Wait for the instant at which a process is to be killed, or its end; return the share."""
    begun_s = time.monotonic()
    while True:
        share = share_of(folder, whole_bytes)
        now_s = time.monotonic() - begun_s
        if not process.is_alive() or share >= instant.share or now_s >= instant.after_s:
            return share
        time.sleep(POLL_S)


def _begun(folder: Path) -> bool:
    """Return whether the record of a folder has an entry: before that nothing was begun."""
    if not has_record(folder):
        return False
    with BatchRecord.open(record_of(folder), read_only=True) as record:
        return bool(record.entries())


def _live(options: BenchOptions, folder: Path) -> None:
    """Make the batch of a folder, or take it up, in this process."""
    config = cell_file_of(options.config)
    cell = load_cell(config)
    with open(folder / LOG, 'ab') as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
    try:
        run_durable_batch(
            folder,
            load_recipe(find_recipe(options.recipe, config.parent / 'recipes')),
            load_patient(config.parent / 'patients' / 'example.yaml'),
            seed=options.seed,
            config=cell,
            parameters=load_parameters(),
            products=config.parent / 'products',
            answers=Person(cell.incubator.bays).answer,
        )
    except MedicellError as error:
        # The process before this one was killed between the batch's end and its own.
        if error.code is not ErrorCode.RECORD_CLOSED:
            raise
