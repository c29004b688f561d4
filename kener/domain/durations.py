"""Durations in words."""


def in_words(seconds: float) -> str:
    """The two largest units, in words: `47 minutes`, `2 hours 5 minutes`, `45 seconds`, `1 minute`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return _count(whole, "second")
    parts = _parts(whole - whole % 60, (("day", 86_400), ("hour", 3_600), ("minute", 60)))
    return " ".join(_count(number, unit) for number, unit in parts[:2])


def short(seconds: float) -> str:
    """The two largest units, abbreviated: `1 h 16 min`, `45 s`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    parts = _parts(whole - whole % 60, (("d", 86_400), ("h", 3_600), ("min", 60)))
    return " ".join(f"{number} {unit}" for number, unit in parts[:2])


def _parts(seconds: int, units: tuple[tuple[str, int], ...]) -> list[tuple[int, str]]:
    found = []
    for unit, size in units:
        number, seconds = divmod(seconds, size)
        if number:
            found.append((number, unit))
    return found


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
