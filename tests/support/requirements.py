"""What a machine may lack. Locally such a test is skipped, aloud; where KENER_REQUIRE_… is set it fails."""

import os
from typing import NoReturn

import pytest

BROWSER = "KENER_REQUIRE_BROWSER"
DATABASES = "KENER_REQUIRE_DATABASES"
NETWORKS = "KENER_REQUIRE_NETWORKS"


def missing(variable: str, reason: str) -> NoReturn:
    """Skip, or fail where the variable says that nothing may be missing."""
    if os.environ.get(variable) == "1":
        pytest.fail(f"{reason} ({variable}=1)", pytrace=False)
    pytest.skip(reason)
