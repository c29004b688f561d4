"""Fire drills of an alert configuration: ask first, start, report step by step."""

from flask import abort, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from kener.db import db
from kener.domain.permissions import Permission
from kener.queries import alerts as rows
from kener.queries import drills as reports
from kener.services import drills
from kener.services.errors import NotFound, Refused
from kener.web.access import actor, requires
from kener.web.fragments import done, render
from kener.web.manage.alerts.routes import bp


@bp.get("/<id:config_id>/drills/new")
@requires(Permission.EDIT)
def new_drill(config_id: int) -> BaseResponse:
    """Say what a drill does and whom it tells, before it does."""
    return _question(config_id, {})


@bp.post("/<id:config_id>/drills")
@requires(Permission.EDIT)
def start_drill(config_id: int) -> BaseResponse:
    """Start one."""
    try:
        drill_id = drills.start(config_id, request.form.get("monitor_tag") or None, actor=actor())
    except Refused as refused:
        return _question(config_id, refused.errors, status=422)
    except NotFound:
        abort(404)
    return done(url_for(".drill", config_id=config_id, drill_id=drill_id))


@bp.get("/<id:config_id>/drills/<id:drill_id>")
@requires(Permission.READ)
def drill(config_id: int, drill_id: int) -> BaseResponse:
    """The report, live while anything may still change."""
    session = db.session()
    found, configuration = reports.report(session, drill_id), rows.configuration(session, config_id)
    if found is None or configuration is None or found.config_id != config_id:
        abort(404)
    return render("manage/alerts/drill.html", fragment="live", drill=found, configuration=configuration)


def _question(config_id: int, errors: dict[str, str], *, status: int = 200) -> BaseResponse:
    session = db.session()
    configuration, stored = rows.configuration(session, config_id), rows.stored(session, config_id)
    if configuration is None or stored is None:
        abort(404)
    return render(
        "manage/alerts/new_drill.html",
        status=status,
        configuration=configuration,
        outlook=reports.outlook(session, config_id),
        obstacle=errors.get("") or drills.obstacle(session, stored),
        chosen=request.form.get("monitor_tag") or request.args.get("monitor", ""),
        errors=errors,
    )
