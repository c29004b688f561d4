"""Who may do what. Deny by default: a route names a permission, or says that it is public."""

from enum import StrEnum


class Permission(StrEnum):
    READ = "read"
    EDIT = "edit"
    ADMINISTER = "administer"


_GRANTED: dict[str, frozenset[Permission]] = {
    "OWNER": frozenset(Permission),
    "EDITOR": frozenset({Permission.READ, Permission.EDIT}),
    "VIEWER": frozenset({Permission.READ}),
}


def may(role: str, permission: Permission) -> bool:
    """Whether a role includes a permission; an unknown role includes none."""
    return permission in _GRANTED.get(role, frozenset())
