"""Message templates."""

import html
import json
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.placeholders import MAX_LENGTH, MAX_RENDERED, Place, check, place_of, render

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts)
def test_any_value_inside_a_json_string_comes_back_unchanged(value: str) -> None:
    filled = render('{"a": "before {{x}} after", "b": "{{{x}}}", "c": {{x}}}', {"x": value}, place=Place.JSON)
    read = json.loads(filled)
    assert (read["a"], read["b"]) == (f"before {value} after", value)


@given(texts)
def test_any_value_inside_html_is_only_text(value: str) -> None:
    filled = render('<p title="{{x}}">{{{x}}}</p>', {"x": value}, place=Place.HTML)
    assert filled == f'<p title="{html.escape(value)}">{html.escape(value)}</p>'


@given(texts)
def test_any_value_inside_a_form_comes_back_unchanged(value: str) -> None:
    filled = render("text={{x}}&chat=7", {"x": value}, place=Place.FORM)
    assert parse_qs(filled, keep_blank_values=True) == {"text": [value], "chat": ["7"]}


@given(texts)
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    assert (
        render("{{x}}|{{y}}", {"x": "{{y}}" + value, "y": "secret"}, place=Place.PLAIN) == "{{y}}" + value + "|secret"
    )


@given(st.text(max_size=200))
def test_any_text_is_either_refused_with_a_place_or_rendered(template: str) -> None:
    mistake = check(template)
    if mistake is None:
        assert isinstance(render(template, {"x": "1"}, place=Place.PLAIN), str)
    else:
        assert mistake.startswith("Line ")


@given(
    st.lists(
        st.sampled_from(["{{#a}}", "{{/a}}", "{{^b}}", "{{/b}}", "{{x}}", "{{{y}}}", "{{", "}}", "{", " ", "\n", '"'])
    )
)
def test_any_pile_of_tags_is_either_refused_with_a_place_or_rendered(parts: list[str]) -> None:
    template = "".join(parts)
    mistake = check(template)
    if mistake is None:
        for place in Place:
            render(template, {"a": True, "b": None, "x": "1"}, place=place)
    else:
        assert mistake.startswith("Line ")


def test_sections_choose_between_triggered_and_resolved() -> None:
    template = "{{#is_triggered}}Down: {{name}}{{/is_triggered}}{{#is_resolved}}Up: {{name}}{{/is_resolved}}"
    template += "{{^is_resolved}}!{{/is_resolved}}"
    assert (
        render(template, {"is_triggered": True, "is_resolved": False, "name": "API"}, place=Place.PLAIN) == "Down: API!"
    )
    assert render(template, {"is_triggered": False, "is_resolved": True, "name": "API"}, place=Place.PLAIN) == "Up: API"


def test_a_section_on_a_text_sees_all_variables() -> None:
    template = "{{#duration}}after {{duration}} on {{name}}{{/duration}}{{^duration}}still{{/duration}}"
    assert render(template, {"duration": "2 minutes", "name": "API"}, place=Place.PLAIN) == "after 2 minutes on API"
    assert render(template, {"duration": None, "name": "API"}, place=Place.PLAIN) == "still"
    assert render(template, {"duration": "", "name": "API"}, place=Place.PLAIN) == "still"


def test_a_missing_variable_leaves_nothing_behind() -> None:
    assert render("[{{nothing}}{{{none}}}]", {"none": None}, place=Place.PLAIN) == "[]"


def test_outside_quotes_json_keeps_its_types() -> None:
    template = '{"id": {{id}}, "on": {{on}}, "limit": {{limit}}, "word": {{word}}, "none": {{none}}, "gone": {{gone}}'
    template += ', "in": "{{id}} {{none}}"}'
    variables = {"id": 7, "on": True, "limit": "99.9", "word": 'DO"WN', "none": None}
    assert json.loads(render(template, variables, place=Place.JSON)) == {
        "id": 7,
        "on": True,
        "limit": 99.9,
        "word": 'DO"WN',
        "none": None,
        "gone": None,
        "in": "7 ",
    }


def test_quotes_that_are_escaped_do_not_end_a_json_string() -> None:
    filled = render(r'{"a": "say \"{{x}}\" and \\", "b": {{x}}}', {"x": 'y"z'}, place=Place.JSON)
    assert json.loads(filled) == {"a": 'say "y"z" and \\', "b": 'y"z'}


def test_braces_of_json_and_of_variables_may_touch() -> None:
    assert json.loads(render('{"a":{"b":{{x}}}}', {"x": 1}, place=Place.JSON)) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("template", "mistake"),
    [
        ("fine\n  {{name", "Line 2, column 3: {{ is opened and not closed with }}."),
        ("{{}}", "Line 1, column 1: a variable name is missing between {{ and }}."),
        ("a {{two words}}", "Line 1, column 3: 'two words' is no variable name."),
        ("{{a.__class__}}", "Line 1, column 1: 'a.__class__' is no variable name."),
        ("{{__init__}}", "Line 1, column 1: '__init__' is no variable name."),
        ("{{.}}", "Line 1, column 1: '.' is no variable name."),
        ("{{> other}}", "Line 1, column 1: a template cannot include another one."),
        ("{{=<% %>=}}", "Line 1, column 1: the delimiters {{ and }} cannot be changed."),
        ("x\n{{#a}}y", "Line 2, column 1: the section a is not closed; add {{/a}}."),
        ("{{/a}}", "Line 1, column 1: the section a is closed, but was not opened."),
        ("{{#a}}{{#b}}{{/a}}", "Line 1, column 13: the section a is closed, but b was opened last."),
        ("a\0b", "Line 1, column 2: a control character cannot stand here."),
        ("a\n" + " " * 300, "Line 2, column 1: more than 200 blanks in a row."),
        ("x" * (MAX_LENGTH + 1), f"Use at most {MAX_LENGTH} characters."),
        ("{{#a}}" * 21, "Line 1, column 121: sections stand at most 20 deep in each other."),
    ],
)
def test_the_first_mistake_is_named_with_its_place(template: str, mistake: str) -> None:
    assert check(template) == mistake
    with pytest.raises(ValueError):
        render(template, {}, place=Place.PLAIN)


def test_a_comment_disappears() -> None:
    assert check("{{! any words > here }}") is None
    assert render("a{{! any words }}b", {}, place=Place.PLAIN) == "ab"


def test_what_grows_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match=f"longer than {MAX_RENDERED}"):
        render("{{x}}" * 1000, {"x": "y" * 1000}, place=Place.PLAIN)


@pytest.mark.parametrize(
    ("content_type", "place"),
    [
        ("application/json; charset=utf-8", Place.JSON),
        ("application/vnd.api+json", Place.JSON),
        ("application/x-www-form-urlencoded", Place.FORM),
        ("text/html", Place.HTML),
        ("application/xml", Place.HTML),
        ("text/plain", Place.PLAIN),
    ],
)
def test_the_content_type_decides_how_values_are_written(content_type: str, place: Place) -> None:
    assert place_of(content_type) is place
