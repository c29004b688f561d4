"""Templates of automatic incidents, from the configuration to what visitors read: L3, L5, R2, N2 of the incident automation."""

from typing import Any

import pytest
from sqlalchemy import update

from kener.db import transaction
from kener.domain.inputs import AlertConfigurationInput, check
from kener.models import AlertConfiguration, Incident, IncidentUpdate
from kener.services import configurations, monitors
from tests.factories import (
    SAM,
    configuration_input,
    every,
    make_configuration,
    make_monitor,
    observe,
    only,
)

pytestmark = pytest.mark.usefixtures("app")

TEMPLATES = {
    "title_template": "{{monitor_name}} trouble, incident {{alert_incident_id}}",
    "first_update_template": "{{monitor_name}} is {{observed_value}}: {{last_error}}\n\n{{alert_message}}",
    "closing_update_template": "{{#is_resolved}}{{monitor_name}} works again after {{duration}}.{{/is_resolved}}",
}


def make(**fields: Any) -> int:
    return make_configuration(**{"failure_threshold": 1, "success_threshold": 1, "create_incident": "YES"} | fields)


def texts() -> list[str]:
    return [entry.text for entry in every(IncidentUpdate)]


def test_n2_title_and_updates_are_told_in_the_words_of_the_configuration() -> None:
    make_monitor(name="Payment | API")
    make(**TEMPLATES, alert_description="*Sorry.*")
    observe("api", "DOWN", error="Timed out\nafter 10 s.")
    observe("api", "UP")
    incident = only(Incident)
    assert incident.title == f"Payment | API trouble, incident {incident.id}"
    assert texts() == [
        "Payment \\| API is DOWN: Timed out after 10 s.\n\n*Sorry.*",
        "Payment \\| API works again after 1 minute.",
    ]


def test_l3_l5_r2_each_text_that_has_no_template_is_the_contract_s() -> None:
    make_monitor()
    make(first_update_template="Looking.")
    observe("api", "DOWN", "UP")
    assert only(Incident).title == "Api STATUS: DOWN"
    assert texts()[0] == "Looking."
    assert texts()[1].startswith("The alert has been resolved, Total duration: 1 minute\n\n#### Alert Details")


def test_a_template_opens_no_incident_where_none_is_wanted() -> None:
    make_monitor()
    make(create_incident="NO", **TEMPLATES)
    observe("api", "DOWN", "UP")
    assert every(Incident) == []


def test_the_words_that_are_saved_when_it_ends_are_used_for_the_end() -> None:
    make_monitor()
    config_id = make(closing_update_template="Old.")
    observe("api", "DOWN")
    given = configuration_input(
        failure_threshold=1, success_threshold=1, create_incident="YES", closing_update_template="New."
    )
    configurations.update(config_id, given, actor=SAM)
    observe("api", "UP")
    assert texts()[-1] == "New."


@pytest.mark.parametrize("act", ["delete the rule", "delete the monitor"])
def test_o7_the_last_words_are_still_there_when_the_configuration_goes(act: str) -> None:
    make_monitor()
    config_id = make(closing_update_template="Over.")
    observe("api", "DOWN")
    if act == "delete the rule":
        configurations.delete(config_id, actor=SAM)
        reason = "The alert configuration was deleted."
    else:
        monitors.delete("api", actor=SAM)
        reason = "The monitor was deleted."
    assert texts()[-1] == f"Over.\n\n{reason}"


@pytest.mark.parametrize("field", sorted(TEMPLATES))
def test_a_broken_template_is_refused_with_the_place_of_its_mistake(field: str) -> None:
    given = {"monitor_tags": ["api"], field: "Fine\n{{#is_resolved}}no end"}
    checked, errors = check(AlertConfigurationInput, given)
    assert checked is None
    assert errors == {field: "Line 2, column 1: the section is_resolved is not closed; add {{/is_resolved}}."}


def test_a_template_that_was_broken_from_outside_stops_no_incident() -> None:
    make_monitor()
    make(**TEMPLATES)
    with transaction() as session:
        session.execute(update(AlertConfiguration).values(dict.fromkeys(TEMPLATES, "{{#broken")))
    observe("api", "DOWN", "UP")
    assert only(Incident).title == "Api STATUS: DOWN"
    assert not only(Incident).is_open
    assert [text.split()[0] for text in texts()] == ["Alert", "The"]
