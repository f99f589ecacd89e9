"""What every test of the repository gets: a ROS domain of its own process."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

DOMAINS = range(1, 101)
"""Domain ids whose ports are below the ephemeral ones on Linux."""


def pytest_configure() -> None:
    """Claim a domain before any test module can start a node."""
    os.environ['ROS_DOMAIN_ID'] = str(claim_domain(_CLAIMS))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'


_CLAIMS: list[IO[bytes]] = []


def claim_domain(claims: list[IO[bytes]]) -> int:
    """Return a domain that no other test process of this machine holds.

    The claim is a lock on an open file, so it ends with the process however that ends.
    """
    folder = Path(tempfile.gettempdir())
    first = os.getpid() % len(DOMAINS)
    for domain in [*DOMAINS[first:], *DOMAINS[:first]]:
        try:
            file = open(  # noqa: SIM115 (held until the process ends)
                folder / f'medicell-domain-{domain}-{os.getuid()}.lock', 'wb'
            )
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        claims.append(file)
        return domain
    raise RuntimeError(f'all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are in use')
