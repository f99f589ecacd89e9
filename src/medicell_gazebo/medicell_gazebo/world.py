"""What stands in Gazebo's world: the bodies of the URDF in a posture, sorted by what moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from medicell_devices.arm.port import GRIPPER, GRIPPER_OPEN_M, Array
from medicell_gazebo.drives import Drive, Dynamics
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.description import MOVING, Description, Inertia, Joint, Shape, parse, refusal
from medicell_motion.geometry import CellGeometry

STATION_PREFIX = 'fill_robot_'
"""Before a station's name in the model: the frame of a container that is gripped there."""
ARM = 'fill_robot'
RIGHT_FINGER = 'gripper_right_joint'
OVERTRAVEL_M = 0.003
"""How much further than a vial the fingers close; at their stop they would hold nothing."""
GUIDES = {'isolator': ('fill_robot_crimper_stand',)}
"""Bodies besides its base through which a machine slides."""
MEET_VIALS = frozenset(
    f'{STATION_PREFIX}{name}' for name in ('needle', 'stopper_press', 'crimper')
)
"""Tools that come down on vials; they have flat faces, as the pedestals do."""
SPARE = 'vial_of_another_batch'
"""A vial that is in no batch: it is out of the cell until people are seen to have left one."""
VIAL_KG = 0.021
"""A 10R vial of glass, 11 g, with 10 mL in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A rigid body: `pose` in the room, (4, 4); its shapes' origins are in it."""

    name: str
    pose: Array
    touch: tuple[Shape, ...]
    look: tuple[Shape, ...]
    inertia: Inertia | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Bodies that move by joints, on one that stands: `base` is its name.

    The parent of a joint is the base or one of the bodies, whatever is fixed between them.
    """

    name: str
    base: str
    bodies: tuple[Body, ...]
    joints: tuple[Joint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GazeboWorld:
    """All of it: what stands, what moves, the drives, and the vials as free bodies.

    `posture` is the one that the world is made in: joints that are not named are at 0.
    """

    standing: tuple[Body, ...]
    machines: tuple[Machine, ...]
    vials: tuple[Body, ...]
    drives: tuple[Drive, ...]
    dynamics: Dynamics
    posture: Mapping[str, float]
    materials: Mapping[str, tuple[float, ...]]

    @property
    def watched(self) -> tuple[tuple[str, str], ...]:
        """The model and link of each of the arm's links, whose poses are told with the joints."""
        return tuple((ARM, f'{ARM}_link_{number + 1}') for number in range(len(JOINT_NAMES)))

    def offset(self, joint: Joint) -> float:
        """Return where a joint is in the posture."""
        return self.posture.get(joint.name, 0.0)


def gazebo_world(
    urdf: str, geometry: CellGeometry, *, home: Array, vials: Mapping[str, str]
) -> GazeboWorld:
    """Return the world of a model with the arm at home and the gripper open.

    `vials` names a vial for each station where one stands. Raises InputError for a URDF that
    lacks a station, or has a moving body without mass.
    """
    description = parse(urdf)
    posture = dict(zip(JOINT_NAMES, (float(value) for value in home), strict=True))
    posture |= {GRIPPER: GRIPPER_OPEN_M, RIGHT_FINGER: GRIPPER_OPEN_M}
    poses = description.poses(posture)
    carriers = _carriers(description)
    bodies = {
        name: _body(description, geometry, name, poses, carriers)
        for name, carrier in carriers.items()
        if name == carrier
    }
    moving = _moving(description)
    dynamics = Dynamics(urdf, description, posture)
    return GazeboWorld(
        standing=tuple(
            body
            for name, body in bodies.items()
            if name not in moving and (body.touch or body.look)
        ),
        machines=tuple(_machines(description, bodies, carriers)),
        vials=tuple(_vial(geometry, vial, _place(poses, at)) for at, vial in vials.items()),
        drives=dynamics.drives(),
        dynamics=dynamics,
        posture=posture,
        materials=description.materials,
    )


def with_spare(world: GazeboWorld, geometry: CellGeometry) -> GazeboWorld:
    """Return a world with the spare vial, which whoever starts it takes out before it runs."""
    return replace(world, vials=(*world.vials, _vial(geometry, SPARE, np.eye(4))))


