"""What can be set of the fill robot's arm: its supervision, its gripper, its simulated drives."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
PerJoint = tuple[Positive, Positive, Positive, Positive, Positive, Positive]


class ArmSettings(BaseModel):
    """Tolerances of the supervision, the gripper's limits, and how the built-in drives err."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    path_tolerance_rad: PerJoint = (0.05,) * 6
    """How far a joint may be from its command while it moves; above the drives' lag."""
    goal_tolerance_rad: PerJoint = (0.002,) * 6
    """How far a joint may be from the end of its path: 1.4 mm at 0.7 m of reach."""
    settle_s: Positive = 1.0
    """In which time after the end of a path the joints must be there."""
    dwell_s: NotNegative = 0.1
    """For which the arm stands at the end of a path before anything else: above what its drives
    take to settle and its joint states to come, so that the plan says when it goes on."""
    joint_state_late_s: Positive = 0.3
    """Age of the newest joint state at which the arm is stopped."""
    joint_state_lost_s: Positive = 1.5
    """Age of the newest joint state at which the stream counts as lost."""
    stall_window_s: Positive = 0.3
    """Time in which a joint that stands is told from one that lags."""
    supervision_period_s: Positive = 0.1
    """How often joint states are looked at; each of them is checked."""
    stopping_limit_s: Positive = 0.8
    """How long the arm may take to stand after a protective stop."""
    open_m: Positive = 0.004
    """Opening of a finger from which on the gripper is open; the model's opens by 0.006 m."""
    least_grip_n: Positive = 5.0
    """Force below which closed fingers hold nothing."""
    opening_s: NotNegative = 0.2
    """For which the fingers are given to open before the hand goes off: above what they take."""
    joint_state_period_s: Positive = 0.02
    """Of the built-in drives, as of the other figures below; all of them are assumed."""
    lag_s: NotNegative = 0.004
    error_rad: NotNegative = 2e-4
    error_seed: Annotated[int, Field(ge=0)] = 1
    grip_n: Positive = 15.0
