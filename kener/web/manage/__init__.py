"""Pages for operators."""

from typing import Any

from flask import Flask, request
from flask_login import current_user

from kener.db import db
from kener.queries import nav, site


def register(app: Flask) -> None:
    """Bind every blueprint, and give their templates the site and the counts of the side navigation."""
    from kener.web.manage.alert_log import routes as alert_log
    from kener.web.manage.alerts import backtest, drills  # noqa: F401 - add their routes to the blueprint of the alerts
    from kener.web.manage.alerts import routes as alerts
    from kener.web.manage.api_keys import routes as api_keys
    from kener.web.manage.deliveries import routes as deliveries
    from kener.web.manage.incidents import merging, post_mortem  # noqa: F401 - add their routes to the blueprint of the incidents
    from kener.web.manage.incidents import routes as incidents
    from kener.web.manage.maintenances import occurrences  # noqa: F401 - adds its routes to the blueprint of the maintenances
    from kener.web.manage.maintenances import routes as maintenances
    from kener.web.manage.monitors import clones, data, many, trash  # noqa: F401 - add their routes to the blueprint of the monitors
    from kener.web.manage.monitors import routes as monitors
    from kener.web.manage.overview import routes as overview
    from kener.web.manage.pages import routes as pages
    from kener.web.manage.secrets import routes as secrets
    from kener.web.manage.settings import routes as settings
    from kener.web.manage.subscribers import routes as subscribers
    from kener.web.manage.triggers import routes as triggers
    from kener.web.manage.why import routes as why

    for module in (
        overview,
        monitors,
        alerts,
        alert_log,
        why,
        incidents,
        maintenances,
        triggers,
        deliveries,
        subscribers,
        pages,
        secrets,
        api_keys,
        settings,
    ):
        app.register_blueprint(module.bp)
    app.context_processor(_frame)


def _frame() -> dict[str, Any]:
    """What the layout of the management pages needs; nothing for other pages."""
    if not (request.blueprint or "").startswith(("manage", "account")) or not current_user.is_authenticated:
        return {}
    session = db.session()
    return {"site": site.read(session), "nav": nav.nav(session)}
