"""Comments: the timeline of an incident."""

from typing import Any

from flask import Blueprint

from kener.domain.inputs import UpdateInput
from kener.queries import api as rows
from kener.services import incidents
from kener.web.api.auth import actor, api_key_required
from kener.web.api.operations import Answer, Message, found, operation
from kener.web.api.reading import Body, Changes, OptionalMoment, named

TAG = "Incident comments"
bp = Blueprint("api_comments", __name__)


class NewComment(Body, UpdateInput):
    """An entry of an incident's timeline. Without a timestamp it is now."""

    model_config = named(text="comment", at="timestamp")

    at: OptionalMoment = None

    notes = {"comment": "Markdown.", "notify": "NO: subscribers are not told."}


class CommentAnswer(Answer):
    """One comment."""

    comment: rows.Comment


class CommentList(Answer):
    """The timeline of an incident, oldest first."""

    comments: list[rows.Comment]


@bp.get("/incidents/<id:incident_id>/comments")
@api_key_required
@operation(tag=TAG, answer=CommentList)
def index(incident_id: int) -> Answer:
    """List the comments of an incident."""
    return CommentList(comments=found(rows.comments(incident_id)))


@bp.post("/incidents/<id:incident_id>/comments")
@api_key_required
@operation(tag=TAG, body=NewComment, answer=CommentAnswer, status=201)
def create(incident_id: int, body: NewComment) -> Answer:
    """Add a comment.

    State and end of the incident follow from all its comments in time order: RESOLVED closes it, a later other state re-opens it.
    """
    return _answer(incident_id, incidents.post_update(incident_id, body, actor=actor()))


@bp.get("/incidents/<id:incident_id>/comments/<id:comment_id>")
@api_key_required
@operation(tag=TAG, answer=CommentAnswer)
def show(incident_id: int, comment_id: int) -> Answer:
    """Read a comment."""
    return _answer(incident_id, comment_id)


@bp.patch("/incidents/<id:incident_id>/comments/<id:comment_id>")
@api_key_required
@operation(tag=TAG, changes=NewComment, answer=CommentAnswer)
def update(incident_id: int, comment_id: int, changes: Changes[NewComment]) -> Answer:
    """Correct a comment.

    State and end of the incident are worked out again.
    """
    current = found(rows.comment(incident_id, comment_id))
    incidents.edit_update(incident_id, comment_id, changes.over(_as_given(current)), actor=actor())
    return _answer(incident_id, comment_id)


@bp.delete("/incidents/<id:incident_id>/comments/<id:comment_id>")
@api_key_required
@operation(tag=TAG, answer=Message)
def destroy(incident_id: int, comment_id: int) -> Answer:
    """Delete a comment.

    State and end of the incident are worked out again.
    """
    incidents.delete_update(incident_id, comment_id, actor=actor())
    return Message(message=f"The comment {comment_id} was deleted.")


def _answer(incident_id: int, comment_id: int) -> CommentAnswer:
    return CommentAnswer(comment=found(rows.comment(incident_id, comment_id)))


def _as_given(comment: rows.Comment) -> dict[str, Any]:
    """A comment as a request would have given it. Its time stays by being left out: to the microsecond."""
    return {"comment": comment.comment, "state": comment.state}
