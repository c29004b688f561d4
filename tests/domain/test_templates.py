"""Incident templates: an operator's words in the place of the contract's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hypothesis import example, given
from hypothesis import strategies as st

from kener.domain import messages, templates
from kener.domain.alerting import AlertType, Rule, Severity
from kener.domain.messages import AlertFacts
from kener.domain.templates import MAX_TEXT, MAX_TITLE
from kener.markup import markdown

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
RULE = Rule(AlertType.STATUS, "DOWN", 3, 5, Severity.CRITICAL, True, description="Customers **cannot** pay.")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(
    "|\\`*_[]<>~&!#-=+:.()1\n\t a{}", max_size=20
)
# A name at the start of a line, after a word, below a line, in a cell, in a link's words, in emphasis, in a list and beside another one.
EVERYWHERE = """\
{{monitor_name}}

before {{monitor_name}} after
{{monitor_name}}

| Name | Tag |
| --- | --- |
| {{monitor_name}} | x{{monitor_name}}{{monitor_name}}y |

[{{monitor_name}}](https://s.example) **{{monitor_name}}**

- {{monitor_name}}
- two

{{monitor_name}}{{monitor_name}}
"""


def facts(**given: Any) -> AlertFacts:
    known = {
        "alert_id": 7,
        "rule": RULE,
        "monitor_name": "Api",
        "monitor_tag": "api",
        "triggered_at": AT,
        "incident_id": 4,
    }
    return AlertFacts(**known | given)


def resolved(**given: Any) -> AlertFacts:
    return facts(resolved_at=AT + timedelta(minutes=47), **given)


def shape(text: str) -> list[str]:
    return [tag.name for tag in BeautifulSoup(markdown(text), "html.parser").find_all(True)]


def words(text: str) -> str:
    return BeautifulSoup(markdown(text), "html.parser").get_text()


def test_without_templates_the_words_are_those_of_the_contract() -> None:
    assert templates.title(facts(), None) == messages.incident_title(RULE, "Api")
    assert templates.first_update(facts(), None) == messages.first_update(facts())
    closing = templates.closing_update(resolved(), None, started_at=AT)
    assert closing == messages.closing_update(resolved(), started_at=AT)


def test_n2_a_template_has_the_variables_of_notices() -> None:
    known = resolved(observed_value="DOWN", last_error="Timed out.", site_url="https://s.example")
    for name in set(messages.alert_variables(known)) - {"alert_message"}:
        value = messages.alert_variables(known)[name]
        shown = {True: "true", False: "false", None: ""}.get(value, str(value)) if not isinstance(value, str) else value
        assert words(templates.first_update(known, f"x {{{{{name}}}}}")).split() == f"x {shown}".split(), name
    assert templates.title(known, "{{monitor_name}} is {{alert_value}} ({{observed_value}})") == "Api is DOWN (DOWN)"


def test_the_description_is_markdown_and_stands_as_it_is() -> None:
    assert templates.first_update(facts(), "{{alert_message}}\n\nWe are on it.") == (
        "Customers **cannot** pay.\n\nWe are on it."
    )


def test_r2_the_duration_of_the_closing_update_is_that_of_the_incident() -> None:
    text = templates.closing_update(resolved(), "After {{duration}}.", started_at=AT - timedelta(hours=2))
    assert text == "After 2 hours 47 minutes."


def test_o7_a_reason_is_told_once_whether_or_not_the_template_has_a_place_for_it() -> None:
    known = resolved(closing_reason="The monitor was paused.")
    assert templates.closing_update(known, "Over.", started_at=AT) == "Over.\n\nThe monitor was paused."
    assert templates.closing_update(known, "Over: {{closing_reason}}", started_at=AT) == "Over: The monitor was paused."
    by_hand = resolved(closing_reason="Resolved by [sam](x)")
    assert words(templates.closing_update(by_hand, "Over.", started_at=AT)).strip().endswith("Resolved by [sam](x)")


@given(NAMES)
@example("1. a")
@example("---")
@example("===")
@example("| --- |")
@example(":-:")
@example("1) a")
@example("+ a")
@example(". a")
@example("\\")
@example("[a]: https://b")
@example("```")
@example("_a_")
def test_no_name_breaks_the_text_of_a_template(name: str) -> None:
    plain = templates.first_update(facts(monitor_name="x"), EVERYWHERE)
    odd = templates.first_update(facts(monitor_name=name), EVERYWHERE)
    seen = messages.one_line(name)
    if seen:
        assert shape(odd) == shape(plain)
    assert f"before {seen} after".split() == next(w for w in words(odd).splitlines() if w.startswith("before")).split()


@given(NAMES)
def test_a_title_is_one_line_that_fits(name: str) -> None:
    title = templates.title(facts(monitor_name=name), "{{monitor_name}}\n\tis\r\nslow {{last_error}}")
    assert title.isprintable()
    assert title == messages.one_line(f"{name} is slow")
    assert len(templates.title(facts(monitor_name="x" * 300), "{{monitor_name}}")) == MAX_TITLE


@pytest.mark.parametrize(
    "template", ["{{#is_resolved}}Over{{/is_resolved}}", "{{last_error}}", "{{broken", "{{#a}}", "\x00"]
)
def test_a_template_that_gives_nothing_leaves_the_words_of_the_contract(template: str) -> None:
    assert templates.title(facts(), template) == messages.incident_title(RULE, "Api")
    assert templates.first_update(facts(), template) == messages.first_update(facts())


def test_a_text_that_no_database_could_keep_leaves_the_words_of_the_contract() -> None:
    known = replace(facts(), monitor_name="😀" * (MAX_TEXT // 10))
    assert len(templates.first_update(known, "{{monitor_name}}" * 10).encode()) == 4 * MAX_TEXT < 65_536
    assert templates.first_update(known, "{{monitor_name}}" * 10 + "!") == messages.first_update(known)


def test_a_drill_says_so_whatever_the_template_says() -> None:
    drill = resolved(is_drill=True)
    assert templates.title(drill, "Api is slow") == f"{drill.mark}Api is slow"
    assert templates.title(drill, None) == f"{drill.mark}Api STATUS: DOWN"
    assert templates.first_update(drill, "x").startswith(messages.DRILL)
    assert templates.closing_update(drill, "x", started_at=AT).startswith(messages.DRILL)


@pytest.mark.parametrize(("kind", "value"), [("STATUS", "DEGRADED"), ("LATENCY", "1000"), ("UPTIME", "99.9")])
def test_a_sample_alert_is_one_of_its_rule(kind: str, value: str) -> None:
    rule = Rule(AlertType(kind), value)
    made = templates.sample(rule, monitor_name="Api", monitor_tag="api", now=AT, site_name="Shop", site_url="")
    variables = messages.alert_variables(made)
    assert (variables["alert_value"], variables["duration"], variables["is_resolved"]) == (value, "47 minutes", True)
    assert variables["observed_value"] == {"STATUS": "DEGRADED", "LATENCY": "1900 ms", "UPTIME": "98.2 %"}[kind]
