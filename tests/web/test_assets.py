"""The style sheet, the script and the icon as they are sent."""

import gzip
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from kener.web import assets


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("kener", static_folder=None)
    assets.register(app)
    return app.test_client()


def address(client: FlaskClient, name: str) -> str:
    with client.application.test_request_context():
        return assets.asset_url(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("app.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_an_asset_is_kept_by_browsers_for_a_year(client: FlaskClient, name: str, kind: str):
    url = address(client, name)
    assert re.fullmatch(rf"/static/{name.split('.')[0]}\.[0-9a-f]{{12}}\.{name.split('.')[1]}", url)
    response = client.get(url)
    assert response.status_code == 200
    assert response.content_type == kind
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_an_asset_is_sent_packed_to_those_who_can_unpack(client: FlaskClient):
    url = address(client, "app.css")
    plain = client.get(url)
    packed = client.get(url, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in client.get(url, headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_a_page_from_before_an_upgrade_still_gets_a_style_sheet(client: FlaskClient):
    response = client.get("/static/app.000000000000.css")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("name", ["other.css", "app", "app.css.map", "..", "app.py"])
def test_nothing_else_is_served(client: FlaskClient, name: str):
    assert client.get(f"/static/{name}").status_code == 404


def test_the_layers_stand_in_order_and_each_has_a_file():
    sheet = assets.stylesheet()
    assert sheet.startswith("@layer reset, tokens, base, layout, components, public, manage, print;")
    assert re.findall(r"^@layer (\w+) \{", sheet, re.MULTILINE) == list(assets.LAYERS)
    assert {path.stem for path in (assets.STATIC / "css").glob("*.css")} == set(assets.LAYERS)
    assert sheet.count("{") == sheet.count("}")


def test_the_whole_look_is_small():
    sent = assets.assets()
    assert len(sent["app.css"].packed) < 14_000
    assert len(sent["app.js"].packed) < 24_000
