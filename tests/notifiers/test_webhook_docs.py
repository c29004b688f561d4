"""The code of docs/webhooks.md verifies what is really sent."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kener.notifiers import webhook

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"


@pytest.fixture
def is_genuine() -> Callable[[bytes, str, str], bool]:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code[0], names)
    found: Callable[[bytes, str, str], bool] = names["is_genuine"]
    return found


def test_the_documented_code_accepts_either_secret_while_one_replaces_the_other(
    is_genuine: Callable[[bytes, str, str], bool],
) -> None:
    header = webhook.sign(b"{}", secrets=["new-secret", "old-secret"], at=int(time.time()))
    assert is_genuine(b"{}", header, "new-secret")
    assert is_genuine(b"{}", header, "old-secret")
    assert not is_genuine(b"{}", header, "other-secret")
    assert not is_genuine(b"{ }", header, "new-secret")


@pytest.mark.parametrize("header", ["", "t=,v1=", "t=x,v1=y", "v1=ü", "t=1,v1=ü"])
def test_the_documented_code_refuses_what_is_old_or_no_signature(
    is_genuine: Callable[[bytes, str, str], bool], header: str
) -> None:
    assert not is_genuine(b"{}", header, "secret-1")
    assert not is_genuine(b"{}", webhook.sign(b"{}", secrets=["secret-1"], at=int(time.time()) - 400), "secret-1")
