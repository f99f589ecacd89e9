"""Motions of the joints beside the arm: tools, doors, rotors, stages; as fast as drives may."""

from __future__ import annotations

import numpy as np

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.arm.port import ArmTrajectory
from medicell_devices.simulated.machinery import DOWN_M
from medicell_gazebo.arm import GazeboArm
from medicell_gazebo.world import ARM
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
    """Drives single joints of the model from where they are measured to a position, at rest.

    Of a tool that comes down, or goes up, the judge of contacts is told.
    """

    def __init__(self, arm: GazeboArm) -> None:
        self._judge = arm.judge
        self._running = running = arm.running
        self._joints: dict[str, Joint] = {
            joint.name: joint
            for machine in running.world.machines
            if machine.name != ARM
            for joint in machine.joints
        }

    def check(self, name: str, position: float) -> Joint:
        """Return a joint that can go to a position in m or rad; raises InputError for another."""
        joint = self._joints.get(name)
        if joint is None:
            text = f'is none of {", ".join(sorted(self._joints))}'
            raise InputError(ErrorCode.INVALID_GOAL, text, field=f'joint {name}')
        if position < joint.lower or position > joint.upper:
            text = f'cannot go to {position:g}; allowed are {joint.lower:g} to {joint.upper:g}'
            raise InputError(ErrorCode.INVALID_GOAL, text, field=f'joint {name}')
        return joint

    def drive(self, name: str, position: float) -> None:
        """Set a joint off to a position; returns at once. Raises as `check`."""
        joint = self.check(name, position)
        running = self._running
        with running.lock:
            now_s = running.advance()
            if name in DOWN_M:
                self._judge.lowered(name, down=position > 0.0, now_s=now_s)
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
