"""Feeds: one entry per incident update, with a permanent id and link."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from flask import Response, render_template, request
from markupsafe import escape

from kener.db import db
from kener.markup import markdown
from kener.queries.public import feed as rows
from kener.services import site
from kener.web.access import public
from kener.web.public.pages import bp

_HERE = re.compile(r'href="/(?!/)')  # a reader of feeds does not know where "here" is
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@bp.get("/rss.xml")
@public
def rss() -> Response:
    """RSS 2.0."""
    return _feed("public/rss.xml", "application/rss+xml")


@bp.get("/atom.xml")
@public
def atom() -> Response:
    """Atom (RFC 4287)."""
    return _feed("public/atom.xml", "application/atom+xml")


def _feed(template: str, kind: str) -> Response:
    session = db.session()
    here, entries = site.read(session), rows.feed(session)
    base = (here.url or request.host_url).rstrip("/")
    changed = rows.feed_changed_at(session, entries) or EPOCH
    body = render_template(
        template,
        site=here,
        base=base,
        authority=urlsplit(base).hostname or "localhost",
        entries=entries,
        changed=changed,
        xml=_xml,
        html=lambda text: _xml(_HERE.sub(rf'href="{escape(base)}/', markdown(text))),
        rfc822=lambda moment: format_datetime(moment, usegmt=True),
        rfc3339=lambda moment: moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )
    response = Response(body, content_type=f"{kind}; charset=utf-8")
    response.headers["Last-Modified"] = format_datetime(changed, usegmt=True)
    return response


def _xml(text: str) -> str:
    """Text without the characters that XML cannot hold; the template escapes the rest."""
    return "".join(
        c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )
