"""Motions of the joints beside the arm: tools, doors, rotors, stages; as fast as drives may."""

from __future__ import annotations

import numpy as np

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.arm.port import ArmTrajectory
from medicell_gazebo.running import RunningWorld
from medicell_motion.description import Joint

SPEED_SHARE = 0.95
"""Of the joint's velocity limit, at the middle of a motion."""
REST_S = 0.1
"""So long after such a motion physics runs on."""
_ROWS = 21
_NO_WAY = 1e-6
_PEAK = 1.5
"""Of a cubic from rest to rest: its greatest velocity over the mean one."""


class Machines:
    """Drives single joints of the model from where they are measured to a position, at rest."""

    def __init__(self, running: RunningWorld) -> None:
        self._running = running
        self._joints: dict[str, Joint] = {
            joint.name: joint for machine in running.world.machines for joint in machine.joints
        }

    def drive(self, name: str, position: float) -> None:
        """Set a joint off; returns at once. Raises InputError for a joint that the model has not.

        A position in m or rad.
        """
        joint = self._joints.get(name)
        if joint is None:
            raise InputError(ErrorCode.INVALID_GOAL, 'is not in the model', field=f'joint {name}')
        running = self._running
        with running.lock:
            now_s = running.advance()
            column = running.gazebo.joints.index(name)
            here = float(running.newest.positions[-1, column])
            way = position - here
            if abs(way) < _NO_WAY:
                return
            shares = np.linspace(0.0, 1.0, _ROWS)
            length_s = _PEAK * abs(way) / (SPEED_SHARE * joint.velocity)
            path = ArmTrajectory(
                start_s=now_s,
                times_s=length_s * shares,
                positions_rad=(here + way * shares**2 * (3.0 - 2.0 * shares))[:, None],
                velocities_rad_s=(way / length_s * 6.0 * shares * (1.0 - shares))[:, None],
            )
            running.follow((name,), path, rest_s=REST_S)
