"""What tests of pages and API may ask for besides."""

import pytest
from flask.testing import FlaskClient

from kener.services import accounts
from kener.services.audit import Actor
from tests.support.api import Api


@pytest.fixture
def api(client: FlaskClient) -> Api:
    """A program with a key."""
    return Api(client, accounts.create_api_key("deploy robot", actor=Actor("owner@example.com")))
