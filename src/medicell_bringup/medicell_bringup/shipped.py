"""Where the configuration lies that comes with Medicell."""

from __future__ import annotations

from pathlib import Path

from medicell_core.errors import ErrorCode, InputError

PACKAGE = 'medicell_bringup'
"""The package that installs launch files, configuration and descriptions."""

CELL = 'cell.yaml'
"""The cell's file in a folder of configuration, unless another one is named."""


def share() -> Path:
    """Return the folder of what the package installs."""
    # Most commands end before they need it.
    from ament_index_python.packages import get_package_share_directory  # noqa: PLC0415

    return Path(get_package_share_directory(PACKAGE))


def cell_file_of(config: Path) -> Path:
    """Return the cell's file of a configuration, which is a folder or the file in it.

    Raises InputError that names the folder or the file which is not there.
    """
    cell = config / CELL if config.is_dir() else config
    if cell.is_file():
        return cell
    kind = 'file' if cell.suffix in {'.yaml', '.yml'} else 'folder'
    raise InputError(
        ErrorCode.INVALID_GOAL, f'there is no such {kind}', file=str(cell), field='--config'
    )


def shipped_config() -> Path:
    """Return the installed configuration's folder; the repository's own where it is linked."""
    return (share() / 'config' / CELL).resolve().parent
