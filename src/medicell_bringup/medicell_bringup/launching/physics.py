"""Which physics moves the fill robot of a launch, and the processes of Gazebo Harmonic."""

from __future__ import annotations

from pathlib import Path

from medicell_bringup.launching.arguments import (
    BUILTIN,
    EITHER,
    GAZEBO_11,
    HARMONIC,
    LaunchValues,
    refused,
)
from medicell_bringup.launching.process import INTO_NAMESPACE, Process, Value, installed
from medicell_bringup.shipped import share

# Gazebo's world needs the model and its dynamics: half of a launch's start, for this alone.

HARMONIC_PACKAGES = ('ros_gz_sim', 'ros_gz_bridge')
"""The packages of ROS 2 Jazzy that bring Gazebo Harmonic and speak with it."""
IN_STEP_PACE = 2.0
"""Of an arm in step with the cell's clock: what it is told needs some wall time to arrive."""
BRIDGE_FILE = 'ros_gz_bridge.yaml'
"""The table of topics between ROS and Gazebo Harmonic, in `config`."""


def chosen(simulator: str) -> str:
    """Return the simulator of an argument: of the two Gazebos Harmonic where it is installed."""
    if simulator != EITHER:
        return simulator
    return HARMONIC if all(map(installed, HARMONIC_PACKAGES)) else GAZEBO_11


def check_physics(simulator: str, *, headless: bool, world: Path | None) -> None:
    """Raise InputError for what a simulator has not: a window, a world, itself."""
    if not headless and simulator != HARMONIC:
        raise refused('headless', f'must be true: {simulator} has no window; rviz:=true has one')
    if simulator == BUILTIN:
        if world is not None:
            raise refused('world', 'is of no use: the built-in simulation has no world of Gazebo')
        return
    if simulator == HARMONIC:
        for package in HARMONIC_PACKAGES:
            if not installed(package):
                raise refused(
                    'simulator', f'harmonic needs the package {package!r} of ROS 2 Jazzy'
                )
    else:
        from medicell_nodes.gazebo_making import prepared_gazebo  # noqa: PLC0415

        prepared_gazebo()
    if world is not None:
        from medicell_gazebo.sdf import Release  # noqa: PLC0415
        from medicell_gazebo.world_file import check_world  # noqa: PLC0415

        check_world(world, Release(simulator))


def harmonic_processes(
    values: LaunchValues, namespace: str, *, nest_positions: int
) -> list[Process]:
    """Return Gazebo Harmonic's server, its bridge to ROS, and its window if it is asked for."""
    from medicell_gazebo.harmonic import harmonic_world  # noqa: PLC0415

    server: dict[str, Value] = (
        {'world_sdf_string': harmonic_world(nest_positions)}
        if values.world is None
        else {'world_sdf_file': str(values.world)}
    )
    table = str(share() / 'config' / BRIDGE_FILE)
    found = [
        _foreign(values, namespace, 'ros_gz_sim', 'gzserver', server),
        _foreign(values, namespace, 'ros_gz_bridge', 'parameter_bridge', {'config_file': table}),
    ]
    if not values.headless:
        window = Process(
            name='gazebo_window',
            package='',
            executable='gz',
            arguments=('sim', '-g'),
            optional=True,
        )
        found.append(window)
    return found


def _foreign(
    values: LaunchValues,
    namespace: str,
    package: str,
    executable: str,
    parameters: dict[str, Value],
) -> Process:
    return Process(
        name=executable,
        package=package,
        executable=executable,
        namespace=namespace,
        parameters={**parameters, 'use_sim_time': values.use_sim_time},
        remappings=INTO_NAMESPACE,
        log_level=values.log_level,
        respawn=values.respawn,
    )
