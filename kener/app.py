"""The whole assembly on one screen."""

import logging

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from kener import db
from kener.settings import Settings


def create_app(settings: Settings, *, web: bool = True) -> Flask:
    """The app. With `web=False`: database, queues and mail templates only, as the workers need it (it starts faster)."""
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app = Flask("kener", static_folder=None)
    app.extensions["kener"] = settings
    app.config.update(
        SECRET_KEY=settings.secret_key,
        DATA_DIR=str(settings.data_dir),
        REDIS=settings.redis,
        ORIGIN=settings.origin,
        MAX_CONTENT_LENGTH=2 * 1024 * 1024,
    )
    db.configure(app, settings)
    if web:
        from kener import web as pages

        pages.register(app, settings)
        if settings.trusted_proxies:
            hops = settings.trusted_proxies
            app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app
