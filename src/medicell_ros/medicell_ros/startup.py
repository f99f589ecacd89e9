"""What lets a node start with little work: settings of its process until it is up."""

from __future__ import annotations

import gc
import os

ONE_BLAS_THREAD = ('OPENBLAS_NUM_THREADS', '1')
"""The cell's matrices are small: numpy's pool of threads would cost each process memory only."""


def begin() -> None:
    """Prepare a process that is about to import much; to be called before anything else.

    A fifth of a node's start went into garbage collections that found nothing, since what is
    imported stays.
    """
    gc.disable()
    os.environ.setdefault(*ONE_BLAS_THREAD)


def end() -> None:
    """Let garbage be collected from now on, but never look at what the start has made."""
    gc.freeze()
    gc.enable()
