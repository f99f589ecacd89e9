"""A world as SDF: 1.7 for Gazebo 11, 1.9 for Gazebo Harmonic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from medicell_core.enums import TextEnum
from medicell_devices.arm.port import GRIPPER, Array
from medicell_gazebo.drives import Drive
from medicell_gazebo.world import (
    ARM,
    GUIDES,
    OVERTRAVEL_M,
    RIGHT_FINGER,
    Body,
    GazeboWorld,
    Machine,
)
from medicell_motion.description import GREY, Inertia, Joint, Shape

WORLD = 'medicell'
CELL = 'cell'
"""The model of all that stands."""
STEP_S = 0.001
FINGER_FRICTION = 0.6
"""Of rubber on glass (assumed): a pull of more than twice this times the grip takes the vial."""
FINGER_BANDWIDTH_RAD_S = 500.0
FINGER_DAMPING = 0.5
"""Of the position loop of the fingers, which press through it."""
SURFACE = (('kp', 1e6), ('kd', 100.0), ('max_vel', 0.5), ('min_depth', 1e-4))
"""Of what touches: stiffness, damping, how fast it is parted, and the depth that is left alone.

With ODE's own, fingers press millimetres into a vial, tilt it, and it is flung out in the end.
"""
ALL_BITS = 0xFFFF
"""Bodies touch each other where their masks have a bit in common."""
FINGERS = 0x8000
"""The fingers' own bit."""
JOINED = 0x4000
"""The bit of what joints move on what stands: so one machine's parts touch another's.

A vial in the hand has neither of these two, so that the fingers let it be; it has all others.
"""

INNER = 0x2000
"""The bit of what turns within another body of its machine, which has it not: the arm's wrist."""

_FINGERS = (GRIPPER, RIGHT_FINGER)
_SURFACE_LAYER_M = 1e-4
_UNLIMITED = 1e16
"""What SDF has for a joint without limits."""
_SYSTEMS = (
    ('gz-sim-physics-system', 'gz::sim::systems::Physics'),
    ('gz-sim-user-commands-system', 'gz::sim::systems::UserCommands'),
    ('gz-sim-scene-broadcaster-system', 'gz::sim::systems::SceneBroadcaster'),
    ('gz-sim-contact-system', 'gz::sim::systems::Contact'),
)
_TRAJECTORIES = (
    'gz-sim-joint-trajectory-controller-system',
    'gz::sim::systems::JointTrajectoryController',
)
_JOINT_STATES = (
    'gz-sim-joint-state-publisher-system',
    'gz::sim::systems::JointStatePublisher',
)
_BOND = ('gz-sim-detachable-joint-system', 'gz::sim::systems::DetachableJoint')
STATES_HZ = 100
"""How often Harmonic tells joints; a release without this setting tells them at every step."""
PAD_TOPICS = {
    'fill_robot_finger_left': '/contacts/left',
    'fill_robot_finger_right': '/contacts/right',
}
"""Where Harmonic tells what a finger touches. It tells it at every step that it lasts, so that
nobody may listen while a vial is carried."""
CONTACTS_TOPIC = '/contacts/others'
"""Where it tells what any other moving body touches, which is to be none."""
BONDS_TOPIC = '/bonds'
"""Where it tells each time that a vial was bound or let go."""


class Release(TextEnum):
    """Which Gazebo a world is for."""

    GAZEBO_11 = 'gazebo11'
    HARMONIC = 'harmonic'


_VERSIONS = {Release.GAZEBO_11: '1.7', Release.HARMONIC: '1.9'}


def sdf(world: GazeboWorld, release: Release, *, plugin: Path | None = None) -> str:
    """Return the file of a world; `plugin` is the one that keeps Gazebo 11 in lock-step."""
    root = Element('sdf', version=_VERSIONS[release])
    top = _add(root, 'world', name=WORLD)
    _physics(top)
    _light(top)
    writer = _Writer(world=world, release=release, bits=_bits(world))
    writer.standing(top)
    for machine in world.machines:
        writer.machine(top, machine)
    for vial in world.vials:
        writer.vial(top, vial)
    if release is Release.HARMONIC:
        for filename, name in _SYSTEMS:
            _add(top, 'plugin', filename=filename, name=name)
    elif plugin is not None:
        writer.lock_step(top, plugin)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding='unicode', xml_declaration=True) + '\n'


