"""Rendered pages, kept in process by address, theme and revision: in front of Flask, so that a hit costs microseconds.

Only what everybody sees is kept: requests without our session cookie. The revision moves when anything a visitor sees has changed, and
once a minute; an entry of an older revision is never served. A poll with the revision it has seen is answered with 204 from here.
"""

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from kener import live

MOST_ENTRIES = 512
LARGEST_BYTES = 2_000_000
SESSION_COOKIE = "kener"
_EXACT = frozenset({"/", "/rss.xml", "/atom.xml"})
_PREFIXES = ("/monitors/", "/incidents/")
_QUERY = frozenset({"range"})
_DROPPED = frozenset({"content-length", "set-cookie", "vary", "etag", "content-encoding"})

StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Key = tuple[str, str, str, bool]


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered answer. `etag` is that of the plain body."""

    revision: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    packed: bytes
    etag: str


class PageCache:
    """WSGI middleware around the app."""

    def __init__(self, app: App, redis_url: str) -> None:
        self.app, self.redis_url = app, redis_url
        self.pages: OrderedDict[Key, Page] = OrderedDict()
        self.locks: dict[Key, threading.Lock] = {}
        self.guard = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or not (path in _EXACT or path.startswith(_PREFIXES)):
            return self.app(environ, start_response)
        cookies = environ.get("HTTP_COOKIE", "")
        if SESSION_COOKIE in cookies and SESSION_COOKIE in _cookies(cookies):
            return self.app(environ, start_response)
        query = parse_qs(environ.get("QUERY_STRING", ""))
        revision = live.current(self.redis_url)
        fragment = environ.get("HTTP_HX_REQUEST") == "true"
        if fragment and query.get("seen") == [revision]:
            start_response("204 No Content", [("Cache-Control", "no-store")])
            return []
        page = self._page((path, _relevant(query), _theme(cookies), fragment), revision, environ)
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
                page = self._render(environ, revision)
                self._keep(key, page)
        return page

    def _keep(self, key: Key, page: Page | None) -> None:
        with self.guard:
            self.locks.pop(key, None)
            if page is None:
                self.pages.pop(key, None)
                return
            self.pages[key] = page
            self.pages.move_to_end(key)
            while len(self.pages) > MOST_ENTRIES:
                self.pages.popitem(last=False)

    def _render(self, environ: dict[str, Any], revision: str) -> Page | None:
        """Ask the app. None for anything that is not a plain success: errors are not kept."""
        answer: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            answer.update(status=status, headers=headers)

        asked = {
            name: value
            for name, value in environ.items()
            if name not in ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE")
        }
        asked["REQUEST_METHOD"] = "GET"
        asked["kener.revision"] = revision
        chunks = self.app(asked, start)
        body = b"".join(chunks)
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
        if not answer["status"].startswith("200") or len(body) > LARGEST_BYTES:
            return None
        kept = tuple((name, value) for name, value in answer["headers"] if name.lower() not in _DROPPED)
        etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        return Page(revision, kept, body, gzip.compress(body, 6, mtime=0), etag)


def _answer(page: Page, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    headers = [*page.headers, ("ETag", page.etag), ("Vary", "Accept-Encoding, Cookie, HX-Request")]
    if not any(name == "Cache-Control" for name, _ in headers):
        headers.append(("Cache-Control", "no-cache"))
    if _matches(environ, page):
        start_response("304 Not Modified", [pair for pair in headers if pair[0] != "Content-Type"])
        return []
    body = page.body
    if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
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


def _relevant(query: dict[str, list[str]]) -> str:
    return "&".join(f"{name}={values[0]}" for name, values in sorted(query.items()) if name in _QUERY)


def _theme(cookies: str) -> str:
    if "theme" not in cookies:
        return ""
    theme = _cookies(cookies).get("theme", "")
    return theme if theme in ("light", "dark") else ""


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {SESSION_COOKIE: ""}
