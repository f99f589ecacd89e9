"""The commands of `./medicell` that run inside the workspace, in the order of its help."""

from __future__ import annotations

COMMANDS = {
    'run': 'run one batch from a recipe, a patient and a seed',
    'launch': 'start a cell of one process per node, as ros2 launch does',
    'status': "ask a running cell's nodes for the state of their lifecycle",
    'command': "hold, resume or abort a running cell's batch, answer its question",
    'verify': "check a batch record's chain, checkpoints and signatures",
    'sign': 'sign a batch that has ended, close a deviation, or see what is open',
    'export': 'write a batch that has ended to one archive, readable without this software',
    'users': "the cell's accounts: list, add, change, unlock",
    'upgrade': 'bring the tables of an older record, or of older accounts, to those of today',
    'tree': 'draw a recipe as its behaviour tree',
    'model': "check the cell's model, write it as URDF, draw it",
    'study': 'compare the culture model with published tables, or over many seeds',
    'bench': 'measure what a batch costs on this machine',
    'vision': 'find the cells of pictures from outside: tables, and the cells drawn into them',
    'faults': 'try every fault at every phase where it can happen, and judge what came of it',
    'docs': 'build the documentation as a site, with every link checked',
}
"""By name: what it is for. Each is a function of its name in medicell_bringup.commands.<name>."""
