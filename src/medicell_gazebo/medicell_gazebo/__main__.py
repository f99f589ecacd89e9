"""`python -m medicell_gazebo`: prepares Gazebo 11 on this machine, and carries one vial in it."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time

from medicell_core.errors import MedicellError
from medicell_gazebo import trees
from medicell_gazebo.checking import PARSER
from medicell_gazebo.gazebo11 import prepared
from medicell_gazebo.harmonic import nest_world
from medicell_gazebo.rehearsal import Rehearsal
from medicell_gazebo.sdf import Release
from medicell_motion.cell import RobotCell
from medicell_motion.expansion import expand_shipped

NEST_POSITIONS = 24
"""Of the shipped cell's nest: as many vials stand in a world that is printed."""
INTERRUPTED = 130
"""The exit code of a command that was told to end."""


def main() -> int:
    """Run a command of this module; returns its exit code."""
    parser = argparse.ArgumentParser(prog='python -m medicell_gazebo', description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('prepare', help='make Gazebo 11 and the parser of worlds, once')
    carry = commands.add_parser('carry', help='carry one vial under physics; print how it went')
    carry.add_argument('--start', default='nest_01', help='station where the vial stands')
    carry.add_argument('--goal', default='fill', help='station to which it is brought')
    world = commands.add_parser('world', help='print the world of the cell as SDF')
    world.add_argument('--simulator', choices=list(map(str, Release)), default='gazebo11')
    arguments = parser.parse_args()
    if arguments.command == 'world':
        print(nest_world(NEST_POSITIONS, Release(arguments.simulator)), end='')
        return 0
    # As Ctrl-C does: what was begun is taken back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun_s = time.monotonic()

    def tell(text: str) -> None:
        print(f'{time.monotonic() - begun_s:4.0f} s  {text}', flush=True)

    try:
        gazebo = prepared(tell)
        if arguments.command == 'prepare':
            trees.made(PARSER, tell)
            tell(f'ready in {trees.cache_folder()}')
            return 0
        cell = RobotCell.shipped()
        rehearsal = Rehearsal(gazebo, expand_shipped(), cell, {arguments.start: 'vial_01'})
        try:
            done = rehearsal.carry(arguments.start, arguments.goal, 'vial_01')
        finally:
            rehearsal.close()
    except MedicellError as error:
        print(f'{error.code.name}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return INTERRUPTED
    off_mm, tilt_deg = 1e3 * done.off_m, math.degrees(done.tilt_rad)
    print(f'peak tracking error      {1e3 * done.tracking_error_rad:.2f} mrad')
    print(f'vial off its station     {off_mm:.2f} mm, {tilt_deg:.2f} deg')
    print(f'first air, as measured   {len(done.air.breaches)} breaches')
    print(f'real-time factor         {done.cell_s / done.wall_s:.1f}')
    for contact in done.contacts:
        print(f'touched: {" and ".join(contact.bodies)}, at most {contact.force_n:.1f} N')
    return 0


if __name__ == '__main__':
    sys.exit(main())
