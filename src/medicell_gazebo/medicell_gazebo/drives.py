"""The drives of the model's joints: gains by inertia, and the efforts that a motion takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pinocchio as pin

from medicell_devices.arm.port import Array
from medicell_motion.description import Description, Joint

BANDWIDTH_RAD_S = 80.0
"""Of every position loop: 12 Hz, as drives of this class have (assumed)."""
DAMPING = 1.0
INTEGRAL_PER_S = 10.0
"""Of the proportional gain: what remains of an error halves in some 70 ms."""
STICTION_RATE = 0.02
"""Of a joint, rad/s or m/s, at which most of its friction acts in the feed-forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A joint's controller: gains in N m or N per rad or m; `hold` is its effort at rest."""

    joint: str
    p: float
    i: float
    d: float
    limit: float
    hold: float


class Dynamics:
    """Inertias and efforts of the whole cell's joints by Pinocchio, from the URDF alone."""

    def __init__(self, urdf: str, description: Description, posture: Mapping[str, float]) -> None:
        self._model = pin.buildModelFromXML(urdf)
        self._data = self._model.createData()
        self._joints = description.joints
        self._rest = pin.neutral(self._model)
        for name, value in posture.items():
            self._place(self._rest, name, value)

    def drives(self) -> tuple[Drive, ...]:
        """Return the drive of every joint that moves, in the order of the model."""
        inertia = np.diag(pin.crba(self._model, self._data, self._rest))
        hold = pin.computeGeneralizedGravity(self._model, self._data, self._rest)
        found = []
        for name in self._model.names[1:]:
            row, joint = self._row(name), self._joints[name]
            p = float(inertia[row]) * BANDWIDTH_RAD_S**2 + joint.damping * BANDWIDTH_RAD_S
            found.append(
                Drive(
                    joint=name,
                    p=p,
                    i=INTEGRAL_PER_S * p,
                    d=2.0 * DAMPING * float(inertia[row]) * BANDWIDTH_RAD_S,
                    limit=joint.effort,
                    hold=float(hold[row]),
                )
            )
        return tuple(found)

    def efforts(
        self, names: tuple[str, ...], times_s: Array, positions: Array, velocities: Array
    ) -> Array:
        """Return the efforts of some joints along their motion, (n, joints); the others stand."""
        accelerations = np.zeros_like(velocities)
        if len(times_s) > 1:
            accelerations = np.gradient(velocities, times_s, axis=0)
        rows = [self._row(name) for name in names]
        joints = [self._joints[name] for name in names]
        found = np.zeros_like(positions)
        for index in range(len(times_s)):
            posture = self._rest.copy()
            speed, gain = np.zeros(self._model.nv), np.zeros(self._model.nv)
            for name, value in zip(names, positions[index], strict=True):
                self._place(posture, name, float(value))
            speed[rows], gain[rows] = velocities[index], accelerations[index]
            whole = pin.rnea(self._model, self._data, posture, speed, gain)
            found[index] = whole[rows] + _losses(joints, velocities[index])
        return found

    def _row(self, name: str) -> int:
        return int(self._model.joints[self._model.getJointId(name)].idx_v)

    def _place(self, posture: Array, name: str, value: float) -> None:
        """Set a joint of a posture; a continuous one is kept as cosine and sine."""
        joint = self._model.joints[self._model.getJointId(name)]
        if joint.nq == 1:
            posture[joint.idx_q] = value
        else:
            posture[joint.idx_q : joint.idx_q + 2] = np.cos(value), np.sin(value)


def _losses(joints: list[Joint], velocities: Array) -> Array:
    """Return what damping and friction of joints take at their velocities."""
    damping = np.array([joint.damping for joint in joints])
    friction = np.array([joint.friction for joint in joints])
    return np.asarray(damping * velocities + friction * np.tanh(velocities / STICTION_RATE))
