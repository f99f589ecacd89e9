"""The arm of a URDF for Pinocchio, with all other joints of the cell held still."""

from __future__ import annotations

from xml.etree import ElementTree

import pinocchio as pin

from medicell_core.errors import ErrorCode, InputError
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.body import BASE, TOOL


def reduced_model(urdf: str) -> tuple[pin.Model, pin.GeometryModel]:
    """Return arm and bodies with every other joint held still; the gripper is open."""
    try:
        model = pin.buildModelFromXML(urdf)
        bodies = pin.buildGeomFromUrdfString(model, urdf, pin.GeometryType.COLLISION)
    except (ValueError, RuntimeError) as error:
        raise InputError(ErrorCode.INVALID_GOAL, f'no URDF: {error}', field='robot') from error
    missing = [name for name in (*JOINT_NAMES, BASE, TOOL) if not model.existFrame(name)]
    if missing:
        raise InputError(ErrorCode.INVALID_GOAL, f'lacks {missing[0]}', field='robot')
    held = pin.neutral(model)
    for name in model.names:
        if name.startswith('gripper_'):
            joint = model.joints[model.getJointId(name)]
            held[joint.idx_q] = model.upperPositionLimit[joint.idx_q]
    others = [model.getJointId(name) for name in model.names[1:] if name not in JOINT_NAMES]
    reduced: tuple[pin.Model, pin.GeometryModel] = pin.buildReducedModel(
        model, bodies, others, held
    )
    return reduced


def body_names(urdf: str) -> dict[str, str]:
    """Return how each collision body is told of: by its own name, or its link's.

    Pinocchio numbers the bodies of a link and forgets their names.
    """
    found: dict[str, str] = {}
    for link in ElementTree.fromstring(urdf).findall('link'):
        name = link.get('name', '')
        for index, body in enumerate(link.findall('collision')):
            own = body.get('name') or name.removeprefix('fill_robot_')
            found[f'{name}_{index}'] = own
    return found
