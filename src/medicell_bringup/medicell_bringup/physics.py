"""A run's cell under Gazebo's physics; imported only by runs that ask for it."""

from __future__ import annotations

from medicell_bringup.inputs import RunInputs
from medicell_gazebo import gazebo11
from medicell_gazebo.cell import PhysicalCell
from medicell_gazebo.trees import Tell
from medicell_gazebo.vials import vials_of
from medicell_motion.cell import RobotCell


def physical_cell(inputs: RunInputs, tell: Tell) -> PhysicalCell:
    """Return a Gazebo that has been started with the kit's vials in the nest."""
    kit = inputs.recipe.kit(inputs.patient)
    return PhysicalCell(
        gazebo11.prepared(tell),
        RobotCell.shipped(),
        vials_of(inputs.patient.chain_of_identity, kit),
        grip_n=inputs.cell.fill_robot.arm.grip_n,
    )
