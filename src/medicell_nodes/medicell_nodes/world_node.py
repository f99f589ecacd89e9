"""The simulated world as a lifecycle node: it owns the truth and the cell's time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from medicell_interfaces.msg import DeviceState, FaultStatus, Waiting
from medicell_interfaces.srv import (
    CallWorld,
    GetBalance,
    GetFaults,
    InjectFault,
    LoadKit,
    RemedyFault,
)
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.publisher import Publisher
from rclpy.task import Future
from rosgraph_msgs.msg import Clock as ClockMessage

from medicell_core.containers import Material
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_devices.cell_config import CellConfig
from medicell_nodes.call_memory import Caller, CallMemory, caller_of, remembered
from medicell_nodes.clock_teller import ClockTeller
from medicell_nodes.world_calls import WAITING, world_verb
from medicell_ros import qos
from medicell_ros.conversion import from_message, time_to_message, to_message
from medicell_ros.host import on_executor
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.node_parameters import DEVICES, GAZEBO, WORLD, WorldParameters
from medicell_ros.parameters import declare
from medicell_sim.history.callers import Asked, Turn
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

CALLERS_PERIOD_S = 1.0
"""Wall seconds between two looks at whether the processes that took time still live."""
RETURN_S = 20.0
"""Wall seconds in which who took time of a world before it was taken up must be seen again."""


class WorldNode(ManagedNode):
    """Owns the world; publishes the cell's `clock` as it goes on, and `~/state`.

    `~/load_kit`, `~/inject_fault`, `~/remedy_fault`, `~/get_faults` and `~/get_balance` serve
    the scenario, `~/call` the drivers of other processes. `orchestrator/waiting` lets time
    go on. Time stands until the first such word. When a caller's node disappears from the
    graph, everything it had begun is ended, so that a killed device cannot hold time, and its
    pumps stop by their fail-safes. With a `history` it is the world of the process before: calls
    that are asked again are done once, and who slept sleeps on.
    """

    def __init__(self, *, config: CellConfig, **arguments: Any) -> None:
        super().__init__(WORLD, **{'namespace': config.cell, **arguments})
        self.parameters = declare(self, WorldParameters)
        self._config = config
        self._world: World | None = None
        self._instance = 0
        self._teller: ClockTeller | None = None
        self._owners: dict[str, Caller] = {}
        self._newest: dict[str, Caller] = {}
        self._calls: dict[Caller, CallMemory] = {}
        self._away: dict[str, Turn] = {}
        self._away_until_s = 0.0
        self._entities: list[Callable[[], object]] = []
        self._clock_publisher: Publisher = self.create_publisher(
            ClockMessage, '/clock', qos.clock()
        )
        self._state_publisher = self.create_publisher(DeviceState, '~/state', qos.living())

    @property
    def world(self) -> World:
        """The world, for nodes of the same process; raises NOT_ACTIVE before `configure`."""
        if self._world is None:
            raise MedicellError(ErrorCode.NOT_ACTIVE, 'the world is not configured')
        return self._world

    @property
    def serves(self) -> tuple[str, ...]:
        """The devices, which take their time from the world, and Gazebo where it runs."""
        return (*DEVICES, GAZEBO)

    def configure(self) -> None:
        """Make the world; its time stands."""
        model = self.parameters.model
        history = self.parameters.history
        self._teller = ClockTeller(self._tell_time)
        self._world = World(
            load_parameters(Path(model) if model else None),
            self.parameters.seed,
            paused_until_idle=True,
            speed=self.parameters.speed or math.inf,
            rest_pace=self.parameters.rest_pace,
            bays=list(self._config.incubator.bays),
            on_time=self._teller.tell,
            history=Path(history) if history else None,
            sync_history=self.parameters.sync_history,
        )
        self._instance = self._world.identity
        if self._world.taken_up:
            self._take_up(self._world)
        self._tell_state(PackMLState.STOPPED)
        self._teller.tell(self._world.now_s())

    def _take_up(self, world: World) -> None:
        """Go on with a world: after a gap all devices have died, after none some may live."""
        self.get_logger().info(f'the world is taken up, as {world.calls} calls have made it')
        turns = dict(world.callers.turns)
        gap_s = self.parameters.back_s - world.now_s()
        if gap_s > 0.0:
            for owner in turns:
                world.drop_turn(owner)
            world.abandoned(gap_s)
            return
        # What ran for devices of the world's own process died with it.
        for owner in sorted(world.pumping() - turns.keys()):
            world.lost(owner)
        self._calls = remembered(world.callers.answers(), self._instance)
        self._owners = {owner: caller_of(turn.asked) for owner, turn in turns.items()}
        self._newest = {item.node: item for item in (*self._calls, *self._owners.values())}
        self._away, self._away_until_s = turns, time.monotonic() + RETURN_S

    def activate(self) -> None:
        """Serve the scenario and the drivers."""
        services: list[tuple[Any, str, Callable[..., Any]]] = [
            (LoadKit, 'load_kit', self._load),
            (InjectFault, 'inject_fault', self._inject),
            (RemedyFault, 'remedy_fault', self._remedy),
            (GetFaults, 'get_faults', self._faults),
            (GetBalance, 'get_balance', self._balance),
        ]
        for kind, name, verb in services:
            made = self.create_service(kind, f'~/{name}', self.answering(verb))
            self._entities.append(partial(self.destroy_service, made))
        # A coroutine holds an exclusive group while it awaits, and no other call would be heard.
        call = self.create_service(
            CallWorld,
            '~/call',
            self._call,
            qos_profile=qos.calls(),
            callback_group=ReentrantCallbackGroup(),
        )
        waiting = self.create_subscription(
            Waiting, 'orchestrator/waiting', self.guarded(self._idle), qos.latched()
        )
        timer = self.create_timer(CALLERS_PERIOD_S, self.guarded(self._end_lost_callers))
        self._entities += [
            partial(self.destroy_service, call),
            partial(self.destroy_subscription, waiting),
            partial(self.destroy_timer, timer),
        ]
        self._tell_state(PackMLState.EXECUTE)

    def deactivate(self) -> None:
        """Serve no more; time stands, since nobody can say that it may go on."""
        for destroy in self._entities:
            destroy()
        self._entities = []
        if self._world is not None:
            self._tell_state(PackMLState.STOPPED)

    def cleanup(self) -> None:
        """Close the world: what still sleeps in it ends with WORLD_CLOSED."""
        if self._world is not None:
            self._world.close()
        if self._teller is not None:
            self._teller.close()
        self._world = self._teller = None
        self._owners, self._newest, self._calls, self._away = {}, {}, {}, {}

    def _load(self, request: Any, _reply: Any) -> None:
        for field in ('batch_id', 'materials', 'apheresis_label'):
            if not getattr(request, field):
                raise MedicellError(ErrorCode.INVALID_GOAL, f'{field}: must not be empty')
        try:
            materials = [from_message(Material, item) for item in request.materials]
        except ValueError as error:
            raise MedicellError(ErrorCode.INVALID_GOAL, f'materials: {error}') from error
        self.world.load(request.batch_id, materials, request.apheresis_label)

    def _inject(self, request: Any, _reply: Any) -> None:
        self.world.inject(request.name, request.phase)

    def _remedy(self, request: Any, _reply: Any) -> None:
        self.world.remedy(request.name)

    def _faults(self, _request: Any, reply: Any) -> None:
        reply.faults = [to_message(fault, FaultStatus()) for fault in self.world.faults()]

    def _balance(self, _request: Any, reply: Any) -> None:
        to_message(self.world.balance(), reply)

    def _idle(self, message: Waiting) -> None:
        self.world.idle(message.sequence, list(message.operation_ids))

    async def _call(
        self, request: CallWorld.Request, reply: CallWorld.Response
    ) -> CallWorld.Response:
        """Perform a verb of the port once; `begin` and `sleep` answer when it is their turn."""
        caller = Caller(node=request.client, incarnation=request.incarnation)
        calls = self._calls.setdefault(caller, CallMemory())
        earlier = calls.recall(request.call, request.oldest)
        if earlier is not None:
            return earlier
        try:
            reply.world = self._instance
            self._check_meant(request)
            self._meet(caller)
            reply.result_json = await self._perform(request)
        except Exception as error:
            self.refuse(reply, error)
        reply.now_s = math.nan if self._world is None else self._world.now_s()
        calls.keep(request.call, reply)
        return reply

    async def _perform(self, request: CallWorld.Request) -> str:
        """Perform a verb and return its result as JSON."""
        verb = world_verb(request.verb)
        arguments = verb.decode_arguments(request.arguments_json)
        asked = Asked(
            node=request.client,
            incarnation=request.incarnation,
            call=request.call,
            oldest=request.oldest,
        )
        if verb.name in WAITING:
            await self._take_turn(arguments['owner'], arguments.get('duration_s'), asked)
            return verb.encode_result(None)
        if request.call == 0:
            value = getattr(self.world, verb.name)(**arguments)
        else:
            with self.world.asked_by(asked):
                value = getattr(self.world, verb.name)(**arguments)
        self._note(verb.name, arguments, caller_of(asked))
        return verb.encode_result(value)

    def _check_meant(self, request: CallWorld.Request) -> None:
        """Refuse a call that was meant for another world."""
        if request.world not in (0, self._instance):
            raise MedicellError(
                ErrorCode.WORLD_CLOSED,
                f'{request.verb}: this is another world than before, which knows nothing of what '
                'was done',
            )

    def _meet(self, caller: Caller) -> None:
        """Know who calls; what an earlier node of its name had begun is ended.

        Raises INVALID_GOAL for a late call of an earlier one: the newer is not ended by it.
        """
        known = self._newest.get(caller.node)
        if known == caller:
            return
        if known is not None and caller.incarnation < known.incarnation:
            self._calls.pop(caller, None)
            raise MedicellError(
                ErrorCode.INVALID_GOAL,
                f'incarnation: {caller.incarnation} of {caller.node} is over; '
                f'{known.incarnation} is newer',
            )
        self._newest[caller.node] = caller
        if known is not None:
            self._calls.pop(known, None)
            self._end_owners_of(known)

    async def _take_turn(self, owner: str, duration_s: float | None, asked: Asked) -> None:
        """Wait for an owner's turn: the one it begins with, or the one after a duration."""
        turn: Future = Future()

        def called(error: MedicellError | None) -> None:
            on_executor(self, turn.set_result, error)

        world, away = self.world, self._away.pop(owner, None)
        until_s = world.now_s() + max(0.0, duration_s or 0.0)
        if away is not None and away.asked.call == asked.call:
            until_s = away.until_s
        if duration_s is None or away is not None:
            world.timeline.begin_async(owner, called, wake_s=until_s)
        else:
            world.timeline.sleep_async(owner, duration_s, called)
        self._owners[owner] = caller_of(asked)
        try:
            world.keep_turn(owner, asked, until_s)
        except MedicellError:
            world.end(owner)
            raise
        error: MedicellError | None = await turn
        if error is not None:
            raise error

    def _note(self, verb: str, arguments: dict[str, Any], caller: Caller) -> None:
        """Keep who has announced which owner of time."""
        if verb == 'register':
            self._owners[arguments['owner']] = caller
        elif verb == 'end':
            self._owners.pop(arguments['owner'], None)
            self._away.pop(arguments['owner'], None)
            self.world.drop_turn(arguments['owner'])

    def _end_lost_callers(self) -> None:
        """End what callers had begun whose node is no longer in the graph."""
        alive = {
            f'{namespace.rstrip("/")}/{name}'
            for name, namespace in self.get_node_names_and_namespaces()
        }
        coming = time.monotonic() < self._away_until_s
        for caller in set(self._owners.values()):
            if caller.node not in alive and not (coming and self._is_away(caller)):
                self._end_owners_of(caller)

    def _is_away(self, caller: Caller) -> bool:
        """Whether a caller has not been heard of since the world was taken up."""
        return any(caller_of(turn.asked) == caller for turn in self._away.values())

    def _end_owners_of(self, gone: Caller) -> None:
        for owner, caller in list(self._owners.items()):
            if caller == gone:
                del self._owners[owner]
                self._away.pop(owner, None)
                self.get_logger().warning(f'{gone.node} has gone: ending {owner}')
                self.world.lost(owner)
                self.world.drop_turn(owner)

    def _tell_time(self, now_s: float) -> None:
        """Publish the time, uncounted: how often depends on the wall."""
        self._clock_publisher.publish(ClockMessage(clock=time_to_message(now_s)))

    def _tell_state(self, state: PackMLState) -> None:
        message = DeviceState(
            stamp=time_to_message(self.world.now_s()), role=WORLD, state=int(state)
        )
        self.send(self._state_publisher, message, sequence=True)
