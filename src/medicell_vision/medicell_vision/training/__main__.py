"""`python -m medicell_vision.training FOLDER`: learn from a data set, whole and in folds."""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from medicell_vision.cells.network import WEIGHTS
from medicell_vision.training.learning import COURSES, learn
from medicell_vision.training.network import write
from medicell_vision.training.targets import lesson
from medicell_vision.trial.folds import FOLDS, NETWORKS, fingerprint
from medicell_vision.trial.sets import read_set

SEED = 7
WHOLE = -1


def main() -> None:
    """Write the weights that are shipped, or those of some folds beside the data set."""
    parser = argparse.ArgumentParser(
        prog='python -m medicell_vision.training', description=__doc__
    )
    parser.add_argument('folder', type=Path, help='a data set, as in datasets/')
    parser.add_argument('--folds', type=int, default=3, help='parts for cross-validation')
    parser.add_argument('--only', type=int, nargs='*', help='these folds alone; -1 is the whole')
    parser.add_argument('--steps', type=int, help='other than usual')
    given = parser.parse_args()
    data = read_set(given.folder)
    modality = data.modality
    examples = list(data.examples())
    lessons = [lesson(item, modality) for item in examples]
    order = np.random.default_rng(SEED).permutation(len(lessons))
    fold_of = np.empty(len(lessons), dtype=int)
    fold_of[order] = np.arange(len(lessons)) % given.folds
    course = COURSES[modality.name]
    if given.steps:
        course = replace(course, steps=given.steps)
    with (given.folder / FOLDS).open('w', encoding='utf-8', newline='') as stream:
        rows = csv.writer(stream, lineterminator='\n')
        rows.writerow(['image', 'pixels_sha256', 'fold'])
        for example, fold in zip(examples, fold_of, strict=True):
            rows.writerow([example.name, fingerprint(example.picture), fold])
    for fold in given.only if given.only is not None else range(WHOLE, given.folds):
        used = [item for item, of in zip(lessons, fold_of, strict=True) if of != fold]
        net = learn(
            used,
            course,
            classed=modality.classed,
            seed=SEED + fold,
            tell=partial(print, f'{data.name}, fold {fold}:', flush=True),
        )
        file = given.folder / NETWORKS / f'{fold}.onnx'
        write(net, WEIGHTS / f'{modality.name}.onnx' if fold == WHOLE else file)


if __name__ == '__main__':
    main()
