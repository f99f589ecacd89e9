"""The groups of `medicell bench`: what each is called, and the module that measures it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from medicell_bringup.bench.result import BenchOptions, Found, GroupResult, Say
from medicell_core.errors import InputError, MedicellError


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a group measures, for people."""

    title: str
    text: str
    of_imaging: bool = False
    """Whether it tells how right imaging is; such a group is measured only when it is named."""


GROUPS = {
    'batch': Group(
        title='A batch',
        text='`medicell run`, watched from outside. Memory is the sum of the peaks of all '
        'processes.',
    ),
    'start': Group(
        title='Start',
        text='From the start of the process to the moment when every node says that it is '
        'ready: `medicell run` in one process, `medicell launch` with one per node.',
    ),
    'rest': Group(
        title='A cell at rest',
        text='`medicell launch`, every node active, no batch. CPU time and memory as the kernel '
        'counts them, over windows of 20 s that begin 5 s after the start.',
    ),
    'tick': Group(
        title='Ticks of the trees',
        text='CPU time of one turn of all trees while every batch waits for its first operation: '
        'by the engine, by the engine with what the node publishes of it, and by bare py_trees '
        'of the same shape.',
    ),
    'action': Group(
        title='Actions',
        text='Weighing a bag, with journal and simulated time, against an action of the same '
        'type with a bare rclpy server and client, in the same arrangement of processes. '
        'They take turns, 50 of each for one value.',
    ),
    'messages': Group(
        title='Messages',
        text='One batch, heard by a subscriber in a process of its own. What was sent is the '
        "writer's own numbering from the first to the last message that was heard.",
    ),
    'vials': Group(
        title='Vials',
        text='The whole cycle of the fill robot for each vial, in simulated time: a nest of 24 in '
        'each world, whose instruments err by its seed. Errors are of the true volume. Every move '
        'is looked at again, four times as finely, by a second implementation.',
    ),
    'motion': Group(
        title='Moves',
        text='Random pairs of reachable, free poses in the shipped cell: every other one with an '
        'empty hand, and with an open vial that stays upright; twelve vials of the nest are '
        'open. Times are CPU time of one answer on one core, with collision, first air and '
        'timing. Every plan is checked again by a second implementation, four times as finely. '
        "Every tenth pair is given to OMPL's RRTConnect too, with 2 s of time and the same checks "
        'of postures.',
    ),
    'labels': Group(
        title='Labels',
        text='Labels of containers, rendered as a camera sees them under tilt, blur, glare and '
        'damage, and read as a driver reads them. Every picture is of another label. How bad each '
        'is goes from 0 to 1. The last kind is seen as in a cell as it should be, and read from '
        'up to three pictures.',
    ),
    'inspection': Group(
        title='Inspected vials',
        text='Rendered pictures of filled and closed vials, of every kind of defect in turn and '
        'more often hardly visible than gross; every third vial is good. All bear what is no '
        'defect: droplets, trails, print, scratches, bubbles, clumps of cells, mirrored lamps. '
        'How these look, and the seed, differ from those by which limits were set.',
        of_imaging=True,
    ),
    'vision': Group(
        title='Pictures with ground truth',
        text='Cells, nuclei and confluence of real pictures against what experts drew. A picture '
        'that the shipped network has learned from is judged by one that has not seen it. The '
        'plain counter is a threshold and a watershed. Cells that the edge cuts count for '
        'nothing in the detection of boxes.',
        of_imaging=True,
    ),
    'spoiled': Group(
        title='Pictures spoiled on purpose',
        text='Pictures of the data sets, and rendered ones, spoiled in one way each, by chance a '
        'little or much, written to a file and taken as `medicell vision` takes them. A figure is '
        'wrong when the count, or that of the dead, is off by more than one cell and 10 % from '
        'what is found in the same picture as it was. Nobody warns of a picture that is spoiled '
        'so little that its figure holds.',
        of_imaging=True,
    ),
    'history': Group(
        title='A cell that is kept',
        text='A batch in one process without ROS, in memory and with the history of its world and '
        "the devices' journals on disk, in turn, after one that is not counted. Then its world is "
        'taken up from its history, as after a kill at the end of the batch.',
    ),
    'recovery': Group(
        title='Killed and taken up',
        text='Batches in one process without ROS, killed with SIGKILL at random instants: three '
        'in four at a share of what their devices do, the others in the first 2 s of a process. '
        'A person is played who looks and has the rest done. Each batch is held against one that '
        'nobody interrupts, its record verified, its operations held against the journals, and '
        'volume and cells balanced. Then `medicell run` is killed and taken up by '
        '`medicell run --resume`; and each node of a launched cell is killed while it works, if '
        'that can be had within 5 s.',
    ),
    'month': Group(
        title='A simulated month',
        text='The cell incubates a vessel for 30 simulated days, one process per node. The '
        'slope is a least-squares line through the resident memory of days 3 to 30.',
    ),
}
"""By name, in the order in which they are measured; `measure` of bench.<name> does it."""


def run_group(name: str, options: BenchOptions, say: Say) -> GroupResult:
    """Measure a group; its failure is part of the result and ends no other group.

    Raises InputError for what is wrong with the options themselves.
    """
    try:
        measure = import_module(f'medicell_bringup.bench.{name}').measure
        found: Found = measure(options, say)
    except InputError:
        raise
    except MedicellError as error:
        text = f'{error.code.name} ({int(error.code)}): {error.message}'
        return GroupResult(name=name, found=Found(measures=()), error=text)
    except Exception as error:
        text = f'{type(error).__name__}: {error}'
        return GroupResult(name=name, found=Found(measures=()), error=text)
    return GroupResult(name=name, found=found)
