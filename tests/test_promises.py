"""The table of promises names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = (TESTS.parent / "docs" / "incident-automation.md").read_text()


def test_every_test_of_the_table_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", TABLE)
    assert len(named) > 50
    assert [(path, name) for path, name in named if f"\ndef {name}(" not in (TESTS / path).read_text()] == []
