"""Turns of Gazebo's node without Gazebo: their end, what goes wrong, vials that leave."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from medicell_interfaces.msg import Containers, ContainerState
from sensor_msgs.msg import JointState

from medicell_core.errors import ErrorCode, InputError, OperationRefused
from medicell_devices.arm.port import GripperState, JointSamples
from medicell_devices.cell_config import CellConfig
from medicell_nodes import gazebo_lock_step
from medicell_nodes.compose import overrides
from medicell_nodes.gazebo_lock_step import REST_PERIOD_S, LockStepPhysics
from medicell_nodes.gazebo_node import GazeboNode

from .conftest import BATCH, until

SHORT_S = 0.1


class Turns:
    """A clock with one owner, which sleeps until it is woken; one that is dead answers nothing."""

    def __init__(self) -> None:
        self.woken, self.alive = threading.Event(), threading.Event()
        self.alive.set()
        self.time_s = 100.0
        self.asleep_s = math.nan

    def now_s(self) -> float:
        return self.time_s

    def begin(self, owner: str) -> None:
        """Give the first turn."""

    def sleep(self, owner: str, duration_s: float) -> None:
        self.asleep_s = duration_s
        self.woken.wait()
        self.alive.wait()
        self.woken.clear()
        raise OperationRefused(ErrorCode.CANCELLED, 'woken')

    def wake(self, owner: str) -> None:
        self.alive.wait()
        self.woken.set()

    def end(self, owner: str) -> None:
        """Forget the owner."""


class Simulator:
    """Stands in for one Gazebo, for the arm in it, and for who sees how it moves."""

    def __init__(self, vials: Mapping[str, str]) -> None:
        self.ended = False
        self.taken: list[str] = []
        self.contacts: tuple[Any, ...] = ()
        self.collided: tuple[Any, ...] = ()
        self.error: Exception | None = None
        self.on_closing: Callable[[], None] = lambda: None
        named = tuple(SimpleNamespace(name=name) for name in vials.values())
        self.running = SimpleNamespace(
            world=SimpleNamespace(vials=named), physics_s=0.0, moves_for_s=math.inf, rests=True
        )
        self.told: list[tuple[Any, ...]] = []

    def samples(self, since_s: float) -> JointSamples:
        if self.error is not None:
            raise self.error
        return JointSamples(times_s=np.zeros(0), positions_rad=np.zeros((0, 6)))

    def gripper(self) -> GripperState:
        return GripperState(opening_m=0.0, force_n=0.0)

    def grip(self, *, closed: bool) -> None:
        if closed:
            self.on_closing()

    def collisions(self) -> tuple[Any, ...]:
        told, self.collided = self.collided, ()
        return told

    def settled(self) -> None:
        """Measure nothing."""

    def take_out(self, vial: str) -> None:
        self.taken.append(vial)

    def poses(self) -> str:
        return 'poses'

    def check_drive(self, joint: str, position: float) -> None:
        if joint != 'needle_joint':
            raise InputError(ErrorCode.INVALID_GOAL, 'is none of needle_joint', field=joint)

    def check_seen(self, station: str) -> None:
        """Know every station."""

    def drive(self, joint: str, position: float) -> None:
        self.told.append(('drive', joint, position))

    def seen(self, vial: str, station: str) -> None:
        self.told.append(('seen', vial, station))

    def lost(self, vial: str) -> None:
        self.told.append(('lost', vial))

    def closed(self, vial: str) -> None:
        self.told.append(('closed', vial))

    def motion(self, *, lost: str = '') -> str:
        return lost or 'whole'

    def close(self) -> None:
        self.ended = True


class Heard:
    """Hears what the physics gives; counts turns, keeps collisions and figures of the motion."""

    def __init__(self) -> None:
        self.turns = 0
        self.collisions: list[Any] = []
        self.motions: list[Any] = []
        self.logs: list[Any] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None

    def collided(self, contacts: tuple[Any, ...], now_s: float) -> None:
        self.collisions.append(contacts)

    def ran(self, simulated_s: float) -> None:
        self.turns += 1

    def logged(self, poses: Any) -> None:
        self.logs.append(poses)

    def moved(self, motion: Any) -> None:
        self.motions.append(motion)


class Rig:
    """Physics with a simulator that stands in for each Gazebo that it starts."""

    def __init__(self) -> None:
        self.clock = Turns()
        self.made: list[Simulator] = []
        self.lost: list[Exception] = []
        self.may_make = threading.Event()
        self.may_make.set()
        self.making = 0
        self.error: Exception | None = None
        self.heard = Heard()
        hearer: Any = self.heard
        self.physics = LockStepPhysics(self.clock, self.make, hearer, on_lost=self.lost.append)  # type: ignore[arg-type]

    def make(self, vials: Mapping[str, str], now_s: Callable[[], float]) -> Any:
        self.making += 1
        self.may_make.wait()
        if self.error is not None:
            raise self.error
        made = Simulator(vials)
        self.made.append(made)
        return made, made, made

    def close(self) -> None:
        self.may_make.set()
        self.clock.alive.set()
        self.clock.woken.set()
        self.physics.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def test_gazebo_whose_first_look_fails_is_ended() -> None:
    made = Simulator({})
    made.error = ValueError('four parts')
    clock: Any = Turns()
    gazebo: Any = made
    hearer: Any = Heard()
    with pytest.raises(ValueError, match='four parts'):
        LockStepPhysics(
            clock,
            lambda vials, now_s: (gazebo, gazebo, gazebo),
            hearer,
            on_lost=lambda error: None,
        )
    assert made.ended


def test_close_ends_gazebo_when_the_clock_answers_no_more(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gazebo_lock_step, 'STOP_S', SHORT_S)
    rig.clock.alive.clear()
    assert rig.physics.close() is False
    assert rig.made[0].ended
    rig.made[0].ended = False
    assert rig.physics.close() is False
    assert not rig.made[0].ended, 'the second call did it all again'
    assert rig.lost == []


def test_close_ends_turns_and_gazebo(rig: Rig) -> None:
    assert rig.physics.close() is True
    assert rig.made[0].ended
    assert rig.physics.close() is True


def test_gazebo_that_was_being_made_at_the_close_is_ended_too(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gazebo_lock_step, 'STOP_S', SHORT_S)
    rig.may_make.clear()
    rig.physics.place({'nest_01': 'vial_01'})
    until(lambda: rig.making == 2, 'the second Gazebo')
    assert rig.physics.close() is False
    rig.may_make.set()
    until(lambda: len(rig.made) == 2 and rig.made[1].ended, 'the end of the second Gazebo')
    assert rig.lost == []


@pytest.mark.parametrize('error', [ValueError('four parts'), OSError('no space left')])
def test_error_that_is_none_of_the_cell_ends_the_node_in_a_turn(
    rig: Rig, error: Exception
) -> None:
    rig.made[0].error = error
    rig.physics.use(True)
    until(lambda: rig.lost, 'the end to be told')
    assert rig.lost == [error]
    assert rig.heard.motions[-1] == str(error), 'the figures do not tell what was lost'


def test_gazebo_that_cannot_be_made_anew_ends_the_node(rig: Rig) -> None:
    rig.error = OSError('no space left')
    rig.physics.place({'nest_01': 'vial_01'})
    until(lambda: rig.lost, 'the end to be told')
    assert rig.lost == [rig.error]


def test_vial_that_leaves_is_taken_out_when_the_fingers_close_next(rig: Rig) -> None:
    rig.physics.place({'nest_01': 'vial_01', 'nest_02': 'vial_02'})
    until(lambda: len(rig.made) == 2, 'the world of the batch')
    rig.physics.take('vial_01')
    rig.physics.take('vial_of_nobody')
    rig.physics.grip(closed=False)
    rig.physics.use(True)
    assert rig.made[1].taken == []
    rig.physics.grip(closed=True)
    until(lambda: rig.made[1].taken, 'the vial to leave')
    rig.physics.grip(closed=True)
    rig.physics.close()
    assert rig.made[1].taken == ['vial_01']


def test_collision_is_told_once_and_with_it_the_figures(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gazebo_lock_step, 'MOTION_S', math.inf)
    until(lambda: rig.heard.turns == 2, 'the first turn')
    told = len(rig.heard.motions)
    rig.made[0].collided = ('a touched b',)
    rig.physics.use(True)
    until(lambda: rig.heard.turns == 3, 'the turn with the collision')
    rig.physics.use(True)
    until(lambda: rig.heard.turns == 4, 'the turn after it')
    assert rig.heard.collisions == [('a touched b',)]
    assert len(rig.heard.motions) == told + 1


def test_figures_are_told_when_the_arm_was_used_and_not_at_each_turn(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gazebo_lock_step, 'MOTION_S', math.inf)
    until(lambda: rig.heard.turns == 2, 'the first turn')
    told = len(rig.heard.motions)
    rig.physics.use(True)
    until(lambda: rig.heard.turns == 3, 'a turn in use')
    assert len(rig.heard.motions) == told
    rig.physics.use(False)
    until(lambda: rig.heard.turns == 4, 'the turn after its use')
    assert len(rig.heard.motions) == told + 1


def test_what_moves_beside_the_arm_is_told_in_its_order_and_what_cannot_is_refused(
    rig: Rig,
) -> None:
    rig.physics.drive('needle_joint', 0.1, 99.0)
    rig.physics.seen('', 'fill', 99.5)
    rig.physics.closed('vial_01', 99.6)
    rig.physics.lost('vial_01', 99.7)
    with pytest.raises(InputError, match='is none of needle_joint'):
        rig.physics.drive('joint_1', 0.1, 99.8)
    until(lambda: len(rig.made[0].told) == 4, 'the physics to be told')
    assert rig.made[0].told == [
        ('drive', 'needle_joint', 0.1),
        ('seen', '', 'fill'),
        ('closed', 'vial_01'),
        ('lost', 'vial_01'),
    ]


def test_turn_comes_when_what_moves_beside_the_arm_stands(rig: Rig) -> None:
    until(lambda: rig.clock.asleep_s == REST_PERIOD_S, 'the first rest')
    rig.made[0].running.moves_for_s = 2.5
    rig.physics.drive('needle_joint', 0.1, 100.0)
    until(lambda: rig.clock.asleep_s == 2.5, 'a turn at the end of the motion')


def test_poses_are_told_when_the_arm_was_used_and_not_at_each_motion(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gazebo_lock_step, 'POSES_S', math.inf)
    until(lambda: rig.heard.turns == 2, 'the first turn')
    told = len(rig.heard.logs)
    rig.clock.wake('')
    until(lambda: rig.heard.turns == 3, 'a turn in which nothing has moved')
    assert len(rig.heard.logs) == told
    rig.made[0].running.physics_s = 1.0
    rig.physics.use(True)
    until(lambda: rig.heard.turns == 4, 'a turn in use')
    assert len(rig.heard.logs) == told
    rig.physics.use(False)
    until(lambda: rig.heard.turns == 5, 'the turn after its use')
    assert len(rig.heard.logs) == told + 1
    rig.made[0].running.physics_s = 2.0
    rig.clock.wake('')
    until(lambda: rig.heard.turns == 6, 'a turn after something else has moved')
    assert len(rig.heard.logs) == told + 1
    rig.made[0].running.rests = False
    rig.physics.seen('other.vial', 'fill', 100.0)
    until(lambda: rig.heard.turns == 7, 'a turn in which what people did still moves')
    assert len(rig.heard.logs) == told + 1
    rig.made[0].running.rests = True
    rig.clock.wake('')
    until(lambda: rig.heard.turns == 8, 'a turn in which it stands')
    assert len(rig.heard.logs) == told + 2


class Told:
    """Stands in for physics: keeps what it is told."""

    def __init__(self) -> None:
        self.placed: list[dict[str, str]] = []
        self.taken: list[str] = []
        self.told: list[tuple[Any, ...]] = []
        self.ended = False

    def place(self, vials: dict[str, str]) -> None:
        self.placed.append(vials)

    def take(self, vial: str) -> None:
        self.taken.append(vial)

    def drive(self, joint: str, position: float, at_s: float) -> None:
        self.told.append(('drive', joint, position, at_s))

    def seen(self, vial: str, station: str, at_s: float) -> None:
        if station == 'nowhere':
            raise InputError(ErrorCode.UNKNOWN_STATION, 'is none of fill', field=station)
        self.told.append(('seen', vial, station, at_s))

    def lost(self, vial: str, at_s: float) -> None:
        self.told.append(('lost', vial, at_s))

    def closed(self, vial: str, at_s: float) -> None:
        self.told.append(('closed', vial, at_s))

    def close(self) -> bool:
        self.ended = True
        raise OSError('a folder is not empty')


def containers(batch: str = BATCH, **locations: str) -> Containers:
    """Return the inventory of a batch: where each of its vials is."""
    return Containers(
        batch_id=batch,
        containers=[
            ContainerState(container=f'{batch}.{name}', name=name, kind='vial', location=location)
            for name, location in locations.items()
        ],
    )


@pytest.fixture(params=['', 'own.world'])
def node(request: pytest.FixtureRequest, config: CellConfig) -> Iterator[GazeboNode]:
    made = GazeboNode(config=config, parameter_overrides=overrides(world=request.param))
    made._physics = Told()  # type: ignore[assignment]
    yield made
    made.destroy_node()


def test_vial_that_is_handed_over_or_rejected_or_gone_leaves_once(node: GazeboNode) -> None:
    told: Any = node._physics
    nest = {f'vial_{at:02d}': f'fill_robot/nest_{at:02d}' for at in range(1, 5)}
    node._place(containers(**nest))
    node._place(containers(**nest | {'vial_01': 'fill_robot/fill'}))
    assert told.taken == []
    node._place(containers(**nest | {'vial_01': 'fill_robot/handover'}))
    assert told.taken == ['vial_01']
    ends = {'vial_01': 'fill_robot/handover', 'vial_02': 'fill_robot/reject', 'vial_03': 'floor'}
    node._place(containers(**nest | ends))
    node._place(containers(**nest | ends))
    assert told.taken == ['vial_01', 'vial_02', 'vial_03']
    node._place(containers('MC-TEST-0002', vial_01='fill_robot/nest_01'))
    assert told.taken == ['vial_01', 'vial_02', 'vial_03'], 'vials of the batch before'


def test_batch_that_goes_on_has_no_vial_at_the_shared_places(node: GazeboNode) -> None:
    told: Any = node._physics
    ends = {'vial_01': 'fill_robot/handover', 'vial_02': 'fill_robot/reject'}
    node._place(containers(vial_03='fill_robot/cap', **ends))
    own_world = bool(node.parameters.world)
    assert told.placed == ([] if own_world else [{'cap': 'vial_03'}])
    node._place(containers(vial_03='fill_robot/handover', **ends))
    assert told.taken == ['vial_03']


def test_deactivation_lets_go_of_the_world_when_gazebo_does_not_end(node: GazeboNode) -> None:
    told: Any = node._physics
    client: Any = Told()
    client.close = lambda: client.placed.append({})
    node._client = client
    with pytest.raises(OSError, match='not empty'):
        node.deactivate()
    assert told.ended
    assert client.placed == [{}]
    node.deactivate()


def test_joints_that_a_device_tells_are_driven_and_wrong_ones_leave_all_as_it_is(
    node: GazeboNode,
) -> None:
    told: Any = node._physics
    stamp = Time(sec=100)
    message = JointState(name=['needle_joint', 'bay_1_door_joint'], position=[0.1, 1.75])
    node._drive(message)
    message.header.stamp = stamp
    node._drive(JointState(header=message.header, name=['needle_joint'], position=[]))
    node._drive(JointState(header=message.header, name=['needle_joint'], position=[math.nan]))
    assert told.told == []
    node._drive(message)
    assert told.told == [
        ('drive', 'needle_joint', 0.1, 100.0),
        ('drive', 'bay_1_door_joint', 1.75, 100.0),
    ]


def test_containers_that_the_robot_sees_are_told_to_the_physics(node: GazeboNode) -> None:
    told: Any = node._physics
    seen = [
        ContainerState(name='vial_01', location='fill_robot/beside_nest_01'),
        ContainerState(location='fill_robot/fill'),
        ContainerState(name='vial_02', location='fill_robot/nowhere'),
        ContainerState(name='vial_03', location='floor'),
        ContainerState(name='vial_04', condition='stoppered'),
    ]
    node._batch = BATCH
    node._see(Containers(stamp=Time(sec=100), batch_id=BATCH, containers=seen))
    left = ContainerState(container='other.vial_1', name='vial_1', location='fill_robot/cap')
    node._see(Containers(stamp=Time(sec=101), batch_id='other', containers=[left]))
    assert told.told == [
        ('seen', 'vial_01', 'beside_nest_01', 100.0),
        ('seen', '', 'fill', 100.0),
        ('lost', 'vial_03', 100.0),
        ('closed', 'vial_04', 100.0),
        ('seen', 'other.vial_1', 'cap', 101.0),
    ]


def test_vials_that_the_batch_has_closed_need_no_air(node: GazeboNode) -> None:
    told: Any = node._physics
    message = containers(vial_01='fill_robot/cap', vial_02='fill_robot/nest_02')
    message.containers[0].condition = 'stoppered'
    message.stamp = Time(sec=100)
    node._place(message)
    assert told.told == [('closed', 'vial_01', 100.0)]
