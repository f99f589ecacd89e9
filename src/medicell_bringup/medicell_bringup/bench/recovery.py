"""Group `recovery`: batches and nodes that are killed at any instant, and what it takes them."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from medicell_bringup.bench.auditing import CHECKS, FAILED, Audit, Ended, audit, ended
from medicell_bringup.bench.killing import Instant, instants, made_batch
from medicell_bringup.bench.node_kills import NodeKill, killed_nodes
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say, Series
from medicell_bringup.bench.taking_up import taken_up_s
from medicell_bringup.shipped import cell_file_of
from medicell_core.errors import ErrorCode, MedicellError
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.resuming.folder import WORLD_FILE

PER_BATCH = 20
"""How often the processes of one batch are killed at most."""
LIMIT_S = 5.0
"""Within which a batch, or a node, is to go on."""
BINS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KilledBatch:
    """A batch: at which share of it its processes were killed, and what is found at its end."""

    shares: tuple[float, ...]
    audit: Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Uninterrupted:
    """How a batch ends that nobody interrupts, and the size of its world's history in bytes."""

    ended: Ended
    history_bytes: int


def measure(options: BenchOptions, say: Say) -> Found:
    """Kill batches `options.kills` times, a run as often as `runs`, nodes `node_kills` times."""
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix='medicell-bench-') as name:
        folder = Path(name)
        say('a batch that nobody interrupts')
        whole = _uninterrupted(options, folder / 'whole')
        batches: list[KilledBatch] = []
        while (left := options.kills - sum(len(item.shares) for item in batches)) > 0:
            say(f'{options.kills - left} of {options.kills} kills in {len(batches)} batches')
            plan = instants(chance, min(left, PER_BATCH))
            batches.append(_batch(options, folder / f'batch_{len(batches)}', plan, whole))
        took_s = []
        for run in range(options.runs):
            say(f'a run that is killed, {run + 1} of {options.runs}')
            place = folder / f'run_{run}'
            place.mkdir()
            took_s.append(taken_up_s(options, place, chance.random(), whole.history_bytes))
    nodes = killed_nodes(options, chance, say)
    return figures(batches, whole.ended, took_s, nodes)


def figures(
    batches: Sequence[KilledBatch],
    expected: Ended,
    took_s: Sequence[float],
    nodes: Sequence[NodeKill],
) -> Found:
    """Return what was found, against how a batch ends that nobody interrupts."""
    shares = [share for batch in batches for share in batch.shares]
    wrong = Counter(check for batch in batches for check, _ in batch.audit.problems)
    ends = Counter(
        f'{batch.audit.ended.outcome}{f": {batch.audit.why}" if batch.audit.why else ""}'
        for batch in batches
    )
    return Found(
        measures=(
            _count('a batch in one process', 'killed', len(shares)),
            _count('a batch in one process', 'batches', len(batches)),
            _count(
                'a batch in one process',
                'questions to a person',
                sum(batch.audit.questions for batch in batches),
            ),
            *(
                _count(f'ends; without a kill {expected.outcome}', end, count)
                for end, count in sorted(ends.items())
            ),
            *(_count('found wrong', check, wrong[check], at_most=0.0) for check in CHECKS),
            *(
                _count('what is wrong', f'{check}: {text}', 1)
                for batch in batches
                for check, text in batch.audit.problems
            ),
            Measure(
                name='until a batch goes on, from the start of `run --resume`',
                case='one process',
                unit='s',
                values=tuple(took_s),
                at_most=LIMIT_S,
            ),
            *node_figures(nodes),
        ),
        series=(_histogram(shares), *_recoveries(nodes)),
    )


def node_figures(nodes: Sequence[NodeKill]) -> list[Measure]:
    """Return what it took each node to be back, and its operation to be settled."""
    return [
        Measure(
            name=name,
            case=node,
            unit='s',
            values=tuple(time_of(kill) for kill in nodes if kill.node == node),
            at_most=LIMIT_S,
        )
        for name, time_of in (
            ('a node is back, from its kill', attrgetter('back_s')),
            ('and what it did is settled', attrgetter('settled_s')),
        )
        for node in dict.fromkeys(kill.node for kill in nodes)
    ]


def _count(name: str, case: str, count: int, *, at_most: float | None = None) -> Measure:
    return Measure(
        name=name, case=case, unit='', values=(float(count),), digits=0, at_most=at_most
    )


def _histogram(shares: Sequence[float]) -> Series:
    """Return how many kills struck in each part of the batch."""
    counts = Counter(min(int(BINS * share), BINS - 1) for share in shares)
    return Series(
        label='kills',
        x=tuple(100.0 * (place + 0.5) / BINS for place in range(BINS)),
        y=tuple(float(counts[place]) for place in range(BINS)),
    )


def _recoveries(nodes: Sequence[NodeKill]) -> list[Series]:
    """Return the share of the kills of nodes after which all was well within a time."""
    series = []
    for label, times in (
        ('the node is back', [kill.back_s for kill in nodes]),
        ('what it did is settled', [kill.settled_s for kill in nodes]),
    ):
        ranked = sorted(times)
        share = tuple(100.0 * (rank + 1) / len(ranked) for rank in range(len(ranked)))
        series.append(Series(label=label, x=tuple(ranked), y=share))
    return series


def _uninterrupted(options: BenchOptions, folder: Path) -> Uninterrupted:
    folder.mkdir()
    if failure := made_batch(options, folder).failure:
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, failure)
    return Uninterrupted(ended=ended(folder), history_bytes=(folder / WORLD_FILE).stat().st_size)


def _batch(
    options: BenchOptions, folder: Path, plan: Sequence[Instant], whole: Uninterrupted
) -> KilledBatch:
    """Make a batch under kills and check it; one that is wrong is kept, and named."""
    folder.mkdir()
    made = made_batch(options, folder, plan, whole.history_bytes)
    if made.failure:
        problems = ((FAILED, made.failure),)
        found = Audit(ended=ended(folder), why='', questions=0, problems=problems)
    else:
        bays = load_cell(cell_file_of(options.config)).incubator.bays
        found = audit(folder, bays, options.seed, whole.ended)
    if not found.problems:
        return KilledBatch(shares=made.shares, audit=found)
    kept = Path(tempfile.mkdtemp(prefix='medicell-recovery-'))
    shutil.move(folder, kept)
    named = tuple((check, f'{text}; see {kept / folder.name}') for check, text in found.problems)
    return KilledBatch(shares=made.shares, audit=replace(found, problems=named))
