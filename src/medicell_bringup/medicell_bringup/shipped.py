"""Where the configuration lies that comes with Medicell."""

from __future__ import annotations

from pathlib import Path

PACKAGE = 'medicell_bringup'
"""The package that installs launch files, configuration and descriptions."""


def share() -> Path:
    """Return the folder of what the package installs."""
    # Most commands end before they need it.
    from ament_index_python.packages import get_package_share_directory  # noqa: PLC0415

    return Path(get_package_share_directory(PACKAGE))


def shipped_config() -> Path:
    """Return the installed configuration's folder; the repository's own where it is linked."""
    return (share() / 'config' / 'cell.yaml').resolve().parent
