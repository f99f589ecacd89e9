"""Quality of service, one profile per kind of topic."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def latched() -> QoSProfile:
    """Return the profile of state: reliable, and a late subscriber hears the last message."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def telemetry() -> QoSProfile:
    """Return the profile of readings: reliable, since a record of them has no gaps."""
    return _volatile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


def events() -> QoSProfile:
    """Return the profile of demands such as `stop`: reliable and never dropped for a newer one."""
    return _volatile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


def images() -> QoSProfile:
    """Return the profile of pictures: the newest counts, a slow subscriber may miss some."""
    return _volatile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def clock() -> QoSProfile:
    """Return the profile of /clock, as ROS time sources subscribe it."""
    return _volatile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def _volatile(*, depth: int, reliability: ReliabilityPolicy) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=DurabilityPolicy.VOLATILE,
    )
