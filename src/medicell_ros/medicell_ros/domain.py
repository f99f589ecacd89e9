"""How programs open ROS for a cell: its clock, its transport, a domain for each run and test."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from medicell_core.errors import ErrorCode, InputError, MedicellError

DOMAINS = range(1, 101)
"""Domain ids whose ports are below the ephemeral ones on Linux."""

VARIABLE = 'ROS_DOMAIN_ID'

CELL_CLOCK = ('--ros-args', '-r', '/clock:=clock')
"""The rule by which a node's time is the topic `clock` of its namespace, that of its cell."""

REACH_VARIABLE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
"""How far ROS looks for others: LOCALHOST, SUBNET, or what the middleware is set to."""

CLAIMS = 'medicell/'
SOCKETS = Path('/proc/net/unix')
"""Where Linux lists the sockets by which programs on this machine's network have claims."""

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""By which Fast DDS is given a file of profiles; the first one is read by every version."""

NETWORK_PROFILE = Path(__file__).with_name('dds.xml')
LOCALHOST_PROFILE = Path(__file__).with_name('dds_localhost.xml')


def open_ros(arguments: Sequence[str] = (), *, context: Context | None = None) -> None:
    """Initialise ROS for nodes of cells, with a program's arguments; signals stay its own.

    Every node then publishes and hears its cell's `clock` where ROS says `/clock`. A rule for
    `/clock` among the arguments comes first, and counts. Fast DDS gets a profile of this
    package, unless the environment names another.
    """
    _set_transport()
    rclpy.init(
        args=[*arguments, *CELL_CLOCK],
        context=context,
        signal_handler_options=SignalHandlerOptions.NO,
    )


def _set_transport() -> None:
    """Have Fast DDS use UDP alone, as far as this machine or beyond, as the environment says.

    For LOCALHOST rmw_fastrtps adds shared memory to whatever a profile says. So a profile says
    what LOCALHOST means, and ROS is told to leave it at that; processes started from here
    inherit both. Peers that the environment lists are ROS's own affair.
    """
    # This package may be installed in several places, of which each may start the others.
    given = {Path(os.environ[name]).parts[-2:] for name in PROFILE_VARIABLES if name in os.environ}
    if given - {NETWORK_PROFILE.parts[-2:], LOCALHOST_PROFILE.parts[-2:]}:
        return
    reach = os.environ.get(REACH_VARIABLE, '')
    is_told = reach == 'SYSTEM_DEFAULT' and LOCALHOST_PROFILE.parts[-2:] in given
    is_fast_dds = os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps').startswith('rmw_fastrtps')
    is_local = reach == 'LOCALHOST' and is_fast_dds and not os.environ.get('ROS_STATIC_PEERS')
    if is_local:
        os.environ[REACH_VARIABLE] = 'SYSTEM_DEFAULT'
    profile = LOCALHOST_PROFILE if is_local or is_told else NETWORK_PROFILE
    os.environ[PROFILE_VARIABLES[0]] = str(profile)


@contextmanager
def own_domain() -> Iterator[int]:
    """Claim a domain in which nobody has a cell or a claim, for the time of the context.

    Raises COMMUNICATION_LOST when all domains are in use.
    """
    first = os.getpid() % len(DOMAINS)
    with ExitStack() as held:
        for domain in [*DOMAINS[first:], *DOMAINS[:first]]:
            if _has_nodes(domain):
                continue
            with suppress(OSError):
                held.enter_context(_claim(f'{domain}'))
                break
        else:
            raise MedicellError(
                ErrorCode.COMMUNICATION_LOST,
                f'all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are in use on this machine',
            )
        yield domain


@contextmanager
def claimed(nodes: Iterable[str]) -> Iterator[None]:
    """Claim nodes by their full names in the environment's domain for the time of the context.

    Two nodes of one name would both take each goal. Raises InputError for a name that is claimed
    already.
    """
    domain = os.environ.get(VARIABLE, '0')
    with ExitStack() as held:
        for node in nodes:
            try:
                held.enter_context(_claim(f'{domain}{node}'))
            except OSError as error:
                raise InputError(
                    ErrorCode.DEVICE_BUSY,
                    f'{domain}: {node} is up in this domain on this machine: end that cell, make'
                    ' the batch on it (`medicell run --join`), or give this one a domain or a'
                    ' namespace of its own',
                    field=VARIABLE,
                ) from error
        yield


def _claim(name: str) -> socket.socket:
    """Return an open claim of a name; raises OSError when somebody has it.

    It is an abstract socket, so it holds against everybody on this machine's network, and ends
    with the process however that ends.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f'\0{CLAIMS}{name}')
    except OSError:
        claim.close()
        raise
    return claim


def _has_nodes(domain: int) -> bool:
    """Tell whether somebody has claimed a node in a domain."""
    return f' @{CLAIMS}{domain}/' in SOCKETS.read_text(encoding='utf-8', errors='replace')
