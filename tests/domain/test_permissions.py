"""Who may do what."""

import pytest

from kener.domain.permissions import Permission, may

ROLES = {
    "OWNER": {Permission.READ, Permission.EDIT, Permission.ADMINISTER},
    "EDITOR": {Permission.READ, Permission.EDIT},
    "VIEWER": {Permission.READ},
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_exactly_what_it_is_for(role: str) -> None:
    assert {permission for permission in Permission if may(role, permission)} == ROLES[role]


@pytest.mark.parametrize("role", ["", "owner", "ADMIN", "OWNER ", "None"])
def test_an_unknown_role_may_do_nothing(role: str) -> None:
    assert not any(may(role, permission) for permission in Permission)
