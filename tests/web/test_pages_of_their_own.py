"""Pages of their own: what visitors see there, how operators make them, and what the API says."""

from flask import Flask
from flask.testing import FlaskClient

from kener import clock
from kener.domain.inputs import RESERVED_PATHS, PageInput
from kener.models import Page
from kener.services import pages
from tests import factories
from tests.support.api import Api
from tests.support.pages import visit
from tests.support.statements import counted


def make(path: str, *tags: str, **fields: object) -> int:
    given = {"path": path, "title": path.capitalize(), "monitor_tags": tags, **fields}
    return pages.create(PageInput.model_validate(given), actor=factories.SAM)


def test_a_page_shows_its_monitors_incidents_and_maintenance_and_no_others(client: FlaskClient) -> None:
    now = clock.epoch()
    for tag in ("cart", "search", "blog", "inside"):
        factories.make_monitor(tag, is_hidden=tag == "inside")
        factories.observe(tag, "UP", start=now - 30)
    factories.make_incident("blog", title="Blog is slow", start=now - 600)
    factories.make_incident("cart", title="Cart is slow", start=now - 600)
    factories.make_incident(title="Everybody is slow", start=now - 600)
    make("shop", "search", "inside", "cart", header="The shop", text="All about **carts**.")
    page = visit(client, "/shop")
    links = [str(link["href"]) for link in page.all("ul.ledger a[href^='/monitors/']")]
    assert list(dict.fromkeys(links)) == ["/monitors/search", "/monitors/cart"]
    assert "The shop" in page.text
    assert "All about carts" in page.text
    assert "Cart is slow" in page.text
    assert "Everybody is slow" in page.text
    assert "Blog" not in page.text.replace("Get updates", "")
    assert "Inside" not in page.text
    assert page.soup.title is not None and page.soup.title.text.startswith("Shop: ")
    home = visit(client, "/")
    assert "Blog is slow" in home.text
    assert home.click("Shop").url == "/shop"
    for path in ("/nobody", "/SHOP", "/shop/x", "/-shop"):
        assert client.get(path).status_code == 404


def test_a_page_is_polled_kept_and_changes_with_its_monitors(client: FlaskClient) -> None:
    factories.make_monitor("cart")
    factories.make_monitor("blog")
    page_id = make("shop", "cart")
    first = client.get("/shop")
    assert "Cart" in first.text
    assert client.get("/shop", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    pages.update(page_id, PageInput(path="shop", title="Shop", monitor_tags=["blog"]), actor=factories.SAM)
    assert "Blog" in client.get("/shop").text
    pages.delete(page_id, actor=factories.SAM)
    assert client.get("/shop").status_code == 404


def test_a_page_asks_as_often_for_many_monitors_as_for_few(client: FlaskClient) -> None:
    tags = [f"m{number}" for number in range(40)]
    for tag in tags:
        factories.make_monitor(tag)
    make("few", *tags[:2])
    make("many", *tags)
    client.get("/few")
    with counted() as few:
        assert client.get("/few?range=1").status_code == 200
    with counted() as many:
        assert client.get("/many").status_code == 200
    assert len(many) <= max(len(few), 14)


def test_what_kener_has_itself_in_an_address_is_reserved(app: Flask) -> None:
    firsts = {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()}
    assert {first for first in firsts if first and "<" not in first} - RESERVED_PATHS == set()


def test_an_editor_makes_orders_changes_and_deletes_pages(editor: FlaskClient) -> None:
    for tag in ("cart", "search"):
        factories.make_monitor(tag)
    page = visit(editor, "/manage").click("Pages")
    assert "No page so far." in page.text
    form = page.click("Add a page").form("Add page")
    again = form.fill(title="Shop", path="manage").submit(status=422)
    assert "/manage is an address of Kener itself." in again.text
    data = again.form("Add page").fill(path="shop").data()
    data.setlist("monitor_tags", ["cart", "search"])
    data["place-cart"], data["place-search"] = "2", "1"
    assert editor.post("/manage/pages", data=data).status_code == 303
    page_id = factories.only(Page).id
    assert visit(editor, f"/manage/pages/{page_id}/edit").texts("ul.placed label span.mono") == ["search", "cart"]
    make("blog")
    page = visit(editor, "/manage/pages")
    assert page.texts("tbody td.head") == ["Shop", "Blog"]
    editor.post(
        f"/manage/pages/{page_id}/move", data={**page.form(f"/manage/pages/{page_id}/move").data(), "to": "down"}
    )
    page = visit(editor, "/manage/pages")
    assert page.texts("tbody td.head") == ["Blog", "Shop"]
    question = visit(editor, f"/manage/pages/{page_id}/delete")
    assert "2 monitors of it stay" in question.text
    assert "Shop is deleted." in question.form("Delete page").submit().text


def test_the_api_makes_pages_under_the_names_of_the_original(api: Api) -> None:
    for tag in ("cart", "search"):
        factories.make_monitor(tag)
    body = {"page_path": "shop", "page_title": "Shop", "page_header": "Hello", "monitors": ["search", "cart"]}
    made = api.post("/pages", body)["page"]
    assert made == {"id": made["id"], "page_subheader": None, **body}
    assert api.patch(f"/pages/{made['id']}", {"monitors": ["cart"]})["page"]["monitors"] == ["cart"]
    assert api.refused("PATCH", f"/pages/{made['id']}", {"monitors": ["nobody"]}).keys() == {"monitors"}
    assert api.refused("POST", "/pages", body).keys() == {"page_path"}
    assert api.get("/pages")["total"] == 1
    api.delete(f"/pages/{made['id']}")
    api.get(f"/pages/{made['id']}", expect=404)
