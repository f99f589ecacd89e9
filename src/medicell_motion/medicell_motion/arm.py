"""A six-axis arm with a spherical wrist: its data, forward and inverse kinematics, Jacobian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

JOINTS = 6
BRANCHES = 8
JOINT_NAMES = ('joint_1', 'joint_2', 'joint_3', 'joint_4', 'joint_5', 'joint_6')
_SINGULAR_SINE = 1e-9
_LIMIT_TOLERANCE_RAD = 1e-9
_REACH_TOLERANCE = 1e-12
_TURN = 2.0 * np.pi


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Lengths in metres, limits per joint; at zero every link points straight up.

    Axes at zero: 1 up, 2 and 3 along y (positive leans forward), 4 along the forearm, 5 along
    y, 6 along the tool. Axes 4 to 6 meet in the wrist's centre. The tip is the centre of the
    gripped container; its frame has z along the tool.
    """

    shoulder_height_m: float
    upper_arm_m: float
    forearm_m: float
    wrist_to_flange_m: float
    tool_length_m: float
    lower_limit_rad: tuple[float, ...]
    upper_limit_rad: tuple[float, ...]
    max_velocity_rad_s: tuple[float, ...]
    max_acceleration_rad_s2: tuple[float, ...]
    max_jerk_rad_s3: tuple[float, ...]
    max_effort_nm: tuple[float, ...]

    @property
    def wrist_to_tip_m(self) -> float:
        """Distance from the wrist's centre to the tip."""
        return self.wrist_to_flange_m + self.tool_length_m

    @property
    def reach_m(self) -> float:
        """Greatest distance from the shoulder to the tip."""
        return self.upper_arm_m + self.forearm_m + self.wrist_to_tip_m

    def within_limits(self, positions_rad: Array) -> npt.NDArray[np.bool_]:
        """Say for each posture, shape (..., 6), whether it is finite and within limits."""
        low = np.asarray(self.lower_limit_rad) - _LIMIT_TOLERANCE_RAD
        high = np.asarray(self.upper_limit_rad) + _LIMIT_TOLERANCE_RAD
        inside = (positions_rad >= low) & (positions_rad <= high)
        return np.asarray(inside.all(axis=-1), dtype=np.bool_)

    def skeleton(self, positions_rad: Array) -> Array:
        """Return shoulder, elbow, wrist's centre, flange and tip in metres, (..., 5, 3)."""
        q = np.asarray(positions_rad, dtype=np.float64)
        first = _about_z(q[..., 0])
        upper = first @ _about_y(q[..., 1])
        lower = first @ _about_y(q[..., 1] + q[..., 2])
        tool = self.rotation(q)
        shoulder = np.broadcast_to([0.0, 0.0, self.shoulder_height_m], (*q.shape[:-1], 3))
        elbow = shoulder + self.upper_arm_m * upper[..., :, 2]
        wrist = elbow + self.forearm_m * lower[..., :, 2]
        flange = wrist + self.wrist_to_flange_m * tool[..., :, 2]
        tip = flange + self.tool_length_m * tool[..., :, 2]
        return np.stack([shoulder, elbow, wrist, flange, tip], axis=-2)

    def rotation(self, positions_rad: Array) -> Array:
        """Return the tip's orientation as matrices, (..., 3, 3)."""
        q = np.asarray(positions_rad, dtype=np.float64)
        forearm = _about_z(q[..., 0]) @ _about_y(q[..., 1] + q[..., 2])
        return forearm @ _about_z(q[..., 3]) @ _about_y(q[..., 4]) @ _about_z(q[..., 5])

    def forward(self, positions_rad: Array) -> Array:
        """Return the tip's pose as homogeneous matrices, (..., 4, 4)."""
        q = np.asarray(positions_rad, dtype=np.float64)
        pose = np.zeros((*q.shape[:-1], 4, 4))
        pose[..., :3, :3] = self.rotation(q)
        pose[..., :3, 3] = self.skeleton(q)[..., 4, :]
        pose[..., 3, 3] = 1.0
        return pose

    def branch(self, poses: Array, number: int) -> Array:
        """Return one of the eight closed-form postures of each pose, (n, 6), before limits.

        Bit 2 of the number is shoulder turned back, bit 1 elbow down, bit 0 wrist flipped.
        Angles lie within -pi to pi; NaN where the wrist's centre cannot be reached.
        """
        wrist = poses[:, :3, 3] - self.wrist_to_tip_m * poses[:, :3, 2]
        position = self._position_part(wrist, back=bool(number & 4), down=bool(number & 2))
        orientation = _wrist_part(position, poses[:, :3, :3], flip=bool(number & 1))
        return _wrapped(np.column_stack([position, orientation]))

    def branches(self, poses: Array) -> Array:
        """Return all eight postures of each pose, (n, 8, 6), before limits."""
        return np.stack([self.branch(poses, number) for number in range(BRANCHES)], axis=1)

    def inverse(self, pose: Array, *, near: Array | None = None) -> Array:
        """Return all postures of a pose within limits, best first, (k, 6); k may be 0.

        Best is a low sum of squared closeness to the limits (0 in the middle, 1 at a limit)
        and squared distance in radians to `near`, when given. Full turns are used where a
        joint's range allows them.
        """
        low, high = np.asarray(self.lower_limit_rad), np.asarray(self.upper_limit_rad)
        candidates = self.branches(np.asarray(pose, dtype=np.float64)[None])[0]
        goal = (low + high) / 2.0 if near is None else np.asarray(near, dtype=np.float64)
        candidates = np.unique(self._nearest_turns(candidates, goal).round(12), axis=0)
        candidates = candidates[self.within_limits(candidates)]
        cost = (((candidates - (low + high) / 2.0) / ((high - low) / 2.0)) ** 2).sum(axis=1)
        if near is not None:
            cost = cost + ((candidates - goal) ** 2).sum(axis=1)
        return np.asarray(candidates[np.argsort(cost, kind='stable')])

    def postures(self, pose: Array) -> Array:
        """Return every posture of a pose within limits, all full turns among them, (k, 6)."""
        found = self.branches(np.asarray(pose, dtype=np.float64)[None])[0]
        found = found[np.isfinite(found).all(axis=1)]
        for joint in range(JOINTS):
            turns = 2.0 * np.pi * np.eye(JOINTS)[joint]
            found = np.concatenate([found, found - turns, found + turns])
            low, high = self.lower_limit_rad[joint], self.upper_limit_rad[joint]
            inside = np.abs(found[:, joint] - (low + high) / 2.0) <= (high - low) / 2.0
            found = found[inside]
        return np.unique(found.round(12), axis=0)

    def jacobian(self, positions_rad: Array) -> Array:
        """Return the tip's geometric Jacobian of one posture, (6, 6): linear, then angular."""
        q = np.asarray(positions_rad, dtype=np.float64)
        shoulder, elbow, wrist, _, tip = self.skeleton(q)
        first = _about_z(q[0])
        forearm = first @ _about_y(q[1] + q[2])
        bend = forearm @ _about_z(q[3])
        axes = (
            (np.array([0.0, 0.0, 1.0]), shoulder),
            (first[:, 1], shoulder),
            (first[:, 1], elbow),
            (forearm[:, 2], wrist),
            (bend[:, 1], wrist),
            (self.rotation(q)[:, 2], wrist),
        )
        columns = [np.concatenate([np.cross(axis, tip - at), axis]) for axis, at in axes]
        return np.column_stack(columns)

    def _position_part(self, wrist: Array, *, back: bool, down: bool) -> Array:
        """Return joints 1 to 3 that bring the wrist's centre there, (n, 3)."""
        away = np.hypot(wrist[:, 0], wrist[:, 1]) * (-1.0 if back else 1.0)
        turn = np.arctan2(wrist[:, 1], wrist[:, 0]) + (np.pi if back else 0.0)
        up = wrist[:, 2] - self.shoulder_height_m
        both = 2.0 * self.upper_arm_m * self.forearm_m
        cosine = (away**2 + up**2 - self.upper_arm_m**2 - self.forearm_m**2) / both
        cosine = np.where(np.abs(cosine) <= 1.0 + _REACH_TOLERANCE, cosine, np.nan)
        elbow = np.arccos(np.clip(cosine, -1.0, 1.0)) * (-1.0 if down else 1.0)
        lean = np.arctan2(
            self.forearm_m * np.sin(elbow), self.upper_arm_m + self.forearm_m * np.cos(elbow)
        )
        return np.column_stack([turn, np.arctan2(away, up) - lean, elbow])

    def _nearest_turns(self, candidates: Array, goal: Array) -> Array:
        """Shift each joint by the full turn that is nearest to the goal within its range."""
        shifts = 2.0 * np.pi * np.array([0.0, -1.0, 1.0])[:, None, None]
        turned = candidates[None] + shifts
        low = np.asarray(self.lower_limit_rad) - _LIMIT_TOLERANCE_RAD
        high = np.asarray(self.upper_limit_rad) + _LIMIT_TOLERANCE_RAD
        distance = np.abs(turned - goal)
        distance = np.where((turned >= low) & (turned <= high), distance, np.inf)
        best = np.argmin(distance, axis=0)
        return np.asarray(np.take_along_axis(turned, best[None], axis=0)[0])


