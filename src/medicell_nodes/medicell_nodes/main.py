"""The executables: one node per process, from the command line to a clean end."""

from __future__ import annotations

from medicell_ros import startup


def fluid_handler() -> int:
    """Run the fluid handler's node."""
    return _device('fluid_handler')


def incubator() -> int:
    """Run the incubator's node."""
    return _device('incubator')


def imaging() -> int:
    """Run the imager's node."""
    return _device('imaging')


def fill_robot() -> int:
    """Run the sterile-fill robot's node."""
    return _device('fill_robot')


def particle_counter() -> int:
    """Run the particle counter's node."""
    return _device('particle_counter')


def laboratory() -> int:
    """Run the laboratory's node."""
    return _device('laboratory')


# A process imports what its own node needs, and only after `startup.begin`.


def world() -> int:
    """Run the simulated world's node."""
    startup.begin()
    from medicell_nodes.making import make_world  # noqa: PLC0415
    from medicell_ros.executable import run_node  # noqa: PLC0415

    return run_node('world', make_world)


def scene() -> int:
    """Run the node that shows the cell to viewers such as RViz."""
    startup.begin()
    from medicell_nodes.making import make_scene  # noqa: PLC0415
    from medicell_ros.executable import run_node  # noqa: PLC0415

    return run_node('scene', make_scene)


def gazebo() -> int:
    """Run the node that has Gazebo move the fill robot."""
    startup.begin()
    from medicell_nodes.making import make_gazebo  # noqa: PLC0415
    from medicell_ros.executable import run_node  # noqa: PLC0415

    return run_node('gazebo', make_gazebo)


def _device(role: str) -> int:
    startup.begin()
    from medicell_nodes.making import device_maker  # noqa: PLC0415
    from medicell_ros.executable import run_node  # noqa: PLC0415

    return run_node(role, device_maker(role))
