"""The style sheet, the script and the icon: made once from their source files, named after their content, cached for ever."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, request, url_for

from kener.web.access import public

STATIC = Path(__file__).parent.parent / "static"
LAYERS = ("reset", "tokens", "base", "layout", "components", "public", "manage", "print")
SCRIPTS = ("vendor/htmx-2.0.11/htmx.min.js", "js/kener.js")
A_YEAR_S = 365 * 24 * 3600

bp = Blueprint("assets", __name__)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent. `name` carries the hash of the content: `app.3f2a….css`."""

    name: str
    kind: str
    body: bytes
    packed: bytes


def register(app: Flask) -> None:
    """Read the files now, so that no visitor waits for it, and let templates say `asset_url("app.css")`."""
    assets()
    app.register_blueprint(bp)
    app.jinja_env.globals["asset_url"] = asset_url


def asset_url(name: str) -> str:
    """The address of an asset by its plain name: app.css, app.js or icon.svg."""
    return url_for("assets.show", name=assets()[name].name)


@bp.get("/static/<name>")
@public
def show(name: str) -> Response:
    """An asset. An address from before the last upgrade gets today's content, briefly cached, rather than a bare page."""
    asset = assets().get(_plain(name))
    if asset is None:
        abort(404)
    packed = request.accept_encodings.quality("gzip") > 0
    response = Response(asset.packed if packed else asset.body, content_type=asset.kind)
    if packed:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.cache_control.public = True
    response.cache_control.max_age = A_YEAR_S if name == asset.name else 60
    response.cache_control.immutable = name == asset.name
    return response


@cache
def assets() -> dict[str, Asset]:
    """Every asset by its plain name."""
    return {
        "app.css": _asset("app.css", "text/css; charset=utf-8", stylesheet()),
        "app.js": _asset("app.js", "text/javascript; charset=utf-8", script()),
        "icon.svg": _asset("icon.svg", "image/svg+xml", _read("img/icon.svg")),
    }


def stylesheet() -> str:
    """All layers in one sheet: one request, no waterfall of imports. Comments and indents stay in the sources."""
    source = "\n".join(_read(f"css/{layer}.css") for layer in LAYERS)
    lean = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    lean = "\n".join(line for line in map(str.strip, lean.splitlines()) if line)
    return f"@layer {', '.join(LAYERS)};\n{lean}\n"


def script() -> str:
    """htmx, then our own script."""
    return ";\n".join(_read(path) for path in SCRIPTS)


def _read(path: str) -> str:
    return (STATIC / path).read_text(encoding="utf-8")


def _asset(name: str, kind: str, text: str) -> Asset:
    body = text.encode()
    stem, ending = name.rsplit(".", 1)
    return Asset(
        f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{ending}", kind, body, gzip.compress(body, 9, mtime=0)
    )


def _plain(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return f"{stem.split('.', 1)[0]}.{ending}"
