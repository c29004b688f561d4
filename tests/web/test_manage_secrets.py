"""Secrets under Manage and in the API: values go in and never come out."""

from flask.testing import FlaskClient

from kener.db import reading
from kener.models import Secret
from kener.services import secrets
from tests import factories
from tests.support.api import Api
from tests.support.pages import visit

VALUE = "  hush-hush  "


def test_an_owner_keeps_replaces_and_deletes_a_secret_and_never_sees_it(owner: FlaskClient) -> None:
    page = visit(owner, "/manage").click("Secrets")
    assert "No secret so far." in page.text
    page = page.form("Keep it").fill(name="SHOP_TOKEN", value=VALUE, description="Of the shop").submit()
    assert "SHOP_TOKEN is kept." in page.text
    assert page.texts("tbody td.head") == ["$SHOP_TOKEN Of the shop"]
    assert secrets.values(reading(), ["SHOP_TOKEN"]) == {"SHOP_TOKEN": VALUE}
    edit = page.click("Replace SHOP_TOKEN")
    assert edit.form("Save")["value"] == [""]
    page = edit.form("Save").fill(description="Of our shop").submit()
    assert "The value stayed as it was." in page.text
    page = page.click("Replace SHOP_TOKEN").form("Save").fill(value="other").submit()
    assert "The new value counts" in page.text
    assert secrets.values(reading(), ["SHOP_TOKEN"]) == {"SHOP_TOKEN": "other"}
    assert "hush" not in page.html + edit.html
    page = page.click("Delete…")
    assert "Nothing names it." in page.text
    assert "is forgotten" in page.form("Delete secret").submit().text
    assert factories.count(Secret) == 0


def test_what_is_wrong_is_said_beside_the_field_and_the_value_is_not_shown_again(owner: FlaskClient) -> None:
    page = visit(owner, "/manage/secrets").form("Keep it").fill(name="1 bad", value=VALUE).submit(status=422)
    assert "not beginning with a digit" in page.text
    assert "hush" not in page.html
    assert page.form("Keep it")["name"] == ["1 bad"]
    page = page.form("Keep it").fill(name="GOOD").submit(status=422)
    assert "This field is needed." in page.text
    assert factories.count(Secret) == 0


def test_who_uses_a_secret_is_listed_and_told_before_it_goes(owner: FlaskClient) -> None:
    page = visit(owner, "/manage/secrets").form("Keep it").fill(name="TOKEN", value="abcdef").submit()
    factories.make_monitor("shop", name="Shop", monitor_type="API", type_data={"url": "https://a.example/?key=$TOKEN"})
    factories.make_trigger(headers=[{"key": "X", "value": "$TOKEN"}])
    page = visit(owner, "/manage/secrets")
    assert page.click("Shop").heading.startswith("Shop")
    assert "Hook" in page.text
    question = page.click("Delete…")
    assert "Shop" in question.text and "Hook" in question.text


def test_many_secrets_are_searched_and_paged(owner: FlaskClient) -> None:
    for number in range(30):
        given = secrets.SecretInput(name=f"TOKEN_{number:02}", value="abcdef")
        secrets.create(given, actor=factories.SAM)
    page = visit(owner, "/manage/secrets")
    assert len(page.all("tbody tr")) == 25
    assert len(page.click("Older").all("tbody tr")) == 5
    assert page.form("Search").fill(q="KEN_07").submit().texts("tbody td.head") == ["$TOKEN_07"]
    assert "No secret has “nothing”" in page.form("Search").fill(q="nothing").submit().text


def test_the_api_takes_values_and_gives_none_back(api: Api) -> None:
    made = api.post("/secrets", {"name": "TOKEN", "value": VALUE, "description": "Of the shop"})["secret"]
    assert made.keys() == {"id", "name", "description", "created_by", "created_at", "changed_by", "changed_at"}
    assert api.refused("POST", "/secrets", {"name": "TOKEN", "value": "x"}) == {
        "name": "There is a secret named TOKEN already."
    }
    assert api.refused("POST", "/secrets", {"name": "NEW"}) == {"value": "This field is needed."}
    assert api.refused("PATCH", f"/secrets/{made['id']}", {"name": "OTHER"}).keys() == {"name"}
    api.patch(f"/secrets/{made['id']}", {"description": "Kept"})
    assert secrets.values(reading(), ["TOKEN"]) == {"TOKEN": VALUE}
    monitor = {"tag": "shop", "name": "Shop", "type_data": {"url": "https://$TOKEN.example/"}}
    assert api.post("/monitors", monitor)["monitor"]["type_data"]["url"] == "https://$TOKEN.example/"
    api.delete(f"/secrets/{made['id']}")
    api.get(f"/secrets/{made['id']}", expect=404)
