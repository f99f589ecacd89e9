"""The built-in arm: drives that follow their trajectory on the cell's clock, with small errors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medicell_devices.arm.port import (
    GRIPPER_OPEN_M,
    ArmTrajectory,
    Array,
    GripperState,
    JointSamples,
)
from medicell_devices.arm.settings import ArmSettings
from medicell_devices.simulated.ailing import Ailing
from medicell_sim.port import ArmView

_FREQUENCIES_HZ = (0.31, 0.83, 1.9)
"""Of the drives' error: slow against the samples, and no multiples of each other (assumed)."""
_REST_S = 1.0
"""So long after its trajectory an arm stands, and one joint state tells of any time since."""
_KEPT_S = 5.0
_NEVER_S = np.inf
_FINGER_M_S = 0.05
"""How fast a finger goes, as those of the model may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveModel:
    """How drives err: a first-order lag, and a slow error of this amplitude; 0 for neither.

    `sample_s` is the period of the joint states, `grip_force_n` the gripper's force.
    """

    lag_s: float
    error_rad: float
    seed: int
    sample_s: float
    grip_force_n: float

    @classmethod
    def of(cls, settings: ArmSettings) -> DriveModel:
        """Return the drives that are set."""
        return cls(
            lag_s=settings.lag_s,
            error_rad=settings.error_rad,
            seed=settings.error_seed,
            sample_s=settings.joint_state_period_s,
            grip_force_n=settings.grip_n,
        )


class BuiltinArm:
    """Follows trajectories by computation; nothing moves between two looks, all is made up then.

    `ails` tells what is wrong with the drives, asked at each start and while a joint stands or
    the stream of joint states is broken; `holds` whether there is something between the fingers.
    Whoever frees a joint is taken to bring it by hand to where it was told to be.
    """

    def __init__(
        self,
        now_s: Callable[[], float],
        *,
        home: Array,
        model: DriveModel,
        ails: Callable[[], ArmView],
        holds: Callable[[], bool],
    ) -> None:
        self._now_s = now_s
        self._model = model
        self._ailing = Ailing(ails)
        self._holds = holds
        self._lock = threading.Lock()
        rng = np.random.default_rng(model.seed)
        joints = len(home)
        self._phases = rng.uniform(0.0, 2.0 * np.pi, (len(_FREQUENCIES_HZ), joints))
        self._told = ArmTrajectory(
            start_s=-_NEVER_S,
            times_s=np.zeros(1),
            positions_rad=np.array(home)[None],
            velocities_rad_s=np.zeros((1, joints)),
        )
        self._at_s: float | None = None
        self._posture = np.array(home, dtype=np.float64)
        self._times: list[float] = []
        self._rows: list[Array] = []
        self._closed = False
        self._opening_m = GRIPPER_OPEN_M
        self._gripped_s = -_NEVER_S

    @property
    def pace(self) -> float:
        """No limit: it moves on the cell's clock."""
        return np.inf

    def start(self, trajectory: ArmTrajectory) -> None:
        """Follow a trajectory from now on, in place of the one before."""
        with self._lock:
            self._advance(self._now_s())
            self._ailing.started(trajectory)
            self._told = trajectory

    def stop(self) -> None:
        """Stand where the joints are."""
        with self._lock:
            now_s = self._now_s()
            self._advance(now_s)
            self._told = ArmTrajectory(
                start_s=now_s,
                times_s=np.zeros(1),
                positions_rad=self._posture[None].copy(),
                velocities_rad_s=np.zeros((1, len(self._posture))),
            )

    def samples(self, since_s: float) -> JointSamples:
        """Return the joint states with stamps after a time that have arrived, newest last."""
        with self._lock:
            self._ailing.look()
            now_s = self._now_s()
            self._advance(now_s)
            times = np.array(self._times)
            came = (times > since_s) & (times <= self._ailing.arrived_until(now_s))
            rows = np.array(self._rows)[came] if came.any() else np.zeros((0, len(self._posture)))
            return JointSamples(times_s=times[came], positions_rad=rows)

    def grip(self, *, closed: bool) -> None:
        """Close the fingers with the gripper's force, or open them."""
        with self._lock:
            now_s = self._now_s()
            self._opening_m, self._gripped_s = self._opened_m(now_s), now_s
            self._closed = closed

    def gripper(self) -> GripperState:
        """Return the newest state of the gripper: its force is there once the fingers are."""
        with self._lock:
            opening_m = self._opened_m(self._now_s())
            closed = self._closed and opening_m <= 0.0
        force_n = self._model.grip_force_n if closed and self._holds() else 0.0
        return GripperState(opening_m=opening_m, force_n=force_n)

    def collision(self) -> str:
        """Return nothing: without bodies nothing touches."""
        return ''

    def _opened_m(self, now_s: float) -> float:
        """Return how far a finger is open: each goes steadily to where it was told; lock held."""
        way_m = _FINGER_M_S * (now_s - self._gripped_s)
        if self._closed:
            return max(0.0, self._opening_m - way_m)
        return min(GRIPPER_OPEN_M, self._opening_m + way_m)

    def _advance(self, now_s: float) -> None:
        """Make up the joint states since the last time; lock held."""
        last_s = self._at_s
        if last_s is not None and now_s <= last_s:
            return
        if last_s is None or last_s > self._told.end_s + _REST_S:
            stamps = np.array([now_s])
        else:
            count = int((now_s - last_s) / self._model.sample_s)
            stamps = last_s + self._model.sample_s * np.arange(1, count + 1)
            stamps = stamps[stamps < now_s - self._model.sample_s / 2.0]
            rest_s = self._told.end_s + _REST_S
            stamps = np.append(stamps[stamps <= rest_s], now_s)
        before = self._told.at(np.array([now_s if last_s is None else last_s]))[0]
        wanted = self._told.at(stamps)
        errors = self._errors(stamps)
        at_s = stamps[0] - self._model.sample_s if last_s is None else last_s
        for stamp, row, error in zip(stamps, wanted, errors, strict=True):
            self._posture = self._followed(before, row, stamp - at_s, float(stamp))
            before, at_s = row, stamp
            self._times.append(float(stamp))
            self._rows.append(self._posture + error)
        self._at_s = now_s
        old = int(np.searchsorted(self._times, now_s - _KEPT_S))
        if 0 < old < len(self._times):
            del self._times[:old], self._rows[:old]

    def _followed(self, before: Array, wanted: Array, step_s: float, stamp_s: float) -> Array:
        """Return the joints after a step: a first-order lag behind a command that is linear."""
        lag_s = self._model.lag_s
        behind = lag_s * (wanted - before) / step_s
        fade = np.exp(-step_s / lag_s) if lag_s > 0.0 else 0.0
        posture = wanted - behind + (self._posture - before + behind) * fade
        stalled = self._ailing.stalled_joint
        if stalled and stamp_s >= self._ailing.from_s:
            posture[stalled - 1] = self._posture[stalled - 1]
        return np.asarray(posture)

    def _errors(self, stamps: Array) -> Array:
        """Return the drives' errors at stamps, (n, joints): the same whoever looks when."""
        turns = 2.0 * np.pi * np.outer(stamps, _FREQUENCIES_HZ)[:, :, None]
        waves = np.sin(turns + self._phases).sum(axis=1) / len(_FREQUENCIES_HZ)
        return np.asarray(self._model.error_rad * waves)
