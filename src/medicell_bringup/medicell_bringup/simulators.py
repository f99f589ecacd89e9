"""By what a rehearsal moves: computation alone, or Gazebo's physics."""

from __future__ import annotations

from medicell_core.enums import TextEnum


class Simulator(TextEnum):
    """What `--simulator` chooses from."""

    BUILTIN = 'builtin'
    GAZEBO = 'gazebo'
