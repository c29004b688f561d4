"""The way in and out: set-up, sign-in, throttling, sessions."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from kener.models import Setting, User, UserSession
from kener.services import accounts
from tests import factories
from tests.conftest import PASSWORD, account
from tests.support.pages import Page, visit

OWNER = "owner@example.com"


@pytest.fixture
def token(app: Flask) -> Iterator[str]:
    """The set-up token of an empty install."""
    path = Path(app.config["DATA_DIR"]) / "setup-token"
    path.unlink(missing_ok=True)
    yield accounts.setup_token()
    path.unlink(missing_ok=True)


@pytest.fixture
def signed_up(app: Flask) -> int:
    """An owner with a password."""
    return account("OWNER")


def enter(client: FlaskClient, *, password: str = PASSWORD, status: int = 200, **fields: str) -> Page:
    """Fill in the sign-in form."""
    return (
        visit(client, "/sign-in").form("Sign in").fill(email=OWNER, password=password, **fields).submit(status=status)
    )


# Set-up


def test_an_empty_install_is_set_up_once_with_its_token(
    token: str, client: FlaskClient, new_client: Callable[[], FlaskClient]
) -> None:
    page = visit(client, "/manage")
    assert page.heading == "Set up"
    given = {"token": token, "site_name": "Acme", "email": "Owner@Example.com", "password": PASSWORD}
    page = page.form("Make the owner account").fill(given).submit()
    assert page.heading == "Add a monitor"
    assert "The owner account is ready" in page.text
    assert (factories.only(User).email, factories.only(User).role) == (OWNER, "OWNER")
    assert "Acme" in visit(client, "/manage").one("title").text

    other = new_client()
    assert visit(other, "/setup", status=404).heading
    assert visit(other, "/manage").heading == "Sign in"
    crumb = visit(other, "/sign-in").form("Sign in")["csrf_token"][0]
    second = other.post("/setup", data={**given, "email": "thief@example.com", "csrf_token": crumb})
    assert second.status_code == 422
    assert factories.count(User) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("token", "guessed"), ("password", "short"), ("password", "aaaaaaaaaaaa"), ("email", "me"), ("site_name", " ")],
)
def test_a_set_up_with_a_mistake_says_so_beside_the_field_and_keeps_the_rest(
    token: str, client: FlaskClient, field: str, value: str
) -> None:
    given = {"token": token, "site_name": "Acme", "email": OWNER, "password": PASSWORD, field: value}
    page = visit(client, "/setup").form("Make the owner account").fill(given).submit(status=422)
    assert page.texts(".error") == [page.texts(f"#e-{field}")[0]]
    assert page.one(f"#f-{field}")["aria-invalid"] == "true"
    form = page.form("Make the owner account")
    for name in {"token", "site_name", "email"} - {field}:
        assert form[name] == [given[name]]
    assert form["password"] == [""]
    assert (factories.count(User), factories.count(Setting)) == (0, 0)


def test_the_address_with_the_token_fills_it_in(token: str, client: FlaskClient) -> None:
    assert visit(client, f"/setup?token={token}").form("Make the owner account")["token"] == [token]


# Signing in and out


@pytest.mark.usefixtures("signed_up")
def test_signing_in_leads_to_where_one_wanted_to_go(client: FlaskClient) -> None:
    page = visit(client, "/manage/alerts?type=UPTIME")
    page = page.form("Sign in").fill(email=" Owner@example.com", password=PASSWORD).submit()
    assert page.url == "/manage/alerts?type=UPTIME"
    assert visit(client, "/sign-in").url == "/manage"
    assert visit(client, "/manage").heading == "Overview"


@pytest.mark.usefixtures("signed_up")
@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "evil",
     "/\t/evil.example", "/\n/evil.example", "/\r\n/evil.example", "\t//evil.example", " //evil.example", "/\0/evil", ""],
)  # fmt: skip
def test_signing_in_never_leads_to_another_site(client: FlaskClient, target: str) -> None:
    form = visit(
        client, f"/sign-in?next={target.replace(chr(92), '%5C')}" if target.isprintable() else "/sign-in"
    ).form("Sign in")
    assert form["next"] == [""]
    given = {"email": OWNER, "password": PASSWORD, "csrf_token": form["csrf_token"][0], "next": target}
    response = client.post("/sign-in", data=given)
    assert (response.status_code, response.location) == (303, "/manage")


@pytest.mark.usefixtures("signed_up")
@pytest.mark.parametrize("given", [{"password": "wrong words here"}, {"email": "nobody@example.com"}])
def test_a_wrong_password_and_an_unknown_address_are_told_the_same(client: FlaskClient, given: dict[str, str]) -> None:
    fields = {"email": OWNER, "password": PASSWORD, **given}
    page = visit(client, "/sign-in?next=/manage/alerts").form("Sign in").fill(fields).submit(status=422)
    assert page.texts("#errors") == ["This address and password do not belong together."]
    form = page.form("Sign in")
    assert (form["email"], form["password"], form["next"]) == ([fields["email"]], [""], ["/manage/alerts"])
    assert factories.count(UserSession) == 0
    assert visit(client, "/manage").heading == "Sign in"


@pytest.mark.usefixtures("signed_up")
def test_whoever_guesses_passwords_has_to_wait(client: FlaskClient) -> None:
    for _ in range(6):
        enter(client, password="wrong words here", status=422)
    page = enter(client, status=429)
    assert page.heading == "Too many tries"
    assert 0 < int(page.response.headers["Retry-After"]) <= 60
    assert factories.count(UserSession) == 0
    form = visit(client, "/sign-in").form("Sign in").fill(email="OWNER@example.com ", password=PASSWORD)
    assert form.submit(status=429).heading == "Too many tries"
    form.fill(email="other@example.com").submit(status=422)


@pytest.mark.usefixtures("signed_up")
def test_signing_out_ends_the_session_on_the_server(client: FlaskClient, new_client: Callable[[], FlaskClient]) -> None:
    enter(client)
    stolen = client.get_cookie("kener")
    assert stolen is not None
    page = visit(client, "/manage").form("Sign out").submit()
    assert (page.heading, factories.count(UserSession)) == ("Sign in", 0)
    assert "Signed out." in page.text
    thief = new_client()
    thief.set_cookie("kener", stolen.value)
    assert visit(thief, "/manage").heading == "Sign in"


@pytest.mark.usefixtures("signed_up")
def test_sessions_are_listed_and_another_one_can_be_ended(
    client: FlaskClient, new_client: Callable[[], FlaskClient], editor: FlaskClient
) -> None:
    phone = new_client()
    phone.environ_base["HTTP_USER_AGENT"] = "<b>Phone</b> " + "x" * 300
    for browser in (client, phone):
        enter(browser)
    page = visit(client, "/manage").click(OWNER)
    rows = page.texts("tbody tr")
    assert len(rows) == 2
    assert sorted(("This one" in row, row.endswith("Sign out")) for row in rows) == [(False, True), (True, False)]
    assert "<b>Phone</b>" in page.text
    action = str(page.one("form[action$='/end']")["action"])
    crumb = visit(editor, "/manage").form("Sign out")["csrf_token"][0]
    assert editor.post(action, data={"csrf_token": crumb}).status_code == 404
    page = page.form(action).submit()
    assert "That browser is signed out." in page.text
    assert len(page.all("tbody tr")) == 1
    assert visit(phone, "/manage").heading == "Sign in"
    assert visit(client, "/manage").heading == "Overview"
