"""Threads that do one piece of work each and can be waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Workers:
    """Starts daemon threads and knows those that have not ended; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def spawn(self, work: Callable[[], None], name: str) -> None:
        """Do a piece of work in a thread of its own; raises RuntimeError when none can start."""

        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=name, daemon=True)
        with self._lock:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._threads.discard(thread)
            raise

    def join(self, timeout_s: float) -> bool:
        """Wait for all threads but the caller's; returns whether they ended in time."""
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            threads = self._threads - {threading.current_thread()}
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)
