"""Alert configurations: the rules."""

from typing import Any

from flask import Blueprint

from kener.domain.inputs import AlertConfigurationInput, Tag
from kener.queries import api as rows
from kener.services import configurations
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Listed, Message, found, operation, part
from kener.web.api.reading import Body, Changes, Paging

TAG = "Alert configurations"
bp = Blueprint("api_configurations", __name__)


class NewAlertConfiguration(Body, AlertConfigurationInput):
    """A rule, the monitors it watches and the triggers it tells."""

    notes = {
        "failure_threshold": "So many failing checks in a row trigger an alert.",
        "success_threshold": "So many passing checks in a row resolve it.",
        "uptime_window": "For UPTIME only.",
        "create_incident": "YES: an alert opens an incident, and closes it.",
        "alert_description": "Begins the first comment of the incident.",
        "reopen_minutes": "The next alert of a monitor opens its last incident again if that ended less than so many minutes ago.",
        "flapping_start": "Percent of changes among the newest 20 evaluations (of 19) from which an alert is held as unstable.",
        "flapping_stop": "Percent at or below which it has calmed down: then a threshold says what is true.",
        "group_minutes": "A monitor that fails within so many minutes of the start of another one's incident joins that.",
        "title_template": "Replaces the title of automatic incidents: Mustache, with the variables of messages.",
        "first_update_template": "Replaces the text of the first automatic update: Mustache in Markdown; values are shown as plain words.",
        "closing_update_template": "Replaces the text of the closing automatic update; `duration` counts from the start of the incident.",
    }
    shown = {
        "alert_value": {
            "type": ["string", "number"],
            "default": "DOWN",
            "description": "STATUS: DOWN or DEGRADED. LATENCY: milliseconds. UPTIME: percent.",
        }
    }


class ConfigurationFilters(Paging):
    """Which configurations."""

    monitor_tag: Tag | None = None


class ConfigurationAnswer(Answer):
    """One alert configuration."""

    alert_configuration: rows.AlertConfiguration


class ConfigurationList(Listed):
    """Alert configurations, oldest first."""

    alert_configurations: list[rows.AlertConfiguration]


@bp.get("/alert-configurations")
@api_key_required
@operation(tag=TAG, query=ConfigurationFilters, answer=ConfigurationList)
def index(query: ConfigurationFilters) -> Answer:
    """List alert configurations."""
    page = rows.alert_configurations(**query.model_dump())
    return ConfigurationList(alert_configurations=page.rows, **part(page))


@bp.post("/alert-configurations")
@api_key_required
@operation(tag=TAG, body=NewAlertConfiguration, answer=ConfigurationAnswer, status=201)
def create(body: NewAlertConfiguration) -> Answer:
    """Add an alert configuration.

    It counts from the next check on.
    """
    return _answer(configurations.create(body, actor=actor()))


@bp.get("/alert-configurations/<id:config_id>")
@api_key_required
@operation(tag=TAG, answer=ConfigurationAnswer)
def show(config_id: int) -> Answer:
    """Read an alert configuration."""
    return _answer(config_id)


@bp.patch("/alert-configurations/<id:config_id>")
@api_key_required
@operation(tag=TAG, changes=NewAlertConfiguration, answer=ConfigurationAnswer)
def update(config_id: int, changes: Changes[NewAlertConfiguration]) -> Answer:
    """Change an alert configuration.

    What is left out stays; a list replaces the list before. Alerts that it no longer stands for end with a reason.
    """
    current = found(rows.alert_configuration(config_id))
    configurations.update(config_id, changes.over(_as_given(current)), actor=actor(), version=current.version)
    return _answer(config_id)


@bp.delete("/alert-configurations/<id:config_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(config_id: int) -> Answer:
    """Delete an alert configuration.

    Its active alerts end with a reason; past alerts and all incidents stay.
    """
    configurations.delete(config_id, actor=actor())
    return Message(message=f"The alert configuration {config_id} was deleted.")


def _answer(config_id: int) -> ConfigurationAnswer:
    return ConfigurationAnswer(alert_configuration=found(rows.alert_configuration(config_id)))


def _as_given(configuration: rows.AlertConfiguration) -> dict[str, Any]:
    """A configuration as a request would have given it."""
    return {name: getattr(configuration, name) for name in AlertConfigurationInput.model_fields}
