"""Fire drills: a marked test outage through the complete path, timed step by step."""

from flask import Blueprint

from kener.db import reading
from kener.domain.inputs import Tag
from kener.queries import drills as rows
from kener.services import drills
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, found, operation
from kener.web.api.reading import Body

TAG = "Fire drills"
bp = Blueprint("api_drills", __name__)


class NewDrill(Body):
    """On which monitor."""

    notes = {"monitor_tag": "One that the configuration watches. Null: the first by name that is not paused."}

    monitor_tag: Tag | None = None


class DrillAnswer(Answer):
    """One fire drill."""

    drill: rows.DrillReport


@bp.post("/alert-configurations/<id:config_id>/drill")
@api_key_required
@operation(tag=TAG, body=NewDrill, answer=DrillAnswer, status=201)
def create(config_id: int, body: NewDrill) -> Answer:
    """Start a fire drill.

    The active triggers of the configuration get a marked notice, and another when it is over. Nothing public changes, no figure counts it.
    One at a time for each configuration; the body may be left out.
    """
    return _answer(drills.start(config_id, body.monitor_tag, actor=actor()))


@bp.get("/drills/<id:drill_id>")
@api_key_required
@operation(tag=TAG, answer=DrillAnswer)
def show(drill_id: int) -> Answer:
    """Read the report of a fire drill.

    Ask again while its state is RUNNING.
    """
    return _answer(drill_id)


def _answer(drill_id: int) -> DrillAnswer:
    return DrillAnswer(drill=found(rows.report(reading(), drill_id)))
