"""What a simulated driver moves and sees, told by topics to a physics in another process."""

from __future__ import annotations

from medicell_interfaces.msg import Containers, ContainerState
from sensor_msgs.msg import JointState

from medicell_core.clock import Clock
from medicell_core.operations import Role
from medicell_ros import qos
from medicell_ros.conversion import time_to_message
from medicell_ros.lifecycle import ManagedNode

MOVING = (Role.FLUID_HANDLER, Role.INCUBATOR, Role.IMAGING, Role.FILL_ROBOT)
"""The devices whose parts move in the model."""
CLOSED = 'stoppered'
"""The condition by which a vial is told to be closed."""
NOWHERE = 'floor'
"""The location of a container that is in the cell no more."""


class TopicMachinery:
    """Publishes `~/joint_targets` and, of the fill robot, `~/containers`; nobody answers.

    A joint's target is in m or rad as the model counts it. Of a container there is what the
    driver sees: where it is, or that it is closed; a location without a name is empty. Stamps
    are of the cell's clock.
    """

    def __init__(self, node: ManagedNode, role: Role, clock: Clock) -> None:
        self._node = node
        self._role = role
        self._clock = clock
        self._targets = node.create_publisher(JointState, '~/joint_targets', qos.events())
        self._containers = (
            node.create_publisher(Containers, '~/containers', qos.events())
            if role is Role.FILL_ROBOT
            else None
        )

    def close(self) -> None:
        """Destroy what was made."""
        for publisher in (self._targets, self._containers):
            if publisher is not None:
                self._node.destroy_publisher(publisher)

    def drive(self, joint: str, position: float) -> None:
        """Tell where a joint is to go."""
        message = JointState(name=[joint], position=[position])
        message.header.stamp = time_to_message(self._clock.now_s())
        self._node.send(self._targets, message)

    def stands(self, container: str, station: str) -> bool:
        """Take it to be there: the physics is not waited for."""
        return True

    def seen(self, container: str, station: str) -> None:
        """Tell which container is at a station."""
        self._tell(container, location=f'{self._role}/{station}')

    def lost(self, container: str) -> None:
        """Tell that a container is in the cell no more."""
        self._tell(container, location=NOWHERE)

    def closed(self, container: str) -> None:
        """Tell that a container stands open no more."""
        self._tell(container, condition=CLOSED)

    def _tell(self, container: str, *, location: str = '', condition: str = '') -> None:
        if self._containers is None:
            return
        batch_id, _, name = container.rpartition('.')
        state = ContainerState(
            container=container, name=name, location=location, condition=condition
        )
        message = Containers(
            stamp=time_to_message(self._clock.now_s()), batch_id=batch_id, containers=[state]
        )
        self._node.send(self._containers, message)
