"""What visitors, feed readers, monitored services and watchdogs see."""

from flask import Flask

from kener.web.public import (
    feeds,  # noqa: F401 - adds its routes to the blueprint of the pages
    machines,
    pages,
    subscriptions,
)
from kener.web.public.cache import PageCache


def register(app: Flask) -> None:
    """Bind the public blueprint, and keep its pages in front of the app."""
    app.register_blueprint(pages.bp)
    app.register_blueprint(machines.bp)
    subscriptions.register(app)
    app.wsgi_app = PageCache(app.wsgi_app, app.config["REDIS"])  # type: ignore[method-assign]
