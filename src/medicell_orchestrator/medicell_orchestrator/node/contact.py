"""Which devices can be reached, by the signs of life that DDS carries with their state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from medicell_interfaces.msg import DeviceState
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import QoSLivelinessChangedInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from medicell_core.operations import Role
from medicell_core.serving import ServingNode
from medicell_core.states import PackMLState
from medicell_orchestrator.pursuing import Contact
from medicell_ros.conversion import from_message
from medicell_ros.qos import latched, living

CONFIRM_S = 0.25
"""Wall seconds for which silence must last after its first notice: a busy machine holds every
device's sign of life up together, and they come within some 50 ms of their lease.
"""


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
        self._silent: set[Role] = set()
        self._confirming: Timer | None = None
        self._one_process = one_process
        self._subscriptions = {role: self._subscribe(role) for role in Role}

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
        self._stop_confirming()
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.popitem()[1])

    def _subscribe(self, role: Role) -> Subscription:
        return self._node.create_subscription(
            DeviceState,
            f'{role}/state',
            partial(self._told, role),
            latched() if self._one_process else living(),
            event_callbacks=None if self._one_process else self._events(role),
        )

    def _events(self, role: Role) -> SubscriptionEventCallbacks:
        return SubscriptionEventCallbacks(liveliness=partial(self._felt, role))

    def _felt(self, role: Role, info: QoSLivelinessChangedInfo) -> None:
        """Take note of a change of the device's liveliness; silence only counts if it lasts.

        Fast DDS misses the first sign of a writer that is matched just then, and counts from
        there: one too few, for ever, by which a device that lives would stay lost. So a count that
        tells of nobody is begun anew, and who lives tells a new subscription its state.
        """
        if info.alive_count > 0:
            self._silent.discard(role)
            self._note(role, alive=True)
            return
        self._node.destroy_subscription(self._subscriptions[role])
        self._subscriptions[role] = self._subscribe(role)
        self._silent.add(role)
        self._stop_confirming()
        self._confirming = self._node.create_timer(
            CONFIRM_S, self._confirm, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def _confirm(self) -> None:
        self._stop_confirming()
        while self._silent:
            self._note(self._silent.pop(), alive=False)

    def _stop_confirming(self) -> None:
        if self._confirming is not None:
            self._node.destroy_timer(self._confirming)
            self._confirming = None

    def _note(self, role: Role, *, alive: bool) -> None:
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
            self._silent.discard(role)
            before = self._contacts[role]
            anew = before.another(message.sequence, message.journal)
            now = replace(
                before,
                alive=True,
                told=True,
                epoch=before.epoch + anew,
                changed_s=before.changed_s if before.alive else time.monotonic(),
                journal=message.journal,
                sequence=message.sequence,
                state=PackMLState(message.state),
                serving=from_message(ServingNode, message.serving),
            )
            self._contacts[role] = now
        if anew or before.journal != now.journal:
            self._on_change(now)
