"""What a service may answer instead of doing what was asked."""


class Refused(Exception):
    """The input cannot be accepted. `errors` maps a field name to a sentence; the empty name stands for the whole."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {text}" if field else text for field, text in errors.items()))
        self.errors = errors


class NotFound(Exception):
    """There is no such thing (any more)."""


class Conflict(Exception):
    """Someone else changed the thing since it was read. May say how."""
