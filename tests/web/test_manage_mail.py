"""Mail on the settings page: a test shows how far it came."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from kener.settings import SmtpSettings
from tests.doubles.smtp import SmtpDouble
from tests.doubles.tls import Authority
from tests.support.pages import Page, visit

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")

Configure = Callable[..., None]


@pytest.fixture
def configure(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Change settings of the running app."""
    from dataclasses import replace

    def change(**changes: Any) -> None:
        monkeypatch.setitem(app.extensions, "kener", replace(app.extensions["kener"], **changes))

    return change


def smtp_settings(port: int, **changes: Any) -> SmtpSettings:
    given = {"host": "127.0.0.1", "port": port, "sender": "Status <status@example.org>", "security": "none", **changes}
    return SmtpSettings(**given)


def steps(page: Page) -> list[tuple[str, str]]:
    """Name and outcome of each step."""
    return [(row.select("th")[0].text, row.select("td")[0].text.strip()) for row in page.all("#tried tr")]


def try_out(owner: FlaskClient, to: str = "me@example.com", status: int = 200) -> Page:
    return visit(owner, "/manage/settings").form("Send a test mail").fill(to=to).submit(status=status)


def test_without_a_mail_server_the_page_says_what_to_set(owner: FlaskClient) -> None:
    page = visit(owner, "/manage/settings")
    assert "SMTP_HOST" in page.one("#mail").text and not page.all("#mail form")


def test_a_test_mail_arrives_encrypted_and_signed_in_and_each_step_is_shown(
    owner: FlaskClient, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    with SmtpDouble(security="starttls", tls=authority.context("127.0.0.1"), account=("me", "secret")) as smtp:
        configure(smtp=smtp_settings(smtp.port, security="starttls", username="me", password="secret"))
        page = try_out(owner)
    (kept,) = smtp.kept
    assert (kept.recipients, kept.encrypted, kept.user) == (["me@example.com"], True, "me")
    assert kept.message["Subject"].startswith("[test]")
    found = steps(page)
    assert [name for name, _ in found] == ["Connect", "Change to TLS", "Sign in", "Hand over"]
    assert all(words.startswith("done") for _, words in found)
    assert "TLSv1" in found[1][1] and "250 OK queued" in found[3][1]
    assert "secret" not in page.one("#mail").text


def test_the_step_that_fails_has_the_words_of_the_server_and_what_follows_is_not_tried(
    owner: FlaskClient, configure: Configure
) -> None:
    with SmtpDouble(account=("me", "secret")) as smtp:
        configure(smtp=smtp_settings(smtp.port, username="me", password="wrong"))
        found = steps(try_out(owner))
    assert found[0][1].startswith("done")
    assert found[1][1].startswith("failed") and "535" in found[1][1]
    assert found[2] == ("Hand over", "not tried")


def test_a_server_that_is_not_there_fails_the_first_step(owner: FlaskClient, configure: Configure) -> None:
    with SmtpDouble() as smtp:
        port = smtp.port
    configure(smtp=smtp_settings(port))
    found = steps(try_out(owner))
    assert found[0][1].startswith("failed") and "cannot be reached" in found[0][1]


def test_what_is_no_address_is_refused_beside_its_field(owner: FlaskClient, configure: Configure) -> None:
    with SmtpDouble() as smtp:
        configure(smtp=smtp_settings(smtp.port))
        page = try_out(owner, "a@example.com\nBcc: b@example.com", status=422)
    assert "Enter one address" in page.one("#e-to").text and not smtp.kept
