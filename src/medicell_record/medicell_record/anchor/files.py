"""Files that grow, are made once or replaced as a whole: on disk before a call returns."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
import uuid
from pathlib import Path

from medicell_record.canonical import parse_json

LOCK_S = 1.0
"""Wall seconds for which another process may hold a file that is appended to (R)."""
LOCK_POLL_S = 0.01
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Neither is a link followed, nor the other end of a pipe waited for."""


def write_new(path: Path, content: bytes, *, mode: int) -> None:
    """Make a file with its whole content, unless there is one; its folder is for the user alone.

    Nobody ever sees it half written or with another mode.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        return
    draft = path.with_name(f'.{path.name}.{uuid.uuid4().hex}')
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(file, content)
        os.fsync(file)
        os.link(draft, path)
    except FileExistsError:
        # Another process was quicker: its file is the one.
        return
    finally:
        os.close(file)
        draft.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Give a file a new content at once; a link in its place is replaced, and not followed."""
    draft = path.with_name(f'.{path.name}.{uuid.uuid4().hex}')
    try:
        with draft.open('xb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def append_line(path: Path, line: str, *, patience_s: float = LOCK_S) -> None:
    """Append a line and have it on disk; safe beside other processes that do the same.

    What a crash has torn off at the end was never confirmed to anybody: it is cut off first.
    Raises OSError, also when another process holds the file for longer than the patience: anybody
    who may read it can lock it, and a batch must not wait for them. And it raises for what is no
    plain file: who may write to a run's folder must not lead the cell to another one by a link.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _PLAIN, 0o644)
    try:
        _check_plain(file, path)
        _lock(file, path, patience_s)
        _mend_end(file)
        data = f'{line}\n'.encode()
        while data:
            data = data[os.write(file, data) :]
        os.fdatasync(file)
    finally:
        os.close(file)


def lines_of(path: Path) -> list[str]:
    """Return a file's lines without what a crash has torn off at its end; none for no file.

    A last line that is whole but for what follows it stays: it was written, and then altered.
    Raises OSError for what is no plain file, or cannot be read.
    """
    try:
        file = os.open(path, os.O_RDONLY | _PLAIN)
    except FileNotFoundError:
        return []
    with os.fdopen(file, 'rb') as reader:
        _check_plain(file, path)
        data = reader.read()
    *whole, last = data.decode('utf-8', errors='replace').split('\n')
    return whole + ([last] if last and _begins_whole(last) else [])


def _check_plain(file: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, 'not a plain file', str(path))


def _lock(file: int, path: Path, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                text = f'another process has held it for {patience_s:g} s'
                raise TimeoutError(errno.ETIMEDOUT, text, str(path)) from None
            time.sleep(LOCK_POLL_S)
        else:
            return


def _mend_end(file: int) -> None:
    size = os.fstat(file).st_size
    if size == 0 or os.pread(file, 1, size - 1) == b'\n':
        return
    data = os.pread(file, size, 0)
    begin = data.rfind(b'\n') + 1
    if _is_whole(data[begin:].decode('utf-8', errors='replace')):
        os.write(file, b'\n')
    else:
        os.ftruncate(file, begin)


def _is_whole(text: str) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def _begins_whole(text: str) -> bool:
    """Whether a text is a JSON object, or one with something behind it."""
    return any(_is_whole(text[: place + 1]) for place, sign in enumerate(text) if sign == '}')
