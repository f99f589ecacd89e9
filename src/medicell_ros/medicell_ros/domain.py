"""A ROS domain that no other process of this machine uses, for runs and tests."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from medicell_core.errors import ErrorCode, MedicellError

DOMAINS = range(1, 101)
"""Domain ids whose ports are below the ephemeral ones on Linux."""

VARIABLE = 'ROS_DOMAIN_ID'


@contextmanager
def own_domain() -> Iterator[int]:
    """Claim a free domain for the time of the context.

    The claim is a lock on an open file, so it ends with the process however that ends. Raises
    COMMUNICATION_LOST when all domains are in use.
    """
    with ExitStack() as claim:
        yield _claim(claim)


def _claim(claim: ExitStack) -> int:
    folder = Path(tempfile.gettempdir())
    first = os.getpid() % len(DOMAINS)
    for domain in [*DOMAINS[first:], *DOMAINS[:first]]:
        name = folder / f'medicell-domain-{domain}-{os.getuid()}.lock'
        with ExitStack() as held:
            file = held.enter_context(open(name, 'wb'))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            claim.push(held.pop_all())
            return domain
    raise MedicellError(
        ErrorCode.COMMUNICATION_LOST,
        f'all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are in use on this machine',
    )
