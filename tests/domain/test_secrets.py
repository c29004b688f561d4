"""Names of secrets in settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.secrets import hide, names_in, put_in

VALUES = {"API": "short", "API_KEY": "long-value", "QUOTED": 'a"b\\c', "ODD": "$API_KEY \\1 $& {{x}}"}
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bearer $API_KEY", "Bearer long-value"),
        ("$API", "short"),
        ("$API_KEYS", "$API_KEYS"),
        ("${API}_KEYS", "short_KEYS"),
        ("$API-$API_KEY.", "short-long-value."),
        ("$$API costs $5", "$API costs $5"),
        ("$NOBODY knows", "$NOBODY knows"),
        ("$QUOTED", 'a"b\\c'),
        ("$ODD", "$API_KEY \\1 $& {{x}}"),
        ("$", "$"),
        ("${API", "${API"),
    ],
)
def test_a_name_is_taken_whole_and_its_value_put_in_as_it_is(text: str, expected: str) -> None:
    assert put_in(text, VALUES) == expected


def test_names_are_found_and_replaced_at_any_depth() -> None:
    settings = {"url": "$API/x", "headers": [{"key": "A", "value": "$API_KEY"}], "timeout": 5, "none": None}
    assert names_in(settings) == {"API", "API_KEY"}
    assert put_in(settings, VALUES) == {
        "url": "short/x",
        "headers": [{"key": "A", "value": "long-value"}],
        "timeout": 5,
        "none": None,
    }


@given(
    st.dictionaries(NAMES, st.text(), max_size=5), st.lists(NAMES, max_size=6), st.text(alphabet=" -/.:", max_size=3)
)
def test_what_nobody_reads_again_cannot_change_its_neighbours(
    values: dict[str, str], names: list[str], between: str
) -> None:
    gap = f" {between} "
    text = gap.join(f"${name}" for name in names)
    assert put_in(text, values) == gap.join(values.get(name, f"${name}") for name in names)


@given(st.text())
def test_a_text_without_known_names_stays(text: str) -> None:
    assert put_in(text.replace("$$", "$"), {}) == text.replace("$$", "$")


def test_what_people_read_has_the_name_in_place_of_the_value() -> None:
    assert hide("Connection refused by long-value:80, short", VALUES) == "Connection refused by $API_KEY:80, $API"
