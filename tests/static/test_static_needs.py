"""A test that lacks what it needs is skipped, and fails where that was promised."""

from __future__ import annotations

import pytest
from needs import NETWORK_NAMESPACES, POSTGRESQL, PROMISED, lacking


@pytest.mark.parametrize('promised', ['', NETWORK_NAMESPACES])
def test_what_was_not_promised_skips_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, promised: str
) -> None:
    monkeypatch.setenv(PROMISED, promised)
    with pytest.raises(pytest.skip.Exception, match='no initdb'):
        lacking(POSTGRESQL, 'no initdb')


def test_what_was_promised_fails_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROMISED, f'{NETWORK_NAMESPACES} {POSTGRESQL}')
    with pytest.raises(pytest.fail.Exception, match=r'postgresql: no initdb'):
        lacking(POSTGRESQL, 'no initdb')
