"""Starts Gazebo 11 with the cell in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.cell_config import CellConfig
from medicell_gazebo import gazebo11
from medicell_gazebo.bodies import Bodies
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.lock_step import LockStep
from medicell_gazebo.witness import Witness
from medicell_gazebo.world import gazebo_world, with_spare
from medicell_gazebo.world_file import filed_world
from medicell_motion.cell import RobotCell
from medicell_motion.expansion import expand_shipped
from medicell_nodes.gazebo_lock_step import MadeArm, MakeArm

PREPARE = './medicell exec python -m medicell_gazebo prepare'
"""The command that brings Gazebo 11."""


def prepared_gazebo() -> Gazebo11:
    """Return Gazebo 11 of this user; raises InputError where it is not prepared."""
    found = gazebo11.found()
    if found is None:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'Gazebo 11 is not prepared on this machine; `{PREPARE}` does it',
            field='simulator',
        )
    return found


def arm_maker(config: CellConfig, file: Path | None) -> MakeArm:
    """Return what starts Gazebo with the arm of a cell, in the world of a file if there is one.

    Raises InputError where Gazebo is not prepared.
    """
    gazebo, cell = prepared_gazebo(), RobotCell.shipped()
    grip_n = config.fill_robot.arm.grip_n
    urdf = expand_shipped()

    def make(vials: Mapping[str, str], now_s: Callable[[], float]) -> MadeArm:
        world = gazebo_world(urdf, cell.geometry, home=cell.home(), vials=vials)
        text = None
        if file is None:
            world = with_spare(world, cell.geometry)
        else:
            world, text = filed_world(file, world, plugin=gazebo.plugin)
        started = LockStep(gazebo, world, text=text)
        try:
            bodies = Bodies.begun(
                started, world, cell, now_s, grip_n=grip_n, version=gazebo.version
            )
            return started, bodies.arm, Witness(bodies)
        except BaseException:
            started.close()
            raise

    return make
