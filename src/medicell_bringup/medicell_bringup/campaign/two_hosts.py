"""Two hosts on one switch: network namespaces, and the cable of one that can be pulled."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack

from medicell_core.closing import Closing

DEVICES, CONTROL = 'devices', 'control'
ADDRESSES = {DEVICES: '10.213.0.1/24', CONTROL: '10.213.0.2/24'}
"""Addresses of the two hosts, which nothing else in their namespaces can meet."""

CLONE_NEWNET = 0x40000000
"""What setns is to enter, of <linux/sched.h>; Python tells it from 3.12 on."""


def why_not() -> str:
    """Return why this machine cannot make network namespaces; empty when it can."""
    if shutil.which('ip') is None:
        return 'the command ip (iproute2) is not installed'
    name = f'medicell-probe-{os.getpid()}'
    made = subprocess.run(
        ['ip', 'netns', 'add', name], capture_output=True, text=True, check=False
    )
    if made.returncode:
        return f'no right to make network namespaces: {made.stderr.strip()}'
    _ip('netns', 'del', name)
    return ''


class TwoHosts(Closing):
    """A context manager: the hosts DEVICES and CONTROL, each with a cable to a switch.

    Pulling a cable takes the switch's port down, so that the host loses its carrier and keeps
    its address, and the other host notices nothing. The namespaces are named after this process
    and are removed at the end whatever has happened.
    """

    def __init__(self) -> None:
        self._names = {host: f'medicell-{os.getpid()}-{host}' for host in (*ADDRESSES, 'switch')}
        self._exits = ExitStack()

    def __enter__(self) -> TwoHosts:
        """Make the hosts, the switch and the cables."""
        try:
            self._make()
        except BaseException:
            self._exits.close()
            raise
        return self

    def close(self) -> None:
        """Remove them."""
        self._exits.close()

    def on(self, host: str, command: Sequence[str]) -> list[str]:
        """Return the command that runs another on a host."""
        return ['ip', 'netns', 'exec', self._names[host], *command]

    def enter(self, host: str) -> None:
        """Bring this process to a host, before it has threads; its children begin there."""
        with open(f'/run/netns/{self._names[host]}', 'rb') as namespace:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f'cannot enter the network of {host}')

    def cut(self) -> None:
        """Pull the cable of CONTROL."""
        _ip('-n', self._names['switch'], 'link', 'set', CONTROL, 'down')

    def heal(self) -> None:
        """Plug it in again."""
        _ip('-n', self._names['switch'], 'link', 'set', CONTROL, 'up')

    def _make(self) -> None:
        switch = self._names['switch']
        for name in self._names.values():
            _ip('netns', 'add', name)
            self._exits.callback(_ip, 'netns', 'del', name)
            _ip('-n', name, 'link', 'set', 'lo', 'up')
        _ip('-n', switch, 'link', 'add', 'bridge0', 'type', 'bridge')
        _ip('-n', switch, 'link', 'set', 'bridge0', 'up')
        for host, address in ADDRESSES.items():
            name = self._names[host]
            peer = ('peer', 'name', host, 'netns', switch)
            _ip('link', 'add', 'eth0', 'netns', name, 'type', 'veth', *peer)
            _ip('-n', switch, 'link', 'set', host, 'master', 'bridge0', 'up')
            _ip('-n', name, 'addr', 'add', address, 'dev', 'eth0')
            _ip('-n', name, 'link', 'set', 'eth0', 'up')


def _ip(*arguments: str) -> None:
    """Run `ip`; raises CalledProcessError, which names the command, when it refuses."""
    subprocess.run(['ip', *arguments], check=True)
