"""Rendered pages, kept in process by address, theme and revision: in front of Flask, so that a hit costs microseconds.

Only what everybody sees is kept: requests without our session cookie, and the app is asked with nothing of the request but what the
key names, so that no visitor's cookie, header or parameter can end up in another visitor's page. The revision moves when anything a
visitor sees has changed, and once a minute; an entry of an older revision is never served. A poll with the revision it has seen is
answered with 204 from here.
"""

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

from werkzeug.http import parse_accept_header, parse_cookie
from werkzeug.wsgi import get_host

from kener import live
from kener.domain.inputs import RESERVED_PATHS

MOST_ENTRIES = 512
MOST_BYTES = 64 * 1024 * 1024
SESSION_COOKIE = "kener"
_FEEDS = frozenset({"/rss.xml", "/atom.xml"})
_EXACT = _FEEDS | {"/"}
_PREFIXES = ("/monitors/", "/incidents/")
_QUERY = frozenset({"range"})
_UNSAID = ("HTTP_COOKIE", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_AUTHORIZATION")
_DROPPED = frozenset({"content-length", "set-cookie", "vary", "etag", "content-encoding"})

StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Key(NamedTuple):
    """All that an answer may depend on. Only feeds name the host: their links are whole addresses."""

    path: str
    query: str
    theme: str
    fragment: bool
    host: str


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered answer. `etag` is that of the plain body."""

    revision: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    packed: bytes
    etag: str

    @property
    def size(self) -> int:
        return len(self.body) + len(self.packed)


class PageCache:
    """WSGI middleware around the app."""

    def __init__(self, app: App, redis_url: str) -> None:
        self.app, self.redis_url = app, redis_url
        self.pages: OrderedDict[Key, Page] = OrderedDict()
        self.bytes = 0
        self.locks: dict[Key, threading.Lock] = {}
        self.guard = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or not _is_kept(path):
            return self.app(environ, start_response)
        # Read by the app's own parser: where two parsers differ, a session could pass for none.
        cookies = parse_cookie(environ)
        if SESSION_COOKIE in cookies:
            return self.app(environ, start_response)
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        revision = live.current(self.redis_url)
        fragment = _wants_fragment(environ)
        if fragment and query.get("seen") == [revision]:
            start_response("204 No Content", [("Cache-Control", "no-store")])
            return []
        theme = cookies.get("theme", "")
        key = Key(
            path,
            urlencode([(name, values[0]) for name, values in sorted(query.items()) if name in _QUERY]),
            theme if theme in ("light", "dark") else "",
            fragment,
            f"{environ['wsgi.url_scheme']}://{get_host(environ)}" if path in _FEEDS else "",
        )
        page = self._page(key, revision, environ)
        if page is None:
            return self.app(environ, start_response)
        return _answer(page, environ, start_response)

    def _page(self, key: Key, revision: str, environ: dict[str, Any]) -> Page | None:
        """The page of this revision; the first to ask renders it, the others wait for that one."""
        page = self.pages.get(key)
        if page is not None and page.revision == revision:
            return page
        with self.guard:
            lock = self.locks.setdefault(key, threading.Lock())
        with lock:
            page = self.pages.get(key)
            if page is None or page.revision != revision:
                page = self._render(_asked(environ, key, revision), revision)
                self._keep(key, page)
        return page

    def _keep(self, key: Key, page: Page | None) -> None:
        with self.guard:
            self.locks.pop(key, None)
            before = self.pages.pop(key, None)
            self.bytes -= before.size if before else 0
            if page is None:
                return
            self.pages[key] = page
            self.bytes += page.size
            while self.pages and (len(self.pages) > MOST_ENTRIES or self.bytes > MOST_BYTES):
                self.bytes -= self.pages.popitem(last=False)[1].size

    def _render(self, environ: dict[str, Any], revision: str) -> Page | None:
        """Ask the app. None for anything that is not a plain success: errors are not kept."""
        answer: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            answer.update(status=status, headers=headers)

        chunks = self.app(environ, start)
        body = b"".join(chunks)
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
        if not answer["status"].startswith("200"):
            return None
        kept = tuple((name, value) for name, value in answer["headers"] if name.lower() not in _DROPPED)
        etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        return Page(revision, kept, body, gzip.compress(body, 9, mtime=0), etag)


def _is_kept(path: str) -> bool:
    """Whether what stands there is the same for all visitors. What Kener itself has in the first place of an address is no page."""
    if path in _EXACT or path.startswith(_PREFIXES):
        return True
    return path.count("/") == 1 and "." not in path and path[1:] not in RESERVED_PATHS


def _wants_fragment(environ: dict[str, Any]) -> bool:
    """As in `kener.web.fragments`."""
    whole = environ.get("HTTP_HX_HISTORY_RESTORE_REQUEST") or environ.get("HTTP_HX_BOOSTED")
    return environ.get("HTTP_HX_REQUEST") == "true" and not whole


def _asked(environ: dict[str, Any], key: Key, revision: str) -> dict[str, Any]:
    """The request that everybody with this key makes."""
    asked = {name: value for name, value in environ.items() if name not in _UNSAID and not name.startswith("HTTP_HX_")}
    asked |= {"REQUEST_METHOD": "GET", "QUERY_STRING": key.query, "kener.revision": revision}
    if key.theme:
        asked["HTTP_COOKIE"] = f"theme={key.theme}"
    if key.fragment:
        asked["HTTP_HX_REQUEST"] = "true"
    return asked


def _answer(page: Page, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    headers = [*page.headers, ("ETag", page.etag), ("Vary", "Accept-Encoding, Cookie, HX-Request")]
    if not any(name == "Cache-Control" for name, _ in headers):
        headers.append(("Cache-Control", "no-cache"))
    if _matches(environ, page):
        start_response("304 Not Modified", [pair for pair in headers if pair[0] != "Content-Type"])
        return []
    body = page.body
    if parse_accept_header(environ.get("HTTP_ACCEPT_ENCODING")).quality("gzip"):
        body = page.packed
        headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    start_response("200 OK", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _matches(environ: dict[str, Any], page: Page) -> bool:
    given = environ.get("HTTP_IF_NONE_MATCH")
    if given is not None:
        return given.strip() == "*" or page.etag in (tag.strip().removeprefix("W/") for tag in given.split(","))
    modified = dict(page.headers).get("Last-Modified")
    return modified is not None and environ.get("HTTP_IF_MODIFIED_SINCE") == modified
