"""The launch plan as actions of `ros2 launch`; only the launch files import this module."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, LogInfo, OpaqueFunction
from launch.events.process import ProcessExited
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from medicell_bringup.launching.arguments import Argument, refuse_unknown
from medicell_bringup.launching.plan import launch_arguments, launch_plan
from medicell_bringup.launching.process import (
    BAD_INPUT,
    END_S,
    RESPAWN_DELAY_S,
    TERM_S,
    Process,
)
from medicell_bringup.launching.supervisor import Restarts
from medicell_core.errors import ErrorCode, MedicellError

PREFIX, PREFIX_FILTER = 'launch-prefix', 'launch-prefix-filter'
LAUNCH_OWN = ('emulate_tty', PREFIX, PREFIX_FILTER)
"""Arguments that launch itself takes, beside those of a launch file."""


def describe(description: str) -> LaunchDescription:
    """Return a description of the plan: its arguments, and what starts its processes."""
    arguments = launch_arguments(description)
    declared = [
        DeclareLaunchArgument(
            item.name,
            default_value=item.default,
            description=item.description,
            choices=list(item.choices) or None,
        )
        for item in arguments
    ]

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        _refuse_unknown(description, context.argv, arguments)
        said = {item.name: context.launch_configurations[item.name] for item in arguments}
        plan = launch_plan(description, said)
        notes = [LogInfo(msg=note) for note in plan.notes]
        actions = [action_of(process, context) for process in plan.processes]
        return [*notes, *actions]

    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def action_of(process: Process, context: LaunchContext) -> LaunchDescriptionEntity:
    """Return the action that starts a process; one that fails for good ends the launch."""
    common = {
        'prefix': shlex.join(process.prefix) + ' ' + _asked_prefix(process, context),
        'output': 'screen',
        'on_exit': _judge(process),
        'sigterm_timeout': str(END_S),
        'sigkill_timeout': str(TERM_S),
    }
    if not process.namespace:
        command = [str(process.path()), *process.arguments]
        return ExecuteProcess(cmd=command, name=process.name, **common)
    # Without a name: launch would rename every node of the process by it.
    return Node(
        package=process.package,
        executable=process.executable,
        exec_name=process.name,
        namespace=process.namespace,
        parameters=[*(str(file) for file in process.parameter_files), _typed(process.parameters)],
        remappings=list(process.remappings),
        arguments=list(process.arguments),
        ros_arguments=['--log-level', process.log_level],
        respawn=process.respawn,
        respawn_delay=RESPAWN_DELAY_S,
        **common,
    )


def _asked_prefix(process: Process, context: LaunchContext) -> str:
    """Return what `launch-prefix` says, which launch passes over for a process that has one."""
    asked, which = (
        context.launch_configurations.get(name, '') for name in (PREFIX, PREFIX_FILTER)
    )
    return asked if re.match(which, process.executable) else ''


def _typed(parameters: Mapping[str, object]) -> dict[str, ParameterValue]:
    """Return parameters with their types, which launch would else guess from the text."""
    return {
        name: ParameterValue(value, value_type=type(value)) for name, value in parameters.items()
    }


def _judge(process: Process) -> Callable[[ProcessExited, LaunchContext], None]:
    """Return what ends the launch, with a failure, when a process has failed for good."""
    restarts = Restarts(process)
    begun_s = time.monotonic()

    def judge(event: ProcessExited, context: LaunchContext) -> None:
        nonlocal begun_s
        again = restarts.allow(event.returncode, time.monotonic() - begun_s)
        begun_s = time.monotonic()
        ends_launch = bool(process.namespace) or event.returncode == BAD_INPUT
        if context.is_shutdown or again or not ends_launch or process.optional:
            return
        # launch has no other way to a failure's exit code than an exception.
        raise MedicellError(
            ErrorCode.COMMUNICATION_LOST,
            f'{process.name} has ended with code {event.returncode}, which ends the launch',
        )

    return judge


def _refuse_unknown(description: str, words: list[str], arguments: list[Argument]) -> None:
    """Refuse arguments that launch would pass over, where they were meant for this file."""
    named = {Path(word).name for word in sys.argv}
    if f'{description}.launch.py' not in named:
        return
    said = dict(word.split(':=', maxsplit=1) for word in words if ':=' in word)
    refuse_unknown(said, [*LAUNCH_OWN, *(item.name for item in arguments)])
