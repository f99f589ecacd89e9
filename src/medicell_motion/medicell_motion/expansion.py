"""The xacro of the cell as URDF text: the one model that viewers show and moves are planned in."""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError

CELL_FILE = 'cell.urdf.xacro'
GEOMETRY_FILE = 'cell_geometry.yaml'
OWNER = 'medicell_bringup'
"""The package that installs the model and the cell's configuration."""

CACHE_VARIABLE = 'XDG_CACHE_HOME'


def shipped_geometry() -> Path:
    """Return the installed file by which the arm's motion is planned."""
    return Path(__file__).with_name(GEOMETRY_FILE)


def shipped_share() -> Path:
    """Return the folder with `urdf/` and `config/`: installed, or else this checkout.

    Raises InputError when neither is there.
    """
    # What is planned by a URDF of one's own needs no index of packages.
    from ament_index_python.packages import (  # noqa: PLC0415
        PackageNotFoundError,
        get_package_share_directory,
    )

    try:
        return Path(get_package_share_directory(OWNER))
    except PackageNotFoundError:
        # The tests of a package are run before what is built after it is installed.
        checkout = Path(__file__).resolve().parents[3]
    if not (checkout / 'urdf' / CELL_FILE).is_file():
        raise InputError(ErrorCode.INVALID_GOAL, f'{OWNER} is not installed', file=CELL_FILE)
    return checkout


def expand_shipped(cell_config: Path | None = None) -> str:
    """Return the URDF of the installed model for a cell's configuration."""
    share = shipped_share()
    return expanded(
        share / 'urdf',
        geometry=shipped_geometry(),
        cell_config=cell_config or share / 'config' / 'cell.yaml',
    )


def expanded(urdf: Path, *, geometry: Path, cell_config: Path) -> str:
    """Return what :func:`expand` does, from the user's cache when nothing has changed.

    The cache's key is the contents of all files and xacro's version; a cache that cannot be
    read or written only costs the expansion, about a second.
    """
    try:
        files = [*sorted(urdf.glob('*.xacro')), geometry, cell_config]
        digest = hashlib.sha256(version('xacro').encode())
        for file in files:
            digest.update(f'\0{file.name}\0'.encode() + file.read_bytes())
        place = _cache() / f'{digest.hexdigest()}.urdf'
        return place.read_text('utf-8')
    except FileNotFoundError:
        text = expand(urdf, geometry=geometry, cell_config=cell_config)
    except OSError:
        return expand(urdf, geometry=geometry, cell_config=cell_config)
    _keep(text, place)
    return text


def expand(urdf: Path, *, geometry: Path, cell_config: Path) -> str:
    """Return the URDF of the cell whose xacro files are in a folder.

    `geometry` is the file by which the arm's motion is planned, `cell_config` the cell's
    configuration. Raises InputError that names the file which xacro cannot use.
    """
    import xacro  # noqa: PLC0415 - most starts find the URDF in the cache

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


def _cache() -> Path:
    home = os.environ.get(CACHE_VARIABLE)
    return (Path(home) if home else Path.home() / '.cache') / 'medicell' / 'urdf'


def _keep(text: str, place: Path) -> None:
    """Write a file whole or not at all; readers at the same time see the old state or the new."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent)
        with os.fdopen(handle, 'w', encoding='utf-8') as file:
            file.write(text)
        os.replace(name, place)
    except OSError:
        return
