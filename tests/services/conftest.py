"""Service tests run on every kind of database."""

import pytest

from tests.support.databases import KINDS


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)
