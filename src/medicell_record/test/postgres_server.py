"""A PostgreSQL server that a test runs for itself, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import sqlalchemy as sa
from needs import POSTGRESQL, lacking

from medicell_record.database.postgresql import PostgresStore
from medicell_record.record import BatchRecord

USER = 'postgres'
"""The server refuses to run as root; where the tests do, it runs as one of these."""
WAIT_S = 30.0
"""Wall seconds in which a server comes or is gone."""
USERS = ('postgres', 'nobody')


class Server:
    """A cluster in a folder of its own, reached by a socket in it and by nothing else."""

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self.folder = folder
        self._programs = programs
        self._user = user
        self._run('initdb', '-U', USER, '--auth=trust', '--encoding=UTF8', '--no-locale')
        self.start()

    @property
    def url(self) -> str:
        return f'postgresql://{USER}@/postgres?host={self.folder}'

    def start(self) -> None:
        """Start it, and wait until it answers."""
        place = ('-D', str(self.folder / 'data'), '-k', str(self.folder))
        with (self.folder / 'log').open('a') as log:
            self._process = subprocess.Popen(
                [str(self._programs / 'postgres'), *place, '-c', 'listen_addresses='],
                user=self._user,
                stdout=log,
                stderr=log,
                cwd='/',
            )
        deadline = time.monotonic() + WAIT_S
        while not self._answers():
            assert self._process.poll() is None, (self.folder / 'log').read_text()
            assert time.monotonic() < deadline, f'the server does not answer after {WAIT_S:g} s'
            time.sleep(0.05)

    def crash(self) -> None:
        """End it at once: nothing more is written, and the next start recovers from its log."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(WAIT_S)

    def kill(self) -> None:
        """Kill its first process, and wait until the others have noticed and are gone."""
        memory = (self.folder / 'data' / 'postmaster.pid').read_text().splitlines()[6].split()[1]
        self._process.kill()
        self._process.wait(WAIT_S)
        deadline = time.monotonic() + WAIT_S
        while _is_attached(memory):
            assert time.monotonic() < deadline, f'the server still lives after {WAIT_S:g} s'
            time.sleep(0.05)

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Stop its processes for a time: they live, and answer nothing."""
        first = self._process.pid
        os.kill(first, signal.SIGSTOP)
        others = Path(f'/proc/{first}/task/{first}/children').read_text().split()
        for process in others:
            os.kill(int(process), signal.SIGSTOP)
        try:
            yield
        finally:
            for process in (*others, first):
                os.kill(int(process), signal.SIGCONT)

    @contextmanager
    def hung_at_commit(self, record: BatchRecord) -> Iterator[Callable[[], None]]:
        """Stop a record's session when it is to commit its next entry; yield what wakes it."""
        store = record._store
        assert isinstance(store, PostgresStore)
        session = store._driven.info.backend_pid

        def stop(_: sa.Connection) -> None:
            os.kill(session, signal.SIGSTOP)

        def wake() -> None:
            with suppress(ProcessLookupError):
                os.kill(session, signal.SIGCONT)

        sa.event.listen(store._engine, 'commit', stop, once=True)
        try:
            yield wake
        finally:
            wake()

    def is_waited_for(self) -> bool:
        """Return whether a session waits for a lock of another one."""
        with psycopg.connect(self.url) as database:
            return bool(database.execute('SELECT 1 FROM pg_locks WHERE NOT granted').fetchall())

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url) as database:
            database.execute(statement)  # type: ignore[call-overload]

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._programs / program), '-D', str(self.folder / 'data'), *words]
        with (self.folder / 'said').open('a+') as said:
            result = subprocess.run(
                command, user=self._user, stdout=said, stderr=said, cwd='/', check=False
            )
            said.seek(0)
            assert result.returncode == 0, said.read()


def programs() -> Path | None:
    """Return the folder of the server's programs, which Debian keeps off PATH."""
    found = shutil.which('initdb')
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path('/usr/lib/postgresql').glob('*/bin'), reverse=True)
    return next((place for place in places if (place / 'initdb').is_file()), None)


@contextmanager
def running_server(inside: Path | None = None) -> Iterator[Server]:
    """Run a server of the test's own, in a folder if one is given.

    Skips the test, with the reason, where none can be.
    """
    place = programs()
    if place is None:
        lacking(
            POSTGRESQL, 'PostgreSQL is not installed: no initdb on PATH or where Debian has it'
        )
    user = None
    if os.geteuid() == 0:
        user = next((name for name in USERS if _is_user(name)), None)
        if user is None:
            lacking(POSTGRESQL, f'the server does not run as root, and there is none of {USERS}')
    with tempfile.TemporaryDirectory(prefix='medicell-pg-', dir=inside) as folder:
        if user is not None:
            shutil.chown(folder, user)
        server = Server(place, Path(folder), user)
        try:
            yield server
        finally:
            server.crash()


def _is_attached(memory: str) -> bool:
    """Return whether a process uses a block of shared memory, by its number."""
    blocks = [line.split() for line in Path('/proc/sysvipc/shm').read_text().splitlines()]
    return any(block[1] == memory and block[6] != '0' for block in blocks)


def _is_user(name: str) -> bool:
    return subprocess.run(['id', name], capture_output=True, check=False).returncode == 0
