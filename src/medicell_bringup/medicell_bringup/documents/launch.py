"""The page of the launch descriptions and their arguments."""

from __future__ import annotations

from medicell_bringup.documents.markdown import code, page, section, table

INTRODUCTION = (
    '`ros2 launch medicell_bringup NAME.launch.py ARGUMENT:=VALUE ...` and '
    '`./medicell launch NAME ARGUMENT:=VALUE ...` take the same arguments and start the same '
    'processes. A value out of its choices and an unknown argument are refused before anything '
    'starts. [Start the cell](../how_to/start_the_cell.md) shows how.'
)
DRIVERS = '`configured`, `simulated`, or a driver that an installed package brings'


def launch_page() -> str:
    """Return the page of the launch descriptions."""
    from medicell_bringup.launching.arguments import Argument  # noqa: PLC0415
    from medicell_bringup.launching.plan import (  # noqa: PLC0415
        DESCRIPTIONS,
        launch_arguments,
    )
    from medicell_bringup.shipped import shipped_config  # noqa: PLC0415

    def takes(item: Argument) -> str:
        if item.name == 'driver':
            # Which other drivers are installed here is no part of the reference.
            return DRIVERS
        return ', '.join(map(code, item.choices)) or 'text'

    def rows(name: str) -> list[tuple[str, ...]]:
        return [
            (
                code(item.name),
                takes(item),
                code(item.default.replace(str(shipped_config()), 'config'))
                if item.default
                else 'none',
                item.description,
            )
            for item in launch_arguments(name)
        ]

    heads = ('argument', 'takes', 'default', 'meaning')
    return page(
        'Launch arguments',
        INTRODUCTION,
        *(
            section(
                code(name), f'{item.text[0].upper()}{item.text[1:]}.', table(heads, rows(name))
            )
            for name, item in DESCRIPTIONS.items()
        ),
    )