def _bits(world: GazeboWorld) -> dict[str, int]:
    """Return masks by which a joint's body does not touch what it stands or slides on.

    What a joint connects ODE leaves out by itself, and not what turns in a body by two joints,
    with nothing that touches in between.
    """
    found: dict[str, int] = {}
    for number, machine in enumerate(world.machines):
        bit = 1 << number
        for name in (machine.base, *GUIDES.get(machine.name, ())):
            found[name] = found.get(name, ALL_BITS) & ~(bit | JOINED)
        above = {joint.child: joint.parent for joint in machine.joints}
        bare = {body.name for body in machine.bodies if not body.touch}
        for joint in machine.joints:
            if joint.parent in bare:
                found[joint.child] = INNER | JOINED
                found[above[joint.parent]] = ALL_BITS & ~(INNER | JOINED)
            elif joint.parent == machine.base:
                found[joint.child] = bit | JOINED
            elif joint.name in _FINGERS:
                found[joint.child] = FINGERS | JOINED
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """Writes the models of a world."""

    world: GazeboWorld
    release: Release
    bits: dict[str, int]

    def standing(self, top: Element) -> None:
        """Write all that stands as one model."""
        model = _add(top, 'model', name=CELL)
        _add(model, 'static', 'true')
        for body in self.world.standing:
            self.link(model, body)

    def machine(self, top: Element, machine: Machine) -> None:
        """Write bodies, their joints, and for Harmonic what drives them and tells of them."""
        model = _add(top, 'model', name=machine.name)
        for body in machine.bodies:
            self.link(model, body)
        for joint in machine.joints:
            self.joint(model, machine, joint)
        if self.release is Release.HARMONIC:
            self.harmonic(model, machine)

    def vial(self, top: Element, vial: Body) -> None:
        """Write a free body: the model's pose is the vial's."""
        model = _add(top, 'model', name=vial.name)
        _add(model, 'pose', _pose(vial.pose))
        here = Body(
            name='vial', pose=np.eye(4), touch=vial.touch, look=vial.look, inertia=vial.inertia
        )
        self.link(model, here)

    def link(self, model: Element, body: Body) -> None:
        """Write a body with its shapes; for Harmonic with a sensor of contacts if it moves."""
        link = _add(model, 'link', name=body.name)
        _add(link, 'pose', _pose(body.pose))
        if model.get('name') == ARM and self.release is Release.GAZEBO_11:
            _add(link, 'self_collide', 'true')
        moves = model.find('static') is None
        if moves and body.inertia is not None:
            _inertial(link, body.inertia)
        names = []
        for number, shape in enumerate(body.touch):
            names.append(shape.name or f'body_{number}')
            collision = _add(link, 'collision', name=names[-1])
            _shape(collision, shape)
            contact = _add(_add(collision, 'surface'), 'contact')
            _add(contact, 'collide_bitmask', str(self.bits.get(body.name, ALL_BITS)))
            ode = _add(contact, 'ode')
            for tag, value in SURFACE:
                _add(ode, tag, _numbers(value))
        for number, shape in enumerate(body.look):
            visual = _add(link, 'visual', name=f'look_{number}')
            _shape(visual, shape)
            colour = self.world.materials.get(shape.material, GREY)
            material = _add(visual, 'material')
            for kind in ('ambient', 'diffuse'):
                _add(material, kind, _numbers(*colour))
        driven = model.get('name') in {machine.name for machine in self.world.machines}
        if driven and names and self.release is Release.HARMONIC:
            sensor = _add(link, 'sensor', name='contacts', type='contact')
            _add(sensor, 'always_on', 'true')
            contact = _add(sensor, 'contact')
            for name in names:
                _add(contact, 'collision', name)
            _add(contact, 'topic', PAD_TOPICS.get(body.name, CONTACTS_TOPIC))

    def joint(self, model: Element, machine: Machine, joint: Joint) -> None:
        """Write a joint; its position counts from the posture that the world is made in."""
        kind = 'revolute' if joint.kind == 'continuous' else joint.kind
        element = _add(model, 'joint', name=joint.name, type=kind)
        _add(element, 'parent', 'world' if joint.parent == machine.base else joint.parent)
        _add(element, 'child', joint.child)
        axis = _add(element, 'axis')
        _add(axis, 'xyz', _numbers(*joint.axis))
        limit = _add(axis, 'limit')
        offset = self.world.offset(joint)
        spare = OVERTRAVEL_M if joint.name in (GRIPPER, RIGHT_FINGER) else 0.0
        for tag, bound, beyond in (
            ('lower', joint.lower - offset - spare, -_UNLIMITED),
            ('upper', joint.upper - offset, _UNLIMITED),
        ):
            _add(limit, tag, _numbers(beyond if math.isnan(bound) else bound))
        _add(limit, 'velocity', _numbers(joint.velocity))
        _add(limit, 'effort', _numbers(joint.effort))
        dynamics = _add(axis, 'dynamics')
        _add(dynamics, 'damping', _numbers(joint.damping))
        _add(dynamics, 'friction', _numbers(joint.friction))

    def lock_step(self, top: Element, file: Path) -> None:
        """Write what the plug-in of Gazebo 11 drives, in the order of its answers."""
        plugin = _add(top, 'plugin', name='lock_step', filename=str(file))
        for drive, machine, joint in self.driven():
            row = _add(plugin, 'drive')
            _add(row, 'name', joint.name)
            _add(row, 'model', machine.name)
            for tag, value in (
                ('offset', self.world.offset(joint)),
                ('p', drive.p),
                ('i', drive.i),
                ('d', drive.d),
                ('effort', drive.limit),
                ('hold', drive.hold),
            ):
                _add(row, tag, _numbers(value))
        gripper = _add(plugin, 'gripper')
        _add(gripper, 'driven', GRIPPER)
        _add(gripper, 'mimic', RIGHT_FINGER)
        _add(gripper, 'friction', _numbers(FINGER_FRICTION))
        for tag, value in self.finger():
            _add(gripper, tag, _numbers(value))
        for model, link in self.world.watched:
            row = _add(plugin, 'watch')
            _add(row, 'model', model)
            _add(row, 'link', link)

    def finger(self) -> tuple[tuple[str, float], ...]:
        """Return how the drive of the fingers moves one of them."""
        _, machine, joint = next(row for row in self.driven() if row[2].name == GRIPPER)
        body = next(body for body in machine.bodies if body.name == joint.child)
        mass_kg = 0.0 if body.inertia is None else body.inertia.mass_kg
        return (
            ('stiffness', mass_kg * FINGER_BANDWIDTH_RAD_S**2),
            ('damping', 2.0 * FINGER_DAMPING * mass_kg * FINGER_BANDWIDTH_RAD_S),
            ('speed', joint.velocity),
        )

    def harmonic(self, model: Element, machine: Machine) -> None:
        """Write the systems of a machine: its joints follow trajectories, the fingers theirs."""
        fingers = (GRIPPER, RIGHT_FINGER)
        rows = [row for row in self.driven() if row[1] is machine]
        self.controller(model, machine, 'joint', [r for r in rows if r[2].name not in fingers])
        self.controller(model, machine, 'gripper', [r for r in rows if r[2].name in fingers])
        filename, name = _JOINT_STATES
        plugin = _add(model, 'plugin', filename=filename, name=name)
        _add(plugin, 'topic', f'/{machine.name}/joint_states')
        _add(plugin, 'update_rate', str(STATES_HZ))
        hand = next((joint.parent for joint in machine.joints if joint.name == GRIPPER), None)
        if hand is not None:
            for vial in self.world.vials:
                self.bond(model, hand, vial.name)

    def bond(self, model: Element, hand: str, vial: str) -> None:
        """Write what binds a vial to the hand when it is told to; it begins bound."""
        filename, name = _BOND
        plugin = _add(model, 'plugin', filename=filename, name=name)
        _add(plugin, 'parent_link', hand)
        _add(plugin, 'child_model', vial)
        _add(plugin, 'child_link', 'vial')
        _add(plugin, 'attach_topic', f'/{vial}/attach')
        _add(plugin, 'detach_topic', f'/{vial}/detach')
        _add(plugin, 'output_topic', BONDS_TOPIC)

    def controller(
        self, model: Element, machine: Machine, what: str, rows: list[tuple[Drive, Machine, Joint]]
    ) -> None:
        """Write Harmonic's controller of some joints, if there are any."""
        if not rows:
            return
        filename, name = _TRAJECTORIES
        plugin = _add(model, 'plugin', filename=filename, name=name)
        _add(plugin, 'topic', f'/{machine.name}/{what}_trajectory')
        for drive, _, joint in rows:
            _add(plugin, 'joint_name', joint.name)
            for tag, value in (
                ('position_p_gain', drive.p),
                ('position_i_gain', drive.i),
                # Of the velocity that is told: targets come in steps, whose slope is none.
                ('velocity_p_gain', drive.d),
                ('velocity_cmd_min', -drive.limit),
                ('velocity_cmd_max', drive.limit),
                ('position_i_min', -drive.limit),
                ('position_i_max', drive.limit),
                ('position_cmd_min', -drive.limit),
                ('position_cmd_max', drive.limit),
                ('position_cmd_offset', drive.hold),
            ):
                _add(plugin, tag, _numbers(value))

    def driven(self) -> list[tuple[Drive, Machine, Joint]]:
        """Return every drive with its machine and joint, in the order of the drives."""
        places = {
            joint.name: (machine, joint)
            for machine in self.world.machines
            for joint in machine.joints
        }
        return [(drive, *places[drive.joint]) for drive in self.world.drives]


