"""The xacro of the cell as URDF text."""

from __future__ import annotations

from pathlib import Path

import xacro
from ament_index_python.packages import get_package_share_directory

from medicell_bringup.shipped import share
from medicell_core.errors import ErrorCode, InputError

CELL_FILE = 'cell.urdf.xacro'
GEOMETRY = ('medicell_motion', 'cell_geometry.yaml')


def shipped_geometry() -> Path:
    """Return the installed file by which the arm's motion is planned."""
    package, name = GEOMETRY
    return Path(get_package_share_directory(package)) / name


def expand_shipped(cell_config: Path) -> str:
    """Return the URDF of the installed model for a cell's configuration."""
    return expand(share() / 'urdf', geometry=shipped_geometry(), cell_config=cell_config)


def expand(urdf: Path, *, geometry: Path, cell_config: Path) -> str:
    """Return the URDF of the cell whose xacro files are in a folder.

    `geometry` is the file by which the arm's motion is planned, `cell_config` the cell's
    configuration. Raises InputError that names the file which xacro cannot use.
    """
    for file in (urdf / CELL_FILE, geometry, cell_config):
        if not file.is_file():
            raise InputError(ErrorCode.INVALID_GOAL, 'no such file', file=str(file))
    mappings = {'geometry': str(geometry), 'cell_config': str(cell_config)}
    try:
        document = xacro.process_file(str(urdf / CELL_FILE), mappings=mappings)
    except Exception as error:
        # xacro raises whatever an expression in a file raises.
        raise InputError(
            ErrorCode.INVALID_GOAL, f'xacro: {error}', file=str(urdf / CELL_FILE)
        ) from error
    return str(document.toprettyxml(indent='  '))
