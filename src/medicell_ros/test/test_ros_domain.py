"""Two holders never share a domain, and a domain is free again when its holder lets go."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from medicell_core.errors import MedicellError
from medicell_ros import domain
from medicell_ros.domain import own_domain


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
