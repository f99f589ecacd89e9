"""Two holders never share a domain, and a domain is free again when its holder lets go."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rclpy
from rclpy.context import Context

from medicell_core.errors import InputError, MedicellError
from medicell_ros import domain
from medicell_ros.domain import (
    LOCALHOST_PROFILE,
    NETWORK_PROFILE,
    PROFILE_VARIABLES,
    REACH_VARIABLE,
    claimed,
    open_ros,
    own_domain,
)

OTHER_INSTALLATION = '/elsewhere/medicell_ros/dds_localhost.xml'
"""The profile that a program inherits which one of another installation has started."""


def test_two_holders_get_different_domains() -> None:
    with own_domain() as one, own_domain() as other:
        assert one != other


def test_a_domain_is_free_again_afterwards() -> None:
    with own_domain() as one:
        pass
    with own_domain() as again:
        assert again == one


def test_a_domain_in_which_somebody_has_a_cell_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with own_domain() as one:
        pass
    monkeypatch.setenv(domain.VARIABLE, str(one))
    with claimed(['/cell_1/world']), own_domain() as other:
        assert other != one


def test_no_free_domain_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody has a cell there: ROS has no ports for them.
    monkeypatch.setattr(domain, 'DOMAINS', range(901, 903))
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(own_domain())
        with pytest.raises(MedicellError, match='901 to 902 are in use'):
            held.enter_context(own_domain())


def test_an_error_inside_passes_through() -> None:
    with pytest.raises(ValueError, match='mine'), own_domain():
        raise ValueError('mine') from None


def test_node_is_claimed_once_in_a_domain_and_is_free_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with own_domain() as one, own_domain() as other:
        monkeypatch.setenv(domain.VARIABLE, str(one))
        with claimed(['/cell_1/world', '/cell_1/imaging']):
            with (
                pytest.raises(InputError, match=f'{one}: /cell_1/imaging is up') as caught,
                claimed(['/cell_1/laboratory', '/cell_1/imaging']),
            ):
                pass
            assert caught.value.field == domain.VARIABLE
            with claimed(['/cell_2/imaging', '/cell_1/laboratory']):
                pass
            monkeypatch.setenv(domain.VARIABLE, str(other))
            with claimed(['/cell_1/world']):
                pass
        monkeypatch.setenv(domain.VARIABLE, str(one))
        with claimed(['/cell_1/imaging']):
            pass


def opened_with(monkeypatch: pytest.MonkeyPatch, **given: str) -> tuple[Path, str]:
    """Return the profile and the reach that a program has after it has opened ROS."""
    for name in (*PROFILE_VARIABLES, REACH_VARIABLE, 'ROS_STATIC_PEERS'):
        monkeypatch.delenv(name, raising=False)
        # What is set by ROS's opening goes with the test, too.
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    context = Context()
    with own_domain() as number:
        monkeypatch.setenv(domain.VARIABLE, str(number))
        open_ros(context=context)
        rclpy.try_shutdown(context=context)
    return Path(os.environ.get(PROFILE_VARIABLES[0], '')), os.environ.get(REACH_VARIABLE, '')


def said(file: Path) -> dict[str, list[str]]:
    """Return the texts of a profile's elements that have no further ones, by name."""
    found: dict[str, list[str]] = {}
    for item in ElementTree.parse(file).iter():
        if not len(item):
            found.setdefault(item.tag.split('}')[1], []).append((item.text or '').strip())
    return found


@pytest.mark.parametrize('file', [NETWORK_PROFILE, LOCALHOST_PROFILE])
def test_the_profiles_have_udp_alone_and_buffers_that_hold_the_start_of_a_cell(
    file: Path,
) -> None:
    profile = said(file)
    assert profile['type'] == ['UDPv4']
    assert profile['useBuiltinTransports'] == ['false']
    assert profile['receiveBufferSize'] == [str(4 * 2**20)]


def test_the_profile_of_one_machine_differs_in_whom_it_looks_for_alone() -> None:
    network, local = said(NETWORK_PROFILE), said(LOCALHOST_PROFILE)
    more = {name: texts for name, texts in local.items() if network.get(name) != texts}
    assert more == {'maxInitialPeersRange': ['32'], 'address': ['0.0.0.0', '127.0.0.1']}
    assert set(network) <= set(local)


@pytest.mark.parametrize('name', PROFILE_VARIABLES)
def test_a_profile_of_the_user_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    opened, reach = opened_with(
        monkeypatch, **{name: '/their/own.xml', REACH_VARIABLE: 'LOCALHOST'}
    )
    assert opened == Path('/their/own.xml' if name == PROFILE_VARIABLES[0] else '')
    assert reach == 'LOCALHOST'


@pytest.mark.parametrize(
    ('given', 'profile', 'reach'),
    [
        ({}, NETWORK_PROFILE, ''),
        ({REACH_VARIABLE: 'SUBNET'}, NETWORK_PROFILE, 'SUBNET'),
        ({REACH_VARIABLE: 'LOCALHOST'}, LOCALHOST_PROFILE, 'SYSTEM_DEFAULT'),
        ({REACH_VARIABLE: 'SYSTEM_DEFAULT'}, NETWORK_PROFILE, 'SYSTEM_DEFAULT'),
        (
            {REACH_VARIABLE: 'LOCALHOST', 'ROS_STATIC_PEERS': '127.0.0.1'},
            NETWORK_PROFILE,
            'LOCALHOST',
        ),
        (
            {REACH_VARIABLE: 'LOCALHOST', 'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp'},
            LOCALHOST_PROFILE,
            'SYSTEM_DEFAULT',
        ),
        (
            {REACH_VARIABLE: 'SYSTEM_DEFAULT', PROFILE_VARIABLES[0]: str(LOCALHOST_PROFILE)},
            LOCALHOST_PROFILE,
            'SYSTEM_DEFAULT',
        ),
        (
            {REACH_VARIABLE: 'SUBNET', PROFILE_VARIABLES[0]: str(LOCALHOST_PROFILE)},
            NETWORK_PROFILE,
            'SUBNET',
        ),
        (
            {REACH_VARIABLE: 'SUBNET', PROFILE_VARIABLES[0]: OTHER_INSTALLATION},
            NETWORK_PROFILE,
            'SUBNET',
        ),
        (
            {REACH_VARIABLE: 'SYSTEM_DEFAULT', PROFILE_VARIABLES[0]: OTHER_INSTALLATION},
            LOCALHOST_PROFILE,
            'SYSTEM_DEFAULT',
        ),
    ],
)
def test_the_profile_follows_how_far_the_user_wants_to_be_heard(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], profile: Path, reach: str
) -> None:
    assert opened_with(monkeypatch, **given) == (profile, reach)


def test_a_program_kept_to_its_machine_has_no_shared_memory() -> None:
    program = (
        'import os, rclpy; from medicell_ros.domain import open_ros; open_ros();'
        'node = rclpy.create_node("alone"); tasks = "/proc/self/task";'
        'print(*(open(f"{tasks}/{task}/comm").read().strip() for task in os.listdir(tasks)))'
    )
    keep = {name: text for name, text in os.environ.items() if name not in PROFILE_VARIABLES}
    with own_domain() as number:
        env = {**keep, domain.VARIABLE: str(number), REACH_VARIABLE: 'LOCALHOST'}
        threads = subprocess.run(
            [sys.executable, '-c', program], env=env, capture_output=True, text=True, check=True
        ).stdout.split()
    assert any(name.startswith('dds.udp') for name in threads)
    assert not [name for name in threads if 'shm' in name]
