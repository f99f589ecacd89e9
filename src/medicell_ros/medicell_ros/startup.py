"""What lets a node start with little work: settings of its process until it is up."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

ENVIRONMENT = {
    # The cell's matrices are small: numpy's pool of threads would cost each process memory only.
    'OPENBLAS_NUM_THREADS': '1',
    # pydantic would look through every installed package for plug-ins of its own.
    'PYDANTIC_DISABLE_PLUGINS': '__all__',
}
"""Variables that libraries read while they are imported, where the user has not set them."""
FIRST = 'numpy'
"""Imported before all else: the module typing_extensions, which pydantic brings, changes how
Python makes the long literal types of numpy, which then take half of numpy's import."""


def begin() -> None:
    """Prepare a node's process, which is about to import much; to be called before anything else.

    A fifth of a node's start went into garbage collections that found nothing, since what is
    imported stays.
    """
    gc.disable()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    importlib.import_module(FIRST)


def end() -> None:
    """Let garbage be collected from now on, but never look at what the start has made."""
    gc.freeze()
    gc.enable()


@contextmanager
def uncollected() -> Iterator[None]:
    """Let no garbage be collected in the context, for a program that imports much in it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
