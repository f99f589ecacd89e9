"""One pair of poses of `medicell bench motion`: drawn, planned, checked again, given to OMPL."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from medicell_bringup.bench.motion_ompl import rrt_connect
from medicell_core.errors import ErrorCode, MedicellError
from medicell_motion.arm import Array
from medicell_motion.body import BASE, PART_OF_LINK
from medicell_motion.cell import Plan, RobotCell
from medicell_motion.description import Description, parse
from medicell_motion.measuring import measure_first_air, smallest_gap_m
from medicell_motion.scene import Surroundings
from medicell_motion.shapes import Solid

SOLVED, BLOCKED, UNSOLVED = 'solved', 'proved blocked', 'unsolved'
EMPTY, CARRYING = 'empty hand', 'open vial'
SCENES = (EMPTY, CARRYING)
PROOFS = (ErrorCode.FIRST_AIR_BREACH, ErrorCode.PATH_BLOCKED, ErrorCode.OUT_OF_REACH)
"""Refusals that prove a pair blocked, by the bodies or the reach that they name."""

OPEN_VIALS = 12
FINER = 4
_NEAREST_M, _FURTHEST_M = 0.25, 0.88
_HEIGHTS_M = (0.08, 0.80)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A start, a goal and what stands around.

    `start` has the postures of which one is taken, (k, 6): one of an empty hand, all of the
    pose in which a vial is carried. `goal` is a pose of the tip.
    """

    scene: str
    start: Array
    goal: Array
    around: Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """What became of a pair; times are CPU time of the planning thread.

    `text` is the refusal's. `gap_m`, `air_gap_m` and `breaches` are what the second
    implementation finds in the plan. `ompl` is empty where OMPL was not asked.
    """

    index: int
    scene: str
    outcome: str
    text: str
    cpu_s: float
    edges: int
    duration_s: float
    gap_m: float
    air_gap_m: float
    breaches: int
    ompl: str
    ompl_cpu_s: float


