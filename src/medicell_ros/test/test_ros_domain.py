"""Two holders never share a domain, and a domain is free again when its holder lets go."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rclpy
from rclpy.context import Context

from medicell_core.errors import MedicellError
from medicell_ros import domain
from medicell_ros.domain import PROFILE_VARIABLES, open_ros, own_domain


def test_two_holders_get_different_domains() -> None:
    with own_domain() as one, own_domain() as other:
        assert one != other


def test_a_domain_is_free_again_afterwards() -> None:
    with own_domain() as one:
        pass
    with own_domain() as again:
        assert again == one


def test_no_free_domain_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, 'DOMAINS', range(101, 103))
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(own_domain())
        with pytest.raises(MedicellError, match='101 to 102 are in use'):
            held.enter_context(own_domain())


def test_an_error_inside_passes_through() -> None:
    with pytest.raises(ValueError, match='mine'), own_domain():
        raise ValueError('mine') from None


def opened_with(monkeypatch: pytest.MonkeyPatch, **given: str) -> str:
    """Return the profile that a program has after it has opened ROS."""
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    context = Context()
    with own_domain() as number:
        monkeypatch.setenv(domain.VARIABLE, str(number))
        open_ros(context=context)
        rclpy.try_shutdown(context=context)
    return os.environ.get(PROFILE_VARIABLES[0], '')


def test_fast_dds_gets_the_profile_whose_buffers_hold_the_start_of_a_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PROFILE_VARIABLES[0], '')
    file = Path(opened_with(monkeypatch))
    space = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'
    found = ElementTree.parse(file).iter(f'{space}receiveBufferSize')
    sizes = [int(item.text or 0) for item in found]
    assert sizes == [4 * 2**20]


@pytest.mark.parametrize('name', PROFILE_VARIABLES)
def test_a_profile_of_the_user_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    opened = opened_with(monkeypatch, **{name: '/their/own.xml'})
    assert opened == ('/their/own.xml' if name == PROFILE_VARIABLES[0] else '')
