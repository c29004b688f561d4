"""The theme that a browser keeps."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.support.pages import Page


def test_a_theme_is_chosen_with_the_form_and_kept(client: FlaskClient, visit: Callable[..., Page]):
    page = visit("/").form("/preferences").fill(theme="dark").submit()
    assert page.url == "/" and page.one("html")["data-theme"] == "dark"
    assert page.form("/preferences")["theme"] == ["dark"]
    cookie = client.get_cookie("theme")
    assert cookie and cookie.http_only and cookie.same_site == "Lax" and cookie.max_age == 365 * 86_400
    page = page.form("/preferences").fill(theme="system").submit()
    assert "data-theme" not in page.one("html").attrs and client.get_cookie("theme") is None


@pytest.mark.parametrize(
    ("referrer", "target"),
    [
        ("http://localhost/monitors/api?range=7d", "/monitors/api?range=7d"),
        ("http://localhost//evil.example/", "/"),
        ("http://localhost/\\evil.example", "/"),
        ("http://localhost.evil.example/", "/"),
        ("https://evil.example/monitors/api", "/"),
        ("javascript:alert(1)", "/"),
        (None, "/"),
    ],
)
def test_a_choice_leads_back_to_the_page_and_never_elsewhere(client: FlaskClient, referrer: str | None, target: str):
    answer = client.post("/preferences", data={"theme": "light"}, headers={"Referer": referrer} if referrer else {})
    assert (answer.status_code, answer.location) == (303, target)


def test_a_theme_that_does_not_exist_or_comes_from_elsewhere_is_refused(client: FlaskClient):
    assert client.post("/preferences", data={"theme": "pink"}).status_code == 422
    elsewhere = client.post("/preferences", data={"theme": "dark"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 403 and client.get_cookie("theme") is None
    assert client.get("/preferences").status_code == 405
