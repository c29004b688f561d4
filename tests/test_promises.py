"""The tables of promises name tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"


@pytest.mark.parametrize(("table", "least"), [("incident-automation.md", 50), ("acceptance.md", 15)])
def test_every_test_of_the_table_exists(table: str, least: int) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (DOCS / table).read_text())
    assert len(named) > least
    assert [(path, name) for path, name in named if f"\ndef {name}(" not in (TESTS / path).read_text()] == []
