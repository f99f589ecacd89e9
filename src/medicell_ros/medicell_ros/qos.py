"""Quality of service, one profile per kind of topic."""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

LEASE_S = 1.5
"""Wall seconds of silence after which a node counts as out of contact.

DDS repeats each process's sign of life every two thirds of it, by a thread that Python does not
hold up. An alarm within 2 s leaves half a second for a busy machine on either side.
"""


def latched() -> QoSProfile:
    """Return the profile of state: reliable, and a late subscriber hears the last message."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def living() -> QoSProfile:
    """Return the profile of a device's state: latched, and its silence is noticed in LEASE_S.

    Who subscribes it so hears by an event that the process is gone, stopped, or cut off.
    """
    profile = latched()
    profile.liveliness = LivelinessPolicy.AUTOMATIC
    profile.liveliness_lease_duration = Duration(seconds=LEASE_S)
    return profile


def telemetry() -> QoSProfile:
    """Return the profile of readings: reliable, since a record of them has no gaps."""
    return _volatile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


def events() -> QoSProfile:
    """Return the profile of demands such as `stop`: reliable and never dropped for a newer one."""
    return _volatile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


def calls() -> QoSProfile:
    """Return the profile of a service that many ask often.

    All of its answers go through one writer, and every client hears those of the others. With
    the ten that ROS keeps for a service, a client that was not scheduled for a moment loses
    its own answer to them.
    """
    return _volatile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)


def images() -> QoSProfile:
    """Return the profile of pictures: the newest counts, a slow subscriber may miss some."""
    return _volatile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def clock() -> QoSProfile:
    """Return the profile of a cell's `clock`, as ROS time sources subscribe it."""
    return _volatile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def _volatile(*, depth: int, reliability: ReliabilityPolicy) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=DurabilityPolicy.VOLATILE,
    )
