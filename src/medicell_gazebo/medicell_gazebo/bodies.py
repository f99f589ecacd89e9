"""All that a running world of the cell has: the arm, what else moves, vials, and what is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from medicell_gazebo.arm import GazeboArm
from medicell_gazebo.by_hand import ByHand
from medicell_gazebo.lock_step import LockStep
from medicell_gazebo.machines import Machines
from medicell_gazebo.measured import Measured
from medicell_gazebo.world import SPARE, GazeboWorld
from medicell_motion.cell import RobotCell


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """What is in a Gazebo that runs on a clock."""

    arm: GazeboArm
    machines: Machines
    measured: Measured
    by_hand: ByHand

    @classmethod
    def begun(
        cls,
        gazebo: LockStep,
        world: GazeboWorld,
        cell: RobotCell,
        now_s: Callable[[], float],
        *,
        grip_n: float,
        version: str,
    ) -> Bodies:
        """Have a Gazebo run on a clock, with the spare vial out of its world."""
        if SPARE in {vial.name for vial in world.vials}:
            gazebo.take(SPARE)
        arm = GazeboArm(now_s, gazebo, world, grip_n=grip_n)
        measured = Measured(gazebo, arm, cell, version=version)
        return cls(
            arm=arm,
            machines=Machines(arm),
            measured=measured,
            by_hand=ByHand(arm, measured),
        )
