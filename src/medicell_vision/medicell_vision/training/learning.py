"""The course of learning: which pieces, which loss, how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from medicell_vision.cells.modality import BRIGHT_FIELD, FLUORESCENCE, PHASE_CONTRAST
from medicell_vision.training.augment import Variation, piece
from medicell_vision.training.network import Net
from medicell_vision.training.targets import Lesson

RATE = 4e-3
DECAY = 1e-3
WARM_UP = 0.1
MOST_GRADIENT = 1.0
TOLD_EVERY = 50

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Size of a network and of its learning; `side_px` and `pieces` are of one step.

    What is written are average weights, of which a step keeps the share `kept`.
    """

    widths: tuple[int, ...]
    side_px: int
    pieces: int
    steps: int
    kept: float = 0.0
    variation: Variation = field(default_factory=Variation)


COURSES = {
    BRIGHT_FIELD: Course(widths=(8, 16, 32), side_px=64, pieces=16, steps=800),
    FLUORESCENCE: Course(widths=(8, 16, 32), side_px=96, pieces=8, steps=600),
    PHASE_CONTRAST: Course(
        widths=(12, 24, 48, 64),
        side_px=128,
        pieces=6,
        steps=700,
        kept=0.995,
        variation=Variation(stretch=0.15, narrowing=0.06, gain=0.25),
    ),
}
"""By modality."""


def learn(
    lessons: Sequence[Lesson], course: Course, *, classed: bool, seed: int, tell: Tell
) -> Net:
    """Return a network that has learned from some pictures; the same seed gives the same one."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = Net(course.widths).to(memory_format=torch.channels_last).train()
    steps = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        steps, RATE, total_steps=course.steps, pct_start=WARM_UP
    )
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(course.kept), use_buffers=True)
    shares = np.array([_share(item) for item in lessons])
    shares /= shares.sum()
    smooth = 0.0
    for step in range(1, course.steps + 1):
        chosen = rng.choice(len(lessons), course.pieces, p=shares)
        pieces = [piece(lessons[index], course.side_px, course.variation, rng) for index in chosen]
        planes = torch.from_numpy(np.stack([plane for plane, _ in pieces])[:, None])
        maps = torch.from_numpy(np.stack([item for _, item in pieces]))
        with torch.autocast('cpu', torch.bfloat16):
            logits = net(planes.contiguous(memory_format=torch.channels_last))
        loss = _loss(logits.float(), maps, classed=classed)
        steps.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), MOST_GRADIENT)
        steps.step()
        rates.step()
        average.update_parameters(net)
        smooth = loss.item() if step == 1 else 0.98 * smooth + 0.02 * loss.item()
        if step % TOLD_EVERY == 0:
            tell(f'step {step} of {course.steps}, loss {smooth:.3f}')
    learned = average.module
    assert isinstance(learned, Net)
    return learned.eval()


def _share(lesson: Lesson) -> float:
    """Return how often a picture is taken: oftener with dead cells, seldom when it is empty."""
    return 4.0 if lesson.has_dead else 1.0 if lesson.maps[0].any() else 0.4


def _loss(logits: torch.Tensor, maps: torch.Tensor, *, classed: bool) -> torch.Tensor:
    """Return how wrong the maps are: cross-entropy of each, and Dice's overlap of the first."""
    thing, depth, third = maps.unbind(1)
    weight = 1.0 + 2.0 * thing + (6.0 * thing * third if classed else 0.0)
    loss = (cross_entropy(logits[:, 0], thing, reduction='none') * weight).mean()
    found = torch.sigmoid(logits[:, 0])
    overlap = 2.0 * (found * thing).sum() + 1.0
    loss = loss + 0.3 * (1.0 - overlap / (found.sum() + thing.sum() + 1.0))
    deep = cross_entropy(logits[:, 1], depth, reduction='none') * (1.0 + 4.0 * thing)
    loss = loss + deep.mean()
    if classed:
        weight = thing * (0.05 + depth)
        dead = cross_entropy(logits[:, 2], third, reduction='none')
        return loss + 0.5 * (dead * weight).sum() / (weight.sum() + 1.0)
    touching = cross_entropy(logits[:, 2], third, reduction='none', pos_weight=torch.tensor(3.0))
    return loss + 0.5 * touching.mean()
