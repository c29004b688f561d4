"""From form fields to raw input, and back into fields. Checking itself is the domain's."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from werkzeug.datastructures import MultiDict

Form = MultiDict[str, str]


def pairs(form: Form, name: str) -> list[dict[str, str]]:
    """Rows of the `pairs` macro as `{"key", "value"}`; rows without a key and a value are left out."""
    rows = zip(form.getlist(f"{name}_name"), form.getlist(f"{name}_value"), strict=False)
    return [{"key": key, "value": value} for key, value in rows if key.strip() or value.strip()]


def given(form: Form, *names: str) -> dict[str, Any]:
    """The named fields that are filled in."""
    return {name: form[name] for name in names if form.get(name, "").strip()}


def ticked(form: Form, *names: str) -> dict[str, bool]:
    """Checkboxes: what is not sent is not ticked."""
    return {name: form.get(name) == "true" for name in names}


def moment(text: str, zone: tzinfo) -> Any:
    """A `datetime-local` value in a zone as an aware datetime; what cannot be read stays as it is, for the schema to refuse."""
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return text


def untouched(text: str, at: datetime | None, zone: tzinfo) -> bool:
    """Whether a `datetime-local` field still says the instant that it was filled with.

    It has no fractions of a second, browsers leave out seconds that are nought, and in autumn an hour comes twice.
    """
    try:
        return at is not None and datetime.fromisoformat(text.strip()) == _on_the_wall(at, zone)
    except ValueError:
        return False


def _on_the_wall(at: datetime, zone: tzinfo) -> datetime:
    return at.astimezone(zone).replace(microsecond=0, tzinfo=None)


def local(at: datetime | None, zone: tzinfo) -> str:
    """An instant as the value of a `datetime-local` field in a zone, to the second."""
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S") if at else ""


def version(form: Form) -> int | None:
    """The version of the thing that the form was filled in from."""
    given = form.get("version", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None


def differing(saved: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """What is saved now and what was typed, by field, where the two do not say the same."""
    pairs_of = {name: (_said(saved.get(name)), _said(value)) for name, value in typed.items()}
    return {name: pair for name, pair in pairs_of.items() if pair[0] != pair[1]}


def _said(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "YES" if value else "NO"
        case list():
            return ", ".join(sorted(str(one) for one in value))
    return str(value).replace("\r\n", "\n").strip()


def flattened(errors: Mapping[str, str], *prefixes: str, columns: Mapping[str, str] = {}) -> dict[str, str]:
    """Errors of nested settings under the names of the form's fields: `type_data.url` → `url`, `headers.0.key` → `headers`.

    `columns`: words for columns of rows (`hosts.port` → "port"). Where a row has them, each of its mistakes is named with its column.
    """
    found: dict[str, str] = {}
    for name, text in errors.items():
        for prefix in prefixes:
            name = name.removeprefix(f"{prefix}.")
        head, _, rest = name.partition(".")
        number, _, column = rest.partition(".")
        if word := columns.get(f"{head}.{column}"):
            found[head] = " ".join(filter(None, [found.get(head), f"Row {int(number) + 1}, {word}: {text}"]))
        else:
            found.setdefault(head, f"Row {int(number) + 1}: {text}" if number.isdigit() else text)
    return found