def full_turns(arm: Arm, path: Array) -> Array:
    """Return the full turns per joint that bring the middle of a path next to its limits'."""
    low, high = np.asarray(arm.lower_limit_rad), np.asarray(arm.upper_limit_rad)
    middle = (path.min(axis=0) + path.max(axis=0)) / 2.0
    return np.asarray(np.round(((low + high) / 2.0 - middle) / _TURN) * _TURN)


def turned(difference: Array) -> Array:
    """Return per row the greatest difference of angles, full turns aside; infinite for NaN."""
    rest = np.abs((difference + np.pi) % _TURN - np.pi).max(axis=1)
    return np.asarray(np.where(np.isfinite(rest), rest, np.inf))


def branch_of(arm: Arm, posture: Array) -> int:
    """Return the number of the branch that a posture is in."""
    branches = arm.branches(arm.forward(posture)[None])[0]
    return int(np.argmin(turned(branches - posture)))


def _wrist_part(position: Array, rotation: Array, *, flip: bool) -> Array:
    """Return joints 4 to 6 that turn the tool as wanted, (n, 3)."""
    forearm = _about_z(position[:, 0]) @ _about_y(position[:, 1] + position[:, 2])
    rest = np.swapaxes(forearm, -1, -2) @ rotation
    sine = np.hypot(rest[:, 0, 2], rest[:, 1, 2])
    singular = sine < _SINGULAR_SINE
    bend = np.arctan2(sine, rest[:, 2, 2])
    roll = np.where(singular, 0.0, np.arctan2(rest[:, 1, 2], rest[:, 0, 2]))
    # With the tool along the forearm only the sum of axes 4 and 6 counts: axis 4 stays at zero.
    straight = np.arctan2(rest[:, 1, 0], rest[:, 1, 1])
    twist = np.where(singular, straight, np.arctan2(rest[:, 2, 1], -rest[:, 2, 0]))
    if not flip:
        return np.column_stack([roll, bend, twist])
    return np.column_stack([roll + np.pi, -bend, twist + np.pi])


def _wrapped(angles: Array) -> Array:
    """Bring angles into -pi to pi."""
    return np.asarray((angles + np.pi) % (2.0 * np.pi) - np.pi)


def _about_z(angle: npt.ArrayLike) -> Array:
    """Return rotation matrices about z, (..., 3, 3)."""
    sine, cosine = np.sin(angle), np.cos(angle)
    nought, one = np.zeros_like(sine), np.ones_like(sine)
    rows = [[cosine, -sine, nought], [sine, cosine, nought], [nought, nought, one]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _about_y(angle: npt.ArrayLike) -> Array:
    """Return rotation matrices about y, (..., 3, 3)."""
    sine, cosine = np.sin(angle), np.cos(angle)
    nought, one = np.zeros_like(sine), np.ones_like(sine)
    rows = [[cosine, nought, sine], [nought, one, nought], [-sine, nought, cosine]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
