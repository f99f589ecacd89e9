"""`medicell launch`: what `ros2 launch medicell_bringup` does, where that is not installed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence

from medicell_bringup.launching.arguments import Argument, read_words, refused
from medicell_bringup.launching.plan import DESCRIPTIONS, launch_arguments, launch_plan
from medicell_bringup.launching.process import BAD_INPUT
from medicell_bringup.launching.supervisor import Supervisor
from medicell_core.errors import MedicellError
from medicell_ros.signals import end_by_signals

NAME = 'launch'
EXIT_OK = 0


def launch(description: str, words: Sequence[str], *, show_arguments: bool) -> int:
    """Start a description's processes and follow them to a signal; returns the exit code.

    0 after a signal, 1 when a node could not come up or did not end as it should, 2 for wrong
    input. Nothing is started for that.
    """
    if ':=' in description:
        description, words = 'cell', [description, *words]
    try:
        if description not in DESCRIPTIONS:
            raise refused(description, f'is not one of {", ".join(DESCRIPTIONS)}')
        arguments = launch_arguments(description)
        if show_arguments:
            sys.stdout.write(arguments_text(description, arguments))
            return EXIT_OK
        plan = launch_plan(description, read_words(words, arguments))
    except MedicellError as error:
        sys.stderr.write(f'medicell launch {description}: {error.message}\n')
        return BAD_INPUT
    lines = threading.Lock()

    def tell(name: str, line: str) -> None:
        with lines:
            try:
                # What a process says may have letters that the terminal has not.
                code = sys.stdout.encoding or 'utf-8'
                text = f'[{name}] {line}\n'.encode(code, 'backslashreplace').decode(code)
                sys.stdout.write(text)
                sys.stdout.flush()
            except OSError:
                # A reader such as `head` went away: the cell goes on, and nobody is told.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    for note in plan.notes:
        tell(NAME, note)
    supervisor = Supervisor(plan.processes, tell)
    end_by_signals(supervisor.ended)
    try:
        supervisor.start()
        supervisor.ended.wait()
        tell(NAME, 'ending every process')
    finally:
        supervisor.stop()
    tell(NAME, 'no process is left')
    return supervisor.code


def arguments_text(description: str, arguments: Sequence[Argument]) -> str:
    """Return what `--show-args` prints."""
    lines = [f'{description}: {DESCRIPTIONS[description].text}', 'Arguments, as name:=value']
    for item in arguments:
        choices = f' One of: {", ".join(item.choices)}.' if item.choices else ''
        lines += [
            '',
            f"    '{item.name}':",
            f'        {item.description}{choices}',
            f"        (default: '{item.default}')",
        ]
    return '\n'.join(lines) + '\n'
