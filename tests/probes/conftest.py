"""What probes are tried with."""

import socket

import pytest

from tests.doubles.names import Names, resolver


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """`names["both.test"] = ["127.0.0.1", "::1"]` makes this machine know a name."""
    known: Names = {}
    monkeypatch.setattr(socket, "getaddrinfo", resolver(known))
    return known