def solve(seed: int, indices: Sequence[int], ompl_every: int) -> list[Solved]:
    """Draw, plan and check some pairs on one core."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[(indices[0] // max(1, len(indices))) % len(cores)]})
    try:
        return [
            _solve(seed, index, with_ompl=index % ompl_every < len(SCENES)) for index in indices
        ]
    finally:
        os.sched_setaffinity(0, cores)


def draw(cell: RobotCell, seed: int, index: int) -> Pair:
    """Draw a pair: even ones with an empty hand, odd ones carrying an open vial upright.

    Start and goal are reachable and free. Of the nest's vials twelve are open.
    """
    chance = np.random.default_rng([seed, index])
    scene = SCENES[index % len(SCENES)]
    nest = [name for name in cell.stations if name.startswith('nest_')]
    carrying = scene == CARRYING
    standing = frozenset(nest[1:] if carrying else nest)
    around = Surroundings(
        occupied=standing,
        uncovered=frozenset(chance.choice(sorted(standing), OPEN_VIALS, replace=False)),
        carrying=carrying,
        carried_open=carrying,
    )
    cell.planner.scene.look(around)
    free = _free_upright if carrying else _free
    start, goal = (free(cell, chance) for _ in range(2))
    return Pair(scene=scene, start=start, goal=cell.geometry.arm.forward(goal[0]), around=around)


def answer(cell: RobotCell, pair: Pair, *, seed: int) -> tuple[Plan | None, str, str]:
    """Return the plan of a pair, what became of it, and the text of a refusal.

    Only a refusal that is a proof counts as blocked.
    """
    try:
        plan = cell.plan_to(pair.goal, posture=pair.start, around=pair.around, seed=seed)
    except MedicellError as error:
        return None, BLOCKED if error.code in PROOFS else UNSOLVED, error.message
    return plan, SOLVED, ''


def _solve(seed: int, index: int, *, with_ompl: bool) -> Solved:
    cell = _cell()
    pair = draw(cell, seed, index)
    begun_s = time.thread_time()
    plan, outcome, text = answer(cell, pair, seed=index)
    cpu_s = time.thread_time() - begun_s
    edges = cell.planner.edges
    gap_m, air_gap_m, breaches = (
        (np.inf, np.inf, 0) if plan is None else _checked(cell, pair, plan)
    )
    ompl, ompl_cpu_s = '', 0.0
    if with_ompl:
        found, ompl_cpu_s = rrt_connect(cell, pair.start, pair.goal, pair.around, seed=index + 1)
        ompl = SOLVED if found else UNSOLVED
    return Solved(
        index=index,
        scene=pair.scene,
        outcome=outcome,
        text=text,
        cpu_s=cpu_s,
        edges=edges,
        duration_s=0.0 if plan is None else plan.duration_s,
        gap_m=gap_m,
        air_gap_m=air_gap_m,
        breaches=breaches,
        ompl=ompl,
        ompl_cpu_s=ompl_cpu_s,
    )


def _checked(cell: RobotCell, pair: Pair, plan: Plan) -> tuple[float, float, int]:
    """Return the smallest gap to bodies and to open air, and the breaches, of a plan.

    By kinematics, shapes and a reading of the URDF that the planner does not use.
    """
    count = FINER * (len(plan.times_s) - 1) + 1
    times = np.linspace(0.0, plan.duration_s, count)
    positions = np.column_stack(
        [np.interp(times, plan.times_s, axis) for axis in plan.positions_rad.T]
    )
    carrying = pair.around.carrying
    gap_m, _, _ = smallest_gap_m(
        cell.geometry, positions, _solids(), occupied=pair.around.occupied, carrying=carrying
    )
    air = measure_first_air(
        cell.geometry,
        times,
        positions,
        open_stations=pair.around.uncovered,
        carried_from_s=0.0 if carrying else None,
    )
    return gap_m, air.gap_m, len(air.breaches)


def _free(cell: RobotCell, chance: np.random.Generator) -> Array:
    """Draw a posture that is free, (1, 6)."""
    arm = cell.geometry.arm
    while True:
        posture = chance.uniform(arm.lower_limit_rad, arm.upper_limit_rad)
        if cell.planner.scene.free(posture):
            return np.asarray(posture[None])


def _free_upright(cell: RobotCell, chance: np.random.Generator) -> Array:
    """Draw a place and an azimuth of an upright vial; return the free postures, (k, 6)."""
    while True:
        radius = chance.uniform(_NEAREST_M, _FURTHEST_M)
        around, azimuth = chance.uniform(-np.pi, np.pi, 2)
        height = chance.uniform(*_HEIGHTS_M)
        sine, cosine = np.sin(azimuth), np.cos(azimuth)
        pose = np.eye(4)
        pose[:3, :3] = [[0.0, -sine, cosine], [0.0, cosine, sine], [-1.0, 0.0, 0.0]]
        pose[:3, 3] = [radius * np.cos(around), radius * np.sin(around), height]
        free = [q for q in cell.geometry.arm.postures(pose) if cell.planner.scene.free(q)]
        if free:
            return np.asarray(free)


@lru_cache(maxsize=1)
def _cell() -> RobotCell:
    """Return this process's cell."""
    return RobotCell.shipped()


@lru_cache(maxsize=1)
def _solids() -> tuple[Solid, ...]:
    """Return the fixed bodies of the model in the robot's base frame."""
    return solids(parse(_cell().model()))


def solids(description: Description) -> tuple[Solid, ...]:
    """Return all collision bodies of a description but the arm's own, in the arm's base frame."""
    poses = description.poses({})
    base = np.linalg.inv(poses[BASE])
    return tuple(
        Solid(
            name=PART_OF_LINK.get(name, name),
            pose=base @ poses[name] @ shape.origin,
            size_m=shape.size,
        )
        for name, link in description.links.items()
        for shape in link.collisions
        if name == BASE or name not in PART_OF_LINK
    )
