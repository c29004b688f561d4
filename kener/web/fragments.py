"""Answers: `render` gives htmx the block and everyone else the whole page; `done` leads on after a write."""

from typing import Any

from flask import Response, current_app, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse


def wants_fragment() -> bool:
    """Whether htmx asks for a part of the page; a history restore and a boosted link want the whole."""
    headers = request.headers
    return (
        headers.get("HX-Request") == "true"
        and not headers.get("HX-History-Restore-Request")
        and not headers.get("HX-Boosted")
    )


def block(template: str, name: str, **context: Any) -> str:
    """One block of a template, rendered alone."""
    current_app.update_template_context(context)
    page = current_app.jinja_env.get_template(template)
    return "".join(page.blocks[name](page.new_context(context)))


def render(template: str, *, fragment: str | None = None, status: int = 200, **context: Any) -> Response:
    """The block to htmx, the whole page to everyone else."""
    alone = fragment is not None and wants_fragment()
    body = block(template, fragment or "", **context) if alone else render_template(template, **context)
    response = make_response(body, status)
    response.vary.add("HX-Request")
    return response


def done(location: str, message: str | None = None, *, kind: str = "success") -> BaseResponse:
    """After a write: go on to another page, and say there what happened. htmx follows as well."""
    if message:
        flash(message, kind)
    if wants_fragment():
        return Response(status=204, headers={"HX-Redirect": location})
    return redirect(location, 303)


def not_modified() -> Response:
    """A poll found nothing new."""
    return Response(status=204)
