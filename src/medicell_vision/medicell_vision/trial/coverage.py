"""How often the truth lies in the interval that an analysis gives: of samples put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medicell_vision.cells.estimates import Estimate, estimate_count, estimate_viability
from medicell_vision.cells.modality import Modality
from medicell_vision.trial.scores import Score
from medicell_vision.trial.sets import Pool, Row

SAMPLES = 500
SHARE = 0.9
SEED = 5
PICTURES = {True: 20, False: 4}
"""Pictures in a sample: many small crops of a chamber, or a few fields."""
PERCENT = 100.0


def drawn_pools(rows: Sequence[Row], modality: Modality) -> tuple[Pool, ...]:
    """Return samples of pictures drawn at random, each with another share of dead cells."""
    rng = np.random.default_rng(SEED)
    size = min(PICTURES[modality.classed], len(rows))
    dead = np.array([int(row['dead']) > 0 if modality.classed else False for row in rows])
    pools = []
    for index in range(SAMPLES):
        weight = np.where(dead, rng.uniform(0.05, 0.95), 0.5)
        chosen = rng.choice(len(rows), size, replace=False, p=weight / weight.sum())
        pools.append(_pool(f'drawn {index}', [rows[place] for place in chosen], modality))
    return tuple(pools)


def intervals_holding(
    pools: Sequence[Pool], scores: Mapping[str, Score], modality: Modality
) -> tuple[float, float]:
    """Return in what per cent of the samples the 90 % interval holds count, and viability.

    Viability is NaN where cells have no class, or none was found in a sample.
    """
    counts: list[bool] = []
    viabilities: list[bool] = []
    for pool in pools:
        items = [scores[name] for name in pool.images]
        counted = [item.counted for item in items]
        counts.append(_holds(estimate_count(counted, modality), pool.count))
        if modality.classed and any(counted):
            live = sum(item.counted_live for item in items)
            found = estimate_viability(live, sum(counted), modality)
            viabilities.append(_holds(found, pool.viability_pct))
    viability = PERCENT * float(np.mean(viabilities)) if viabilities else float('nan')
    return PERCENT * float(np.mean(counts)), viability


def _holds(estimate: Estimate, truth: float) -> bool:
    low, high = estimate.within(SHARE)
    return low <= truth <= high


def _pool(name: str, rows: Sequence[Row], modality: Modality) -> Pool:
    count = sum(int(row['count']) for row in rows)
    live = sum(int(row['live']) for row in rows) if modality.classed else count
    return Pool(
        name=name,
        images=tuple(row['image'] for row in rows),
        count=count,
        viability_pct=PERCENT * live / max(count, 1),
    )
