"""What the product writes by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hypothesis import example, given
from hypothesis import strategies as st

from kener.domain.alerting import AlertType, Rule, Severity
from kener.domain.messages import (
    AlertFacts,
    alert_message,
    alert_variables,
    as_json,
    calm_update,
    closing_update,
    first_update,
    from_json,
    incident_title,
    joining_update,
    leaving_update,
    one_line,
    over_earlier,
    reopening_update,
    return_update,
    unstable_update,
)
from kener.markup import markdown

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
RULE = Rule(AlertType.STATUS, "DOWN", 3, 5, Severity.CRITICAL, True)
AWKWARD = [
    "a|b", "\\", "a\\|b", "**", "`", "`|`", "<b>", "&lt;", "&amp;", "[a](b)", "![](x)", "_a_", "snake_case_name", "__a__", "~~a~~",
    "#", "# a", "- a", "1. a", "---", "| --- |", "a\nb", "a  b", "\u2028", "$NAME", "{{x}}", "http://a.b/_c_", "<http://a.b>",
    "a_ b_", "_\u0301a_",
]  # fmt: skip

names = st.text(max_size=40) | st.text("|\\`*_[]<>~&!#-:()\n a", max_size=20)


def facts(**given: Any) -> AlertFacts:
    known = {
        "alert_id": 7,
        "rule": RULE,
        "monitor_name": "Payment API",
        "monitor_tag": "payment-api",
        "triggered_at": AT,
    }
    return AlertFacts(**known | given)


def resolved(**given: Any) -> AlertFacts:
    return facts(resolved_at=AT + timedelta(minutes=47), **given)


def page(text: str) -> BeautifulSoup:
    return BeautifulSoup(f"<!doctype html><title>x</title><body>{markdown(text)}", "html5lib")


@pytest.mark.parametrize(
    ("name", "kind", "value", "title"),
    [
        ("Payment API", AlertType.STATUS, "DOWN", "Payment API STATUS: DOWN"),
        ("Web Server", AlertType.LATENCY, "1000", "Web Server LATENCY: 1000"),
        ("Database", AlertType.UPTIME, "99.9", "Database UPTIME: 99.9"),
    ],
)
def test_l3_the_title_names_monitor_type_and_value(name: str, kind: AlertType, value: str, title: str) -> None:
    assert incident_title(Rule(kind, value), name) == title


def test_l5_the_first_update_is_the_trigger_in_a_table() -> None:
    assert first_update(facts()) == (
        "Alert triggered\n\n"
        "| Setting | Value |\n"
        "| :--- | :--- |\n"
        "| **Monitor Name** | Payment API |\n"
        "| **Monitor Tag** | payment-api |\n"
        "| **Incident Status** | TRIGGERED |\n"
        "| **Severity** | CRITICAL |\n"
        "| **Alert Type** | STATUS |\n"
        "| **Alert Value** | DOWN |\n"
        "| **Failure Threshold** | 3 |"
    )


@pytest.mark.parametrize(("description", "first"), [("  Call *Ann*. ", "Call *Ann*."), (" \n", "Alert triggered")])
def test_l5_the_first_update_begins_with_the_description_if_there_is_one(description: str, first: str) -> None:
    update = first_update(facts(rule=Rule(AlertType.STATUS, "DOWN", description=description)))
    assert update.split("\n\n| Setting")[0] == first


def check_table(text: str, name: str, tag: str, *, height: int) -> None:
    soup = page(text)
    (table,) = soup.find_all("table")
    cells = [row.find_all(["td", "th"]) for row in table.select("tbody tr")]
    assert [cell.get_text() for cell in table.select("thead th")] == ["Setting", "Value"]
    assert [len(row) for row in cells] == [2] * height
    assert all(heading.strong.get_text() == heading.get_text() for heading, _ in cells)
    # A name is text and nothing else: no link, image, emphasis or code.
    assert not [value for _, value in cells if value.find(True)]
    told = {heading.get_text(): value.get_text() for heading, value in cells}
    assert (told["Monitor Name"], told["Monitor Tag"]) == (one_line(name), one_line(tag))


@given(names, names)
def test_l5_no_name_breaks_the_table_of_the_first_update(name: str, tag: str) -> None:
    check_table(first_update(facts(monitor_name=name, monitor_tag=tag)), name, tag, height=7)


LINES = st.sampled_from(
    ["```", "````", "~~~", "~~~~ x", "``` py", "   ```", "    ```", "`` `", "> quoted", "- item", "text", ""]
)


@example("- item\n   ```")
@given(st.lists(LINES, max_size=6).map("\n".join))
def test_l5_no_code_block_that_was_left_open_swallows_the_table(description: str) -> None:
    rule = Rule(AlertType.STATUS, "DOWN", description=description)
    check_table(first_update(facts(rule=rule)), "Payment API", "payment-api", height=7)


@pytest.mark.parametrize("name", AWKWARD)
def test_l5_an_awkward_name_is_shown_as_it_is(name: str) -> None:
    check_table(first_update(facts(monitor_name=name, monitor_tag=name)), name, name, height=7)


@given(names, names)
def test_r2_no_name_breaks_the_table_of_the_closing_update(name: str, tag: str) -> None:
    check_table(closing_update(resolved(monitor_name=name, monitor_tag=tag), started_at=AT), name, tag, height=8)


def test_r2_the_closing_update_tells_the_total_duration() -> None:
    assert closing_update(resolved(), started_at=AT) == (
        "The alert has been resolved, Total duration: 47 minutes\n\n"
        "#### Alert Details\n\n"
        "| Setting | Value |\n"
        "| :--- | :--- |\n"
        "| **Monitor Name** | Payment API |\n"
        "| **Incident Status** | RESOLVED |\n"
        "| **Monitor Tag** | payment-api |\n"
        "| **Alert Type** | STATUS |\n"
        "| **Alert Value** | DOWN |\n"
        "| **Severity** | CRITICAL |\n"
        "| **Failure Threshold** | 3 |\n"
        "| **Success Threshold** | 5 |"
    )
    assert page(closing_update(resolved(), started_at=AT)).h4.get_text() == "Alert Details"


def test_r2_the_total_duration_counts_from_the_start_of_the_incident() -> None:
    first = closing_update(resolved(), started_at=AT - timedelta(hours=2)).splitlines()[0]
    assert first == "The alert has been resolved, Total duration: 2 hours 47 minutes"


def test_o7_a_reason_stands_below_the_first_line_of_the_closing_update() -> None:
    update = closing_update(resolved(closing_reason="The monitor was paused."), started_at=AT)
    assert update.split("\n\n")[1:3] == ["The monitor was paused.", "#### Alert Details"]


def test_x4_a_recovery_among_many_names_ten_of_those_that_are_left() -> None:
    def last(*names: str) -> str:
        return leaving_update(resolved(), names).split("\n\n")[-1]

    assert last("A|b") == "The incident goes on: A\\|b is still affected."
    assert last("A", "B") == "The incident goes on: A and B are still affected."
    many = [f"M{number}" for number in range(12)]
    assert last(*many) == f"The incident goes on: {', '.join(many[:10])} and 2 more are still affected."
    over = resolved(closing_reason="The monitor was paused.")
    assert leaving_update(over, ["A"]).split("\n\n")[:2] == [
        "The alert Payment API STATUS: DOWN has been resolved after 47 minutes.",
        "The monitor was paused.",
    ]


@given(names)
def test_x3_x4_no_name_breaks_the_sentences_about_several_monitors(name: str) -> None:
    seen = one_line(name)
    told = [
        unstable_update(name),
        calm_update(name),
        joining_update(name, again=True),
        over_earlier([name]),
        return_update(name, timedelta(minutes=4), was_open=False),
        leaving_update(resolved(monitor_name=name), [name]),
    ]
    for text in told:
        assert not page(text).select("a, em, strong, code, ul, ol, blockquote, table, h3, hr, del")
        assert " ".join(seen.split()) in " ".join(page(text).body.get_text().split())


def test_o3_the_re_opening_update_says_why() -> None:
    assert "resolved by hand while its alert is still active" in reopening_update()


def test_n2_templates_find_every_variable_that_the_reference_names() -> None:
    linked = resolved(incident_id=4, site_url="https://s.example/status", site_name="Shop", closing_reason="x")
    found = alert_variables(linked)
    assert {key: found[key] for key in found if not key.startswith(("colors_", "site_logo"))} == {
        "alert_id": 7,
        "alert_name": "Alert payment-api for STATUS DOWN RESOLVED at 2026-03-01T12:00:05+00:00",
        "alert_for": "STATUS",
        "alert_value": "DOWN",
        "alert_status": "RESOLVED",
        "alert_severity": "CRITICAL",
        "alert_message": "",
        "alert_source": "ALERT",
        "alert_timestamp": "2026-03-01T12:00:05+00:00",
        "alert_cta_url": "https://s.example/status/incidents/4",
        "alert_cta_text": "View incident",
        "alert_incident_id": 4,
        "alert_incident_url": "https://s.example/status/incidents/4",
        "alert_failure_threshold": 3,
        "alert_success_threshold": 5,
        "is_triggered": False,
        "is_resolved": True,
        "is_drill": False,
        "site_url": "https://s.example/status/",
        "site_name": "Shop",
        "monitor_name": "Payment API",
        "monitor_tag": "payment-api",
        "observed_value": None,
        "last_error": None,
        "resolved_at": "2026-03-01T12:47:05+00:00",
        "duration": "47 minutes",
        "closing_reason": "x",
    }
    assert {"site_logo_url", "colors_up", "colors_down", "colors_degraded", "colors_maintenance"} <= set(found)


def test_n2_without_an_incident_or_an_address_nothing_is_made_up() -> None:
    found = alert_variables(facts(observed_value="DOWN", last_error="Timed out."))
    assert (found["alert_incident_id"], found["alert_incident_url"], found["site_url"]) == (None, None, "")
    assert (found["alert_cta_url"], found["alert_cta_text"]) == ("monitors/payment-api", "View monitor")
    assert (found["observed_value"], found["last_error"]) == ("DOWN", "Timed out.")
    assert (found["resolved_at"], found["duration"], found["alert_status"]) == (None, None, "TRIGGERED")
    assert (found["is_triggered"], found["is_resolved"]) == (True, False)


@given(names)
def test_the_subject_of_a_notice_stands_on_one_line(name: str) -> None:
    subject = alert_message(facts(monitor_name=name, incident_id=4)).subject
    assert subject.isprintable()
    assert subject.startswith("[#4:INVESTIGATING] ")
    assert alert_message(resolved()).subject == "[alert 7:RESOLVED] Payment API STATUS: DOWN"


def test_the_text_of_a_notice_tells_what_is_known_and_leaves_out_the_rest() -> None:
    notice = alert_message(facts(last_error="Timed out."))
    assert notice.text == (
        "■ Payment API STATUS: DOWN\n\n"
        "Monitor Name: Payment API\nMonitor Tag: payment-api\nAlert Status: TRIGGERED\nSeverity: CRITICAL\n"
        "Alert Type: STATUS\nAlert Value: DOWN\nLast error: Timed out.\nTriggered: 2026-03-01 12:00:05 UTC\n\n"
        "monitors/payment-api"
    )
    ended = alert_message(resolved(closing_reason="The monitor was paused."))
    assert ended.text.startswith("● Payment API STATUS: DOWN: resolved after 47 minutes\n\nThe monitor was paused.\n\n")
    assert from_json(as_json(ended)) == ended


@pytest.mark.parametrize("known", [facts(is_drill=True), resolved(is_drill=True)])
def test_nobody_takes_a_drill_for_the_real_thing(known: AlertFacts) -> None:
    message = alert_message(known)
    assert message.subject.startswith("[drill] [alert 7:")
    assert message.text.startswith("[drill] ")
    assert "This is a fire drill" in message.text
    assert message.variables["is_drill"] is True
    for name in ("alert_name", "alert_message", "monitor_name"):
        assert str(message.variables[name]).startswith("[drill]")
    assert message.variables["monitor_tag"] == "payment-api"


def test_the_updates_of_a_drill_say_so_and_keep_their_shape() -> None:
    first, closing = first_update(facts(is_drill=True)), closing_update(resolved(is_drill=True), started_at=AT)
    assert first.split("\n\n")[0].startswith("This is a fire drill")
    assert first.endswith(first_update(facts()))
    assert closing.split("\n\n")[1] == "This was a fire drill."
    assert closing.replace("\n\nThis was a fire drill.", "") == closing_update(resolved(), started_at=AT)
