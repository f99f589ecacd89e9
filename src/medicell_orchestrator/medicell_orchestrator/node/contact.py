"""Which devices can be reached, by the signs of life that DDS carries with their state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from medicell_interfaces.msg import DeviceState
from rclpy.node import Node

from medicell_core.operations import Role
from medicell_core.serving import ServingNode
from medicell_core.states import PackMLState
from medicell_orchestrator.pursuing import Contact
from medicell_ros.conversion import from_message
from medicell_ros.lifeline import Lifeline


class Contacts:
    """Watches `<role>/state` of every role; thread-safe.

    `on_change` is called from the node's executor when contact is lost, made, or made anew.
    Devices of the node's own process (`one_process`) live and die with it: their silence means
    nothing, and whoever hosts them notices a node that spins no more.
    """

    def __init__(
        self, node: Node, on_change: Callable[[Contact], None], *, one_process: bool = False
    ) -> None:
        self._node = node
        self._on_change = on_change
        self._lock = threading.Lock()
        self._contacts = {role: Contact(role=role) for role in Role}
        self._lifelines = {
            role: Lifeline(
                node,
                role,
                on_state=partial(self._told, role),
                on_alive=None if one_process else partial(self._note, role),
            )
            for role in Role
        }

    def of(self, role: Role) -> Contact:
        """Return what is known of a device now."""
        with self._lock:
            return self._contacts[role]

    def lost(self) -> list[Role]:
        """Return the devices that were in contact and are not."""
        with self._lock:
            return [role for role, contact in self._contacts.items() if contact.lost]

    def serving(self) -> list[ServingNode]:
        """Return by what each role is served, in order; of a device unheard, the role alone."""
        with self._lock:
            return [
                contact.serving or ServingNode(node=role.value)
                for role, contact in self._contacts.items()
            ]

    def untold(self) -> list[Role]:
        """Return the devices that the graph shows and whose state has not come yet."""
        with self._lock:
            silent = [role for role, contact in self._contacts.items() if not contact.serving]
        return [role for role in silent if self._node.count_publishers(f'{role}/state')]

    def close(self) -> None:
        """Watch no more. Safe to call twice."""
        for lifeline in self._lifelines.values():
            lifeline.close()

    def _note(self, role: Role, alive: bool) -> None:
        with self._lock:
            before = self._contacts[role]
            if alive is before.alive:
                return
            now = replace(
                before,
                alive=alive,
                told=False,
                epoch=before.epoch + alive,
                changed_s=time.monotonic(),
            )
            self._contacts[role] = now
        self._on_change(now)

    def _told(self, role: Role, message: DeviceState) -> None:
        """Take note of a state; another process's counts from the start or has another journal.

        It is a sign of life itself: rmw may lose the event of a writer that is matched just then.
        """
        with self._lock:
            before = self._contacts[role]
            anew = before.another(message.sequence, message.journal)
            since_s = time.monotonic() if anew else before.changed_s
            now = replace(
                before,
                alive=True,
                told=True,
                epoch=before.epoch + anew,
                changed_s=since_s,
                journal=message.journal,
                sequence=message.sequence,
                state=PackMLState(message.state),
                serving=from_message(ServingNode, message.serving),
            )
            self._contacts[role] = now
        if anew or before.journal != now.journal:
            self._on_change(now)
