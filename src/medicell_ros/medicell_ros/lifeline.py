"""Whether a node of the cell lives, by the signs that DDS carries with its state."""

from __future__ import annotations

from collections.abc import Callable

from medicell_interfaces.msg import DeviceState
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import QoSLivelinessChangedInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from medicell_core.states import PackMLState
from medicell_ros.qos import latched, living

CONFIRM_S = 0.25
"""Wall seconds for which silence must last after its first notice: a busy machine holds every
node's sign of life up together, and they come within some 50 ms of their lease.
"""


class Lifeline:
    """Hears `<name>/state`, and feels when who publishes it has gone, is stopped, or is cut off.

    `on_state` is called with each state, `on_alive` with whether its writer lives, at the first
    sign and whenever that changes; without an `on_alive` only states are heard. Both come from
    the executor of `node`.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        *,
        on_state: Callable[[DeviceState], None],
        on_alive: Callable[[bool], None] | None = None,
    ) -> None:
        self._node = node
        self._name = name
        self._on_state = on_state
        self._on_alive = on_alive
        self._confirming: Timer | None = None
        self._subscription: Subscription | None = self._subscribe()

    def close(self) -> None:
        """Listen no more. Safe to call twice."""
        self._stop_confirming()
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _subscribe(self) -> Subscription:
        felt = self._on_alive is not None
        return self._node.create_subscription(
            DeviceState,
            f'{self._name}/state',
            self._heard,
            living() if felt else latched(),
            event_callbacks=SubscriptionEventCallbacks(liveliness=self._felt) if felt else None,
        )

    def _heard(self, message: DeviceState) -> None:
        """Hand a state on. It is a sign of life itself, which no confirmation outweighs."""
        self._stop_confirming()
        self._on_state(message)

    def _felt(self, info: QoSLivelinessChangedInfo) -> None:
        """Take note of a change of liveliness; silence only counts if it lasts.

        Fast DDS misses the first sign of a writer that is matched just then, and counts from
        there: one too few, for ever, by which a node that lives would stay lost. So a count that
        tells of nobody is begun anew, and who lives tells a new subscription its state.
        """
        assert self._on_alive is not None
        self._stop_confirming()
        if info.alive_count > 0:
            self._on_alive(True)
        elif self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._subscribe()
            self._confirming = self._node.create_timer(
                CONFIRM_S, self._confirm, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )

    def _confirm(self) -> None:
        assert self._on_alive is not None
        self._stop_confirming()
        self._on_alive(False)

    def _stop_confirming(self) -> None:
        if self._confirming is not None:
            self._node.destroy_timer(self._confirming)
            self._confirming = None


class Watch:
    """Whether another node of the cell was there and is silent now; one that said STOPPED left.

    `on_change` is called from the executor of `node` with whether it is lost. One of the same
    process (`one_process`) lives and dies with it, and is never lost.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        on_change: Callable[[bool], None],
        *,
        one_process: bool = False,
    ) -> None:
        self.lost = False
        self._serves = False
        self._on_change = on_change
        self._lifeline = Lifeline(
            node, name, on_state=self._told, on_alive=None if one_process else self._felt
        )

    def close(self) -> None:
        """Watch no more. Safe to call twice."""
        self._lifeline.close()

    def _told(self, message: DeviceState) -> None:
        self._serves = message.state != PackMLState.STOPPED
        self._change(lost=False)

    def _felt(self, alive: bool) -> None:
        self._change(lost=self._serves and not alive)

    def _change(self, *, lost: bool) -> None:
        if lost is not self.lost:
            self.lost = lost
            self._on_change(lost)
