"""An archive as one ZIP file: the same batch gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError
from medicell_record.anchor.keys import PublicKey
from medicell_record.anchor.place import PUBLIC_FILE
from medicell_record.archive import verifier
from medicell_record.archive.contents import Inputs, gather
from medicell_record.archive.ended import EndedBatch
from medicell_record.archive.readme import README, readme

_NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a ZIP file can tell; the times that count stand in the record."""
_PLAIN_FILE = 0o100644 << 16
_UNIX = 3


def make_archive(batch: EndedBatch, inputs: Inputs) -> bytes:
    """Return the ZIP file of a batch, which its own verify.py has found sound.

    The files are stored without compression: what a library compresses to changes with its
    version. Raises InputError for what is missing or does not fit the record.
    """
    files = gather(batch, inputs)
    key = PublicKey.read(batch.folder / PUBLIC_FILE).key_id if verifier.KEY in files else ''
    files[README] = readme(batch, files, key=key).encode()
    files[verifier.MANIFEST] = _manifest(files)
    check = verifier.Check(files)
    if not check.sound:
        raise InputError(
            ErrorCode.CHAIN_BROKEN,
            f'is not exported: {"; ".join(check.problems)}',
            file=str(batch.folder),
        )
    return _zipped(files, folder=batch.started.batch_id)


def write_archive(content: bytes, path: Path) -> bool:
    """Write an archive; returns whether it is new, and not there already with the same bytes.

    Raises InputError for a file of that name that is another one, and for a place that cannot be
    written to; nothing is left there then.
    """
    try:
        with open(path, 'xb') as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                path.unlink()
                raise
    except FileExistsError as error:
        if path.is_file() and path.read_bytes() == content:
            return False
        text = 'is there already, and another one: nothing was written'
        raise InputError(ErrorCode.RECORD_EXISTS, text, file=str(path)) from error
    except OSError as error:
        text = f'cannot be written: {error.strerror}'
        raise InputError(ErrorCode.INVALID_GOAL, text, file=str(path)) from error
    return True


def _manifest(files: Mapping[str, bytes]) -> bytes:
    lines = (f'{hashlib.sha256(files[name]).hexdigest()}  {name}\n' for name in sorted(files))
    return ''.join(lines).encode()


def _zipped(files: Mapping[str, bytes], *, folder: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, 'w', zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            item = zipfile.ZipInfo(f'{folder}/{name}', _NO_TIME)
            item.create_system, item.external_attr = _UNIX, _PLAIN_FILE
            archive.writestr(item, files[name])
    return content.getvalue()
