"""What a node serves by: its driver, software, configuration files and host."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedFile:
    """A configuration file as it was read: its name without the folder, its SHA-256 in hex."""

    name: str
    sha256: str

    @classmethod
    def of(cls, name: str, content: bytes) -> UsedFile:
        """Return what a file of this content is told by."""
        return cls(name=name, sha256=hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingNode:
    """A node that serves the batch: by which driver, which software, which files, and where.

    Empty texts where the node has not told it. Only a device's node has a `driver`; `simulated`
    says that it acts on a simulated world and not on an instrument. `package` is what the driver
    comes from. `files` are the cell's file and those of the node's parameters, in their order.
    """

    node: str
    driver: str = ''
    simulated: bool = False
    package: str = ''
    version: str = ''
    host: str = ''
    files: list[UsedFile] = field(default_factory=list)
