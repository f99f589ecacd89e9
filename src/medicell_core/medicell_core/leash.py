"""What ends processes whose parent is gone without having told them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

PROGRAM = 'setpriv'
"""Of util-linux, which every Debian and Ubuntu has: the kernel's own word would need C code."""
END_WITH_PARENT = ('--pdeathsig', 'TERM')
"""Sent by the kernel when the thread that started the process ends. Not SIGINT, which a shell has
its background jobs ignore: a node that is still starting would stay."""
NO_LEASH = (
    f"{PROGRAM} of util-linux is not here, or cannot tell of a parent's end: when the launch is"
    ' killed its processes stay'
)


GOING_S = 2.0
"""Wall seconds that a parent may take to be gone after the kernel's word of it, which comes with
the first of its threads; on a busy machine the others take a while.
"""
POLL_S = 0.01


def parent_goes(parent: int) -> bool:
    """Return whether the process that has started this one, of this id, goes within GOING_S."""
    deadline = time.monotonic() + GOING_S
    while os.getppid() == parent:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def leash() -> tuple[str, ...]:
    """Return the words before a command by which it gets SIGTERM when its parent is gone.

    They replace themselves by the command, and hold for what that replaces itself by. Empty
    where this system cannot.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        return ()
    words = (program, *END_WITH_PARENT)
    try:
        tried = subprocess.run([*words, program, '--version'], capture_output=True, check=False)
    except OSError:
        return ()
    return words if tried.returncode == 0 else ()
