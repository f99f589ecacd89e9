"""OMPL's RRTConnect as it comes, on a pair of `medicell bench motion`."""

from __future__ import annotations

import time
from importlib.util import find_spec

import numpy as np

from medicell_motion.arm import Array
from medicell_motion.cell import RobotCell
from medicell_motion.scene import Surroundings
from medicell_motion.spaces import Line

TIME_S = 2.0
RESOLUTION_M = 0.005
"""Between two states that are checked on an edge, by the greatest travel of the arm."""


def rrt_connect(
    cell: RobotCell, starts: Array, goal: Array, around: Surroundings, *, seed: int
) -> tuple[bool, float]:
    """Return whether OMPL finds a way within its time, and how much CPU time it takes.

    It has the same coordinates, goals, checks of postures and spacing of checks as the planner;
    not its straight line, its margins, nor its edges that are kept up to where they are
    blocked. Neither is its way shortened nor timed.
    """
    if find_spec('ompl') is None:
        return False, 0.0
    from ompl import base, geometric, util  # noqa: PLC0415 - has no wheel for the newest Python

    util.noOutputHandler()
    util.RNG.setSeed(seed)
    search = cell.planner.search(upright=around.carrying and around.carried_open)
    cell.planner.scene.look(around)
    inner, begun_s = search.space, time.thread_time()
    goals = [item for item in cell.geometry.arm.postures(goal) if cell.planner.scene.free(item)]
    size = len(inner.weights)
    space = base.RealVectorStateSpace(size)
    bounds = base.RealVectorBounds(size)
    for axis in range(size):
        bounds.setLow(axis, float(inner.low[axis]))
        bounds.setHigh(axis, float(inner.high[axis]))
    space.setBounds(bounds)
    information = base.SpaceInformation(space)

    def valid(state: object) -> bool:
        place = np.array([state[axis] for axis in range(size)])  # type: ignore[index]
        line = Line(posture=starts[0], start=place, end=place)
        posture = inner.postures(line, np.zeros(1))[0]
        return bool(inner.arm.within_limits(posture)) and cell.planner.scene.free(posture)

    information.setStateValidityChecker(valid)
    widest = float(((inner.high - inner.low) * inner.weights).sum())
    information.setStateValidityCheckingResolution(RESOLUTION_M / widest)
    information.setup()
    problem = base.ProblemDefinition(information)
    for item in starts:
        problem.addStartState(_state(information, inner.coordinates(item)))
    ends = base.GoalStates(information)
    for item in goals:
        ends.addState(_state(information, inner.coordinates(item)))
    problem.setGoal(ends)
    planner = geometric.RRTConnect(information)
    planner.setProblemDefinition(problem)
    planner.setup()
    planner.solve(TIME_S)
    return bool(problem.hasExactSolution()), time.thread_time() - begun_s


def _state(information: object, place: Array) -> object:
    state = information.allocState()  # type: ignore[attr-defined]
    for axis, value in enumerate(place):
        state[axis] = float(value)
    return state
