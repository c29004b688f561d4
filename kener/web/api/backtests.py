"""Back-tests: what a draft would have made of the samples that are stored."""

from datetime import date
from typing import Annotated

from flask import Blueprint
from pydantic import Field

from kener.domain.alerting import AlertType
from kener.domain.backtest import BackTest, Figures
from kener.domain.inputs import AlertConfigurationInput
from kener.services import backtest
from kener.services.errors import NotFound, Refused
from kener.web.api.auth import api_key_required
from kener.web.api.configurations import NewAlertConfiguration
from kener.web.api.operations import Answer, operation
from kener.web.api.reading import Body, Id, Seconds

TAG = "Back-tests"
bp = Blueprint("api_backtests", __name__)

MOST = 1_000_000
"""So many samples are replayed in one call: about 23 monitors, every minute, for 30 days."""


class Draft(Body, AlertConfigurationInput):
    """An alert configuration as it might be."""

    days: Annotated[int, Field(ge=1, le=backtest.DAYS)] = backtest.DAYS
    alert_configuration_id: Id | None = None

    notes = NewAlertConfiguration.notes | {
        "days": "So many days back from now.",
        "alert_configuration_id": "Beside which stored configuration to put it. Null: it stands alone.",
    }
    shown = NewAlertConfiguration.shown


class Day(Answer):
    """What began on one day of the site's time zone."""

    date: date
    alerts: int
    incidents: int


class Episode(Answer):
    """One alert that would have been."""

    monitor_tag: str
    first_failure_ts: Seconds
    triggered_ts: Seconds
    resolved_ts: Annotated[int | None, Field(description="Seconds since 1970, UTC; null: still active at the end.")]


class Side(Answer):
    """What a rule would have made."""

    alert_for: AlertType
    alert_value: str
    failure_threshold: int
    success_threshold: int
    alerts: int
    incidents: int
    seconds_in_alert: int
    longest_alert_seconds: int
    notices: Annotated[int, Field(description="Messages to active triggers.")]
    first_failure_to_alert_seconds: Annotated[int | None, Field(description="Typically; null without an alert.")]
    days: list[Day]
    episodes: Annotated[list[Episode], Field(description="The newest 500, oldest first.")]


class Replayed(Answer):
    """The draft, and the stored configuration beside it."""

    start_ts: Seconds
    end_ts: Seconds
    monitors: int
    samples: int
    draft: Side
    current: Side | None
    advice: list[str]


class BackTestAnswer(Answer):
    """One back-test."""

    back_test: Replayed


@bp.post("/alert-configurations/backtest")
@api_key_required
@operation(tag=TAG, body=Draft, answer=BackTestAnswer)
def create(body: Draft) -> Answer:
    """Replay a draft over stored samples.

    The code that decides live decides here, over up to 30 days; nothing is changed, kept or sent. At most a million samples in one call.
    """
    try:
        order = backtest.order(body, config_id=body.alert_configuration_id, days=body.days)
    except NotFound:
        raise Refused({"alert_configuration_id": "There is no such alert configuration."}) from None
    if (samples := backtest.size(order)) > MOST:
        text = f"These are about {samples:,} samples, and at most {MOST:,} are replayed in one call. Name fewer monitors, or days."
        raise Refused({"monitor_tags": text})
    return BackTestAnswer(back_test=_replayed(backtest.run(order)))


def _replayed(made: BackTest) -> Replayed:
    return Replayed(
        start_ts=made.start,
        end_ts=made.end,
        monitors=made.monitors,
        samples=made.samples,
        draft=_side(made, made.draft),
        current=_side(made, made.current) if made.current else None,
        advice=list(made.advice),
    )


def _side(made: BackTest, side: Figures) -> Side:
    days = zip(made.days, side.alerts_by_day, side.incidents_by_day, strict=True)
    return Side(
        alert_for=side.rule.alert_for,
        alert_value=side.rule.alert_value,
        failure_threshold=side.rule.failure_threshold,
        success_threshold=side.rule.success_threshold,
        alerts=side.alerts,
        incidents=side.incidents,
        seconds_in_alert=side.in_alert_s,
        longest_alert_seconds=side.longest_s,
        notices=side.notices,
        first_failure_to_alert_seconds=side.delay_s,
        days=[Day(date=day, alerts=alerts, incidents=incidents) for day, alerts, incidents in days],
        episodes=[
            Episode(
                monitor_tag=one.monitor, first_failure_ts=one.failing_since, triggered_ts=one.start, resolved_ts=one.end
            )
            for one in side.episodes
        ],
    )
