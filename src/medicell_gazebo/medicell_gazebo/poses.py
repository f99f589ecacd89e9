"""Poses as Gazebo tells them, and the arm's skeleton out of those of its links."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from medicell_devices.arm.port import Array
from medicell_gazebo.world import ARM
from medicell_motion.arm import JOINT_NAMES, Arm
from medicell_motion.description import Description

_CARRIERS = (0, 1, 3, 5, 5)
"""The link, counted from 0, that shoulder, elbow, wrist's centre, flange and tip are fixed to."""


def turns_of(poses: Array) -> Array:
    """Return the rotation matrices (..., 3, 3) of poses (..., 7)."""
    w, x, y, z = np.moveaxis(poses[..., 3:], -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def tilts_of(poses: Array) -> Array:
    """Return how far the z axes of poses (..., 7) lean from the vertical, in rad."""
    upright = 1.0 - 2.0 * (poses[..., 4] ** 2 + poses[..., 5] ** 2)
    return np.asarray(np.arccos(np.clip(upright, -1.0, 1.0)))


class Skeleton:
    """The points of the arm that its capsules go between, by where its links are measured.

    Only where a point lies in its link comes from the model; angles and lengths between links
    are as the physics has them.
    """

    def __init__(self, arm: Arm, description: Description, posture: Mapping[str, float]) -> None:
        poses = description.poses(posture)
        joints = np.array([posture[name] for name in JOINT_NAMES])
        self._base = np.linalg.inv(poses[f'{ARM}_base_link'])
        points = arm.skeleton(joints) @ poses[f'{ARM}_base_link'][:3, :3].T
        points = points + poses[f'{ARM}_base_link'][:3, 3]
        links = [poses[f'{ARM}_link_{number + 1}'] for number in range(len(JOINT_NAMES))]
        self._offsets = np.array(
            [
                links[carrier][:3, :3].T @ (point - links[carrier][:3, 3])
                for carrier, point in zip(_CARRIERS, points, strict=True)
            ]
        )
        turn = poses[f'{ARM}_base_link'][:3, :3] @ arm.rotation(joints)
        self._tool = links[-1][:3, :3].T @ turn

    def of(self, links: Array) -> tuple[Array, Array]:
        """Return points (n, 5, 3) and the tool's rotation (n, 3, 3) in the arm's base frame."""
        turns = turns_of(links)
        carriers = list(_CARRIERS)
        points = links[:, carriers, :3] + np.einsum(
            'nkij,kj->nki', turns[:, carriers], self._offsets
        )
        return self.in_base(points), np.asarray(self._base[:3, :3] @ turns[:, -1] @ self._tool)

    def in_base(self, points: Array) -> Array:
        """Return points of the room (..., 3) in the arm's base frame."""
        return np.asarray(points @ self._base[:3, :3].T + self._base[:3, 3])
