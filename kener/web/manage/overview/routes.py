"""The overview: what needs somebody now."""

from flask import Blueprint
from werkzeug.wrappers import Response as BaseResponse

from kener import clock
from kener.db import db
from kener.domain.permissions import Permission
from kener.queries import overview as rows
from kener.web.access import requires
from kener.web.fragments import render

bp = Blueprint("manage", __name__, url_prefix="/manage")


@bp.get("", strict_slashes=False)
@requires(Permission.READ)
def overview() -> BaseResponse:
    """What is wrong now, the last alerts, how late checks are. htmx asks for it again every 15 s."""
    return render("manage/overview.html", fragment="live", overview=rows.overview(db.session()), now_s=clock.epoch())