def _physics(top: Element) -> None:
    physics = _add(top, 'physics', name='steps', type='ode')
    _add(physics, 'max_step_size', _numbers(STEP_S))
    # As fast as it is asked to: the time is told by who keeps it in lock-step.
    _add(physics, 'real_time_update_rate', '0')
    ode = _add(physics, 'ode')
    solver = _add(ode, 'solver')
    _add(solver, 'type', 'quick')
    _add(solver, 'iters', '100')
    constraints = _add(ode, 'constraints')
    _add(constraints, 'contact_surface_layer', _numbers(_SURFACE_LAYER_M))
    _add(top, 'gravity', '0 0 -9.81')


def _light(top: Element) -> None:
    light = _add(top, 'light', name='ceiling', type='directional')
    _add(light, 'pose', '0 0 4 0 0 0')
    _add(light, 'direction', '-0.4 0.2 -0.9')


def _inertial(link: Element, inertia: Inertia) -> None:
    element = _add(link, 'inertial')
    _add(element, 'pose', f'{_numbers(*inertia.centre)} 0 0 0')
    _add(element, 'mass', _numbers(inertia.mass_kg))
    tensor = _add(element, 'inertia')
    for row, column in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        _add(tensor, f'i{"xyz"[row]}{"xyz"[column]}', _numbers(inertia.tensor[row, column]))


def _shape(element: Element, shape: Shape) -> None:
    _add(element, 'pose', _pose(shape.origin))
    geometry = _add(_add(element, 'geometry'), shape.kind)
    if shape.kind == 'box':
        _add(geometry, 'size', _numbers(*shape.size))
        return
    for tag, value in zip(('radius', 'length'), shape.size, strict=False):
        _add(geometry, tag, _numbers(value))


def _pose(pose: Array) -> str:
    """Return a pose as SDF has it: x, y, z, then roll, pitch, yaw about fixed axes."""
    turn = pose[:3, :3]
    pitch = math.asin(-min(1.0, max(-1.0, float(turn[2, 0]))))
    if abs(turn[2, 0]) < 1.0 - 1e-12:
        roll = math.atan2(turn[2, 1], turn[2, 2])
        yaw = math.atan2(turn[1, 0], turn[0, 0])
    else:
        # Straight up or down only roll and yaw together count.
        roll, yaw = 0.0, math.atan2(-turn[0, 1], turn[1, 1])
    return _numbers(*pose[:3, 3], roll, pitch, yaw)


def _numbers(*values: float) -> str:
    return ' '.join(repr(round(float(value), 12) + 0.0) for value in values)


def _add(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element
