"""What guards every answer: the content security policy, its fellow headers, and how cookies are set."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import PASSWORD, account
from tests.support.pages import visit

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/sign-in", 200), ("/manage", 200), ("/manage/monitors/-/new", 200), ("/manage/monitors/none", 404),
     ("/nothing", 404), ("/rss.xml", 200), ("/robots.txt", 200), ("/healthcheck", 200), ("/api/v4/monitors", 401),
     ("/api/v4/openapi.json", 200), ("/manage/settings", 403), ("/static/nothing.css", 404)],
)  # fmt: skip
def test_every_kind_of_answer_is_guarded(editor: FlaskClient, client: FlaskClient, path: str, status: int) -> None:
    for headers in ({}, {"HX-Request": "true"}):
        response = (client if path == "/sign-in" else editor).get(path, headers=headers)
        assert response.status_code == status
        assert response.headers["Content-Security-Policy"] == CSP
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        if path.startswith(("/manage", "/sign-in")) and status != 404:
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["X-Robots-Tag"] == "noindex"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client: FlaskClient) -> None:
    account("OWNER")
    visit(client, "/sign-in").form("Sign in").fill(email="owner@example.com", password=PASSWORD).submit()
    cookie = client.get_cookie("kener")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.secure, cookie.path) == (True, "Lax", False, "/")


def test_on_https_cookies_and_browsers_stay_with_it(make_app: Callable[..., Flask]) -> None:
    client = make_app(origin="https://status.example.com").test_client()
    account("OWNER")
    response = client.get("/sign-in", base_url="https://status.example.com")
    assert "Secure; HttpOnly" in response.headers["Set-Cookie"]
    assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
