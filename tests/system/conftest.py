"""What the tests of whole batches share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from system.bench import Cli


@pytest.fixture
def cli() -> Iterator[Cli]:
    """Runs `medicell` in processes; none outlives the test."""
    made = Cli()
    yield made
    made.close()