def _moving(description: Description) -> set[str]:
    """Return the links that are driven by a joint of their own."""
    return {joint.child for joint in description.joints.values() if joint.kind in MOVING}


def _carriers(description: Description) -> dict[str, str]:
    """Return for each link the one whose body it is part of.

    What is fixed to a link that moves is part of it; what stands is a body of its own.
    """
    above = {joint.child: joint for joint in description.joints.values()}
    moving = _moving(description)
    found = {}
    for name in description.links:
        link = name
        while link in above and link not in moving:
            link = above[link].parent
        found[name] = link if link in moving else name
    return found


def _body(
    description: Description,
    geometry: CellGeometry,
    name: str,
    poses: Mapping[str, Array],
    carriers: Mapping[str, str],
) -> Body:
    """Return the body of a link, with the shapes of what is fixed to it."""
    touch, look = [], []
    for part, carrier in carriers.items():
        if carrier != name:
            continue
        link = description.links[part]
        if part != name and link.inertia is not None:
            raise refusal(f'link {part}', f'has a mass, but is fixed to {name}, which moves')
        offset = np.linalg.inv(poses[name]) @ poses[part]
        look += [_placed(shape, offset) for shape in link.visuals]
        # A pedestal is drawn, and not planned around: the vial stands for it. Here it carries.
        carries = part.removeprefix(STATION_PREFIX) in geometry.stations
        bodies = _plate(link.visuals) if carries else link.collisions
        meets = carries or part in MEET_VIALS
        touch += [_placed(_flat(shape) if meets else shape, offset) for shape in bodies]
    inertia = description.links[name].inertia
    return Body(name=name, pose=poses[name], touch=tuple(touch), look=tuple(look), inertia=inertia)


def _plate(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Return the widest shape of a pedestal, on which the vial stands."""
    return (max(shapes, key=lambda shape: shape.size[0]),)


def _flat(shape: Shape) -> Shape:
    """Return the box around a cylinder; other shapes as they are.

    Of two cylinders on one axis ODE finds nothing that touches: one falls through the other. Of a
    cylinder that lies across another it does, and of a box's flank it does not: fingers are round.
    """
    if shape.kind != 'cylinder':
        return shape
    radius, length = shape.size
    return replace(shape, kind='box', size=(2.0 * radius, 2.0 * radius, length))


def _placed(shape: Shape, offset: Array) -> Shape:
    """Return a shape in another frame."""
    return replace(shape, origin=offset @ shape.origin)


def _machines(
    description: Description, bodies: Mapping[str, Body], carriers: Mapping[str, str]
) -> list[Machine]:
    """Return what moves, by the standing body that it moves on."""
    parents = {joint.child: joint for joint in description.joints.values() if joint.kind in MOVING}
    rows: dict[str, list[Joint]] = {}
    for child, joint in parents.items():
        if bodies[child].inertia is None:
            raise refusal(f'link {child}', 'moves and has no mass')
        base = child
        while base in parents:
            base = carriers[parents[base].parent]
        rows.setdefault(base, []).append(replace(joint, parent=carriers[joint.parent]))
    return [
        Machine(
            name=base.removesuffix('_base_link'),
            base=base,
            bodies=tuple(bodies[joint.child] for joint in joints),
            joints=tuple(joints),
        )
        for base, joints in rows.items()
    ]


def _place(poses: Mapping[str, Array], station: str) -> Array:
    """Return where a vial stands at a station, (4, 4)."""
    place = poses.get(f'{STATION_PREFIX}{station}')
    if place is None:
        raise refusal(f'station {station}', 'is not in the model')
    return place


def _vial(geometry: CellGeometry, name: str, place: Array) -> Body:
    """Return a vial at a pose: a cylinder of even mass, as the planner takes containers."""
    radius, length = geometry.container.radius_m, 2.0 * geometry.container.grip_to_mouth_m
    across = VIAL_KG * (3.0 * radius**2 + length**2) / 12.0
    shape = Shape(
        kind='cylinder', size=(radius, length), origin=np.eye(4), material='', name='glass'
    )
    inertia = Inertia(
        mass_kg=VIAL_KG,
        centre=np.zeros(3),
        tensor=np.diag([across, across, VIAL_KG * radius**2 / 2.0]),
    )
    return Body(name=name, pose=place, touch=(shape,), look=(shape,), inertia=inertia)
