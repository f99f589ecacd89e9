"""One process of a launch: what is started and said to it, how often again, and how it ends."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from medicell_bringup.launching.arguments import refused

RESPAWN_DELAY_S = 0.1
"""Wall seconds between the end of a process and its next start.

A supervisor of ours doubles it from one end to the next: what dies by an accident is back at
once, what dies again and again leaves the others room.
"""
RESPAWN_LIMIT = 5
"""How often a process is started again before the launch is given up."""
END_S = 60.0
"""Wall seconds that a process may take to end after SIGINT.

The orchestrator aborts its batch and closes the record; the devices wait for it, the world for
them.
"""
TERM_S = END_S / 10.0
"""Wall seconds that it may take after SIGTERM, which follows; SIGKILL is the last."""
BAD_INPUT = 2
"""The exit code by which a process says that its input is wrong: another start cannot help."""

INTO_NAMESPACE = (('/clock', 'clock'), ('/tf', 'tf'), ('/tf_static', 'tf_static'))
"""Remappings that keep a foreign node to its cell; Medicell's own nodes do it themselves."""

Value = str | float | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process to start: an installed executable, and what is said to it.

    `package` is empty for a program that belongs to none. `prefix` are words before the command.
    `namespace` is empty for a program that is no ROS node. Files of parameters come before
    `parameters`, which count more. The end of what is `optional`, such as a window that a person
    closes, does not end the launch.
    """

    name: str
    package: str
    executable: str
    prefix: tuple[str, ...] = ()
    namespace: str = ''
    parameter_files: tuple[Path, ...] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    log_level: str = ''
    respawn: bool = False
    optional: bool = False

    def path(self) -> Path:
        """Return the executable's file; raises InputError when it is not installed.

        One of no package is looked for where the shell looks for programs.
        """
        if not self.package:
            program = shutil.which(self.executable)
            if program is None:
                raise refused(self.name, f'there is no program {self.executable!r}')
            return Path(program)
        try:
            prefix = Path(get_package_prefix(self.package))
        except PackageNotFoundError:
            raise refused(self.name, f'package {self.package!r} is not installed') from None
        path = prefix / 'lib' / self.package / self.executable
        if not path.is_file():
            raise refused(self.name, f'{self.package} has no executable {self.executable!r}')
        return path


def installed(package: str) -> bool:
    """Return whether a package of ROS is installed."""
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True
