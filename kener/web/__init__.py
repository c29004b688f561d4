"""Pages, forms and API: Flask blueprints over services and queries."""

from flask import Flask

from kener.settings import Settings


def register(app: Flask, settings: Settings) -> None:
    """Bind extensions, security, errors and every blueprint."""
    from kener.web import access, assets, errors, filters, security
    from kener.web.account import routes as account
    from kener.web.api import register as register_api
    from kener.web.manage import register as register_manage
    from kener.web.public import register as register_public
    from kener.web.urls import CONVERTERS

    app.url_map.converters.update(CONVERTERS)
    security.register(app, settings)
    access.register(app)
    errors.register(app)
    assets.register(app)
    filters.register(app)
    app.register_blueprint(account.bp)
    register_manage(app)
    register_api(app)
    register_public(app)
    access.check_every_endpoint(app)
