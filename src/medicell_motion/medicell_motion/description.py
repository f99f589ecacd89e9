"""A robot description: what a URDF says of links and joints, and where each link is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, InputError

Array = npt.NDArray[np.float64]
MOVING = ('revolute', 'continuous', 'prismatic')
GREY = (0.6, 0.6, 0.6, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A `box` (edges), `cylinder` (radius, length along z) or `sphere` (radius), in metres."""

    kind: str
    size: tuple[float, ...]
    origin: Array
    """Pose in the link, (4, 4)."""
    material: str
    name: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class Inertia:
    """Mass in kg, its centre in metres (3,), and the tensor about that in kg m2, (3, 3)."""

    mass_kg: float
    centre: Array
    tensor: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A body or a bare frame."""

    name: str
    visuals: tuple[Shape, ...]
    collisions: tuple[Shape, ...]
    inertia: Inertia | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """How a child stands in its parent; limits in rad or m, NaN where there are none."""

    name: str
    kind: str
    parent: str
    child: str
    origin: Array
    axis: Array
    lower: float
    upper: float
    velocity: float
    effort: float
    acceleration: float
    jerk: float
    damping: float
    friction: float
    """Against the motion: in N m s/rad or N s/m, and in N m or N; 0 where not told."""
    mimics: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A whole URDF."""

    name: str
    links: Mapping[str, Link]
    joints: Mapping[str, Joint]
    materials: Mapping[str, tuple[float, ...]]

    @property
    def moving_joints(self) -> tuple[str, ...]:
        """Names of the joints that move by themselves, sorted."""
        return tuple(
            sorted(
                joint.name
                for joint in self.joints.values()
                if joint.kind in MOVING and not joint.mimics
            )
        )

    def root(self) -> str:
        """Return the one link without a parent; raises InputError when there is not just one."""
        children = {joint.child for joint in self.joints.values()}
        roots = sorted(set(self.links) - children)
        if len(roots) != 1:
            raise refusal('robot', f'has {len(roots)} roots ({", ".join(roots)}), not 1')
        return roots[0]

    def pose(self, link: str, positions: Mapping[str, float], *, base: str) -> Array:
        """Return one link's pose in a link above it, (4, 4); joints not named are at 0."""
        above = {joint.child: joint for joint in self.joints.values()}
        pose = np.eye(4)
        while link != base:
            joint = above[link]
            position = positions.get(joint.mimics or joint.name, 0.0)
            pose = joint.origin @ _moved(joint, position) @ pose
            link = joint.parent
        return pose

    def poses(self, positions: Mapping[str, float]) -> dict[str, Array]:
        """Return every link's pose in the root, (4, 4); joints not named are at 0."""
        below: dict[str, list[Joint]] = {}
        for joint in self.joints.values():
            below.setdefault(joint.parent, []).append(joint)
        root = self.root()
        found = {root: np.eye(4)}
        waiting = [root]
        while waiting:
            parent = waiting.pop()
            for joint in below.get(parent, ()):
                position = positions.get(joint.mimics or joint.name, 0.0)
                found[joint.child] = found[parent] @ joint.origin @ _moved(joint, position)
                waiting.append(joint.child)
        return found


def refusal(place: str, text: str) -> InputError:
    """Return the error of a description that is wrong at a place."""
    return InputError(ErrorCode.INVALID_GOAL, text, field=place)


def parse(text: str) -> Description:
    """Read a URDF; raises InputError for what is not one."""
    try:
        robot = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise refusal('robot', f'not XML: {error}') from error
    if robot.tag != 'robot':
        raise refusal(robot.tag, 'the root element must be robot')
    links = [_link(element) for element in robot.findall('link')]
    joints = [_joint(element) for element in robot.findall('joint')]
    for kind, rows in (('link', links), ('joint', joints)):
        names = [row.name for row in rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise refusal(f'{kind} {twice[0]}', 'is there twice')
    return Description(
        name=robot.get('name', ''),
        links=MappingProxyType({link.name: link for link in links}),
        joints=MappingProxyType({joint.name: joint for joint in joints}),
        materials=MappingProxyType(dict(_material(row) for row in robot.findall('material'))),
    )


def transform(xyz: Sequence[float] | Array, rpy: Sequence[float] | Array) -> Array:
    """Return the pose of a URDF origin: turned about the fixed axes x, y, z, then moved."""
    pose = np.eye(4)
    pose[:3, :3] = (
        rotation(np.array([0.0, 0.0, 1.0]), rpy[2])
        @ rotation(np.array([0.0, 1.0, 0.0]), rpy[1])
        @ rotation(np.array([1.0, 0.0, 0.0]), rpy[0])
    )
    pose[:3, 3] = xyz
    return pose


def rotation(axis: Array, angle: float) -> Array:
    """Return the matrix of a turn about a unit axis, (3, 3)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross)


def _moved(joint: Joint, position: float) -> Array:
    pose = np.eye(4)
    if joint.kind == 'prismatic':
        pose[:3, 3] = joint.axis * position
    elif joint.kind in MOVING:
        pose[:3, :3] = rotation(joint.axis, position)
    return pose


def _numbers(element: ElementTree.Element | None, key: str, default: str) -> Array:
    text = default if element is None else element.get(key, default)
    return np.array([float(part) for part in text.split()])


def _origin(element: ElementTree.Element) -> Array:
    origin = element.find('origin')
    return transform(_numbers(origin, 'xyz', '0 0 0'), _numbers(origin, 'rpy', '0 0 0'))


def _material(element: ElementTree.Element) -> tuple[str, tuple[float, ...]]:
    colour = element.find('color')
    rgba = GREY if colour is None else tuple(_numbers(colour, 'rgba', '0 0 0 1'))
    return element.get('name', ''), tuple(float(value) for value in rgba)


def _link(element: ElementTree.Element) -> Link:
    return Link(
        name=element.get('name', ''),
        visuals=tuple(_shape(row) for row in element.findall('visual')),
        collisions=tuple(_shape(row) for row in element.findall('collision')),
        inertia=_inertia(element.find('inertial')),
    )


def _shape(element: ElementTree.Element) -> Shape:
    geometry = element.find('geometry')
    found = None if geometry is None else next(iter(geometry), None)
    if found is None or found.tag not in ('box', 'cylinder', 'sphere'):
        raise refusal('geometry', 'must be a box, a cylinder or a sphere')
    keys = {'box': ('size',), 'cylinder': ('radius', 'length'), 'sphere': ('radius',)}[found.tag]
    material = element.find('material')
    return Shape(
        kind=found.tag,
        size=tuple(float(value) for key in keys for value in _numbers(found, key, '0')),
        origin=_origin(element),
        material='' if material is None else material.get('name', ''),
        name=element.get('name', ''),
    )


def _inertia(element: ElementTree.Element | None) -> Inertia | None:
    if element is None:
        return None
    rows = element.find('inertia')
    value = {
        key: float(_numbers(rows, key, '0')[0])
        for key in ('ixx', 'ixy', 'ixz', 'iyy', 'iyz', 'izz')
    }
    tensor = np.array(
        [
            [value['ixx'], value['ixy'], value['ixz']],
            [value['ixy'], value['iyy'], value['iyz']],
            [value['ixz'], value['iyz'], value['izz']],
        ]
    )
    origin = _origin(element)
    turned = origin[:3, :3]
    mass = float(_numbers(element.find('mass'), 'value', '0')[0])
    return Inertia(mass_kg=mass, centre=origin[:3, 3], tensor=turned @ tensor @ turned.T)


def _joint(element: ElementTree.Element) -> Joint:
    limit, mimic = element.find('limit'), element.find('mimic')
    dynamics = element.find('dynamics')
    ends = {tag: element.find(tag) for tag in ('parent', 'child')}
    bounds = {
        key: float(_numbers(limit, key, 'nan')[0])
        for key in ('lower', 'upper', 'velocity', 'effort', 'acceleration', 'jerk')
    }
    return Joint(
        name=element.get('name', ''),
        kind=element.get('type', ''),
        parent='' if ends['parent'] is None else ends['parent'].get('link', ''),
        child='' if ends['child'] is None else ends['child'].get('link', ''),
        origin=_origin(element),
        axis=_numbers(element.find('axis'), 'xyz', '1 0 0'),
        damping=float(_numbers(dynamics, 'damping', '0')[0]),
        friction=float(_numbers(dynamics, 'friction', '0')[0]),
        mimics='' if mimic is None else mimic.get('joint', ''),
        **bounds,
    )
