"""Markdown, configured once: text in, safe HTML out."""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape, unescape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

_TAGS = {
    "a", "abbr", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "th": {"scope"}, "abbr": {"title"}}
_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20}).enable(
    ["table", "strikethrough"]
)


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """An image becomes a link to it: our pages load nothing from elsewhere, and its words stay."""
    image = tokens[index]
    address = str(image.attrGet("src") or "")
    words = renderer.renderInlineAsText(image.children, options, env) or address
    return f'<a href="{escape(address)}">{escape(words)}</a>'


_markdown.add_render_rule("image", _image)


@lru_cache(maxsize=2048)
def markdown(text: str) -> Markup:
    """Render Markdown. Raw HTML is shown, not obeyed; headings start below the page's own; links cannot run anything."""
    html = _markdown.render(text)
    # Updates stand inside a section: their largest heading is an h3. The table's first column is a heading of its row.
    for level in (1, 2):
        html = html.replace(f"<h{level}>", "<h3>").replace(f"</h{level}>", "</h3>")
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    return Markup(clean)  # noqa: S704 - cleaned above


_CELL = "padding:6px 12px 6px 0;text-align:left;vertical-align:top"
_MAIL_STYLES = {
    "p": ("ink", "margin:0 0 12px;color:#112124"),
    "ul": ("ink", "margin:0 0 12px;padding-left:20px;color:#112124"),
    "ol": ("ink", "margin:0 0 12px;padding-left:20px;color:#112124"),
    "h3": ("ink", "margin:0 0 8px;font-size:16px;line-height:24px;color:#112124"),
    "h4": ("ink", "margin:0 0 8px;font-size:14px;line-height:20px;color:#112124"),
    "h5": ("ink", "margin:0 0 8px;font-size:14px;line-height:20px;color:#112124"),
    "h6": ("ink", "margin:0 0 8px;font-size:14px;line-height:20px;color:#112124"),
    "blockquote": ("ink-2", "margin:0 0 12px;padding-left:12px;color:#4d5d5d"),
    "pre": ("ink", "margin:0 0 12px;padding:8px 12px;white-space:pre-wrap;word-break:break-word;font-size:13px;color:#112124"),
    "table": ("ink", "width:100%;margin:0 0 12px;border-collapse:collapse;font-size:14px;line-height:20px"),
    "td": ("ink line", f"{_CELL};border-top:1px solid #dbe2e2;color:#112124;word-break:break-word"),
    "th": ("ink-2 line", f"{_CELL};font-weight:400;color:#4d5d5d"),
}  # fmt: skip
_OPENING = re.compile(r"<(p|ul|ol|h[3-6]|blockquote|pre|table|td|th|a)(?=[ >])")


@lru_cache(maxsize=256)
def for_mail(text: str) -> Markup:
    """The same HTML with its look in every element, as mail programs need it; its classes are those of the mails' dark colours."""

    def styled(found: re.Match[str]) -> str:
        name = found[1]
        if name == "a":
            return '<a class="link" style="color:#105b7b"'
        classes, style = _MAIL_STYLES[name]
        return f'<{name} class="{classes}" style="{style}"'

    return Markup(_OPENING.sub(styled, str(markdown(text))))  # noqa: S704 - cleaned, and what is put in is ours


def plain(text: str) -> str:
    """The same text without markup, on one line, for summaries."""
    return _words(_markdown.render(text))


def gist(text: str) -> str:
    """Its first paragraph as plain words: an automatic update says what happened before its table of details."""
    tokens = _markdown.parse(text)
    first = next((i for i, token in enumerate(tokens) if token.type == "paragraph_open" and token.level == 0), None)
    if first is None:
        return plain(text)
    return _words(_markdown.renderer.render(tokens[first : first + 3], _markdown.options, {}))


def _words(html: str) -> str:
    return " ".join(unescape(nh3.clean(html, tags=set())).split())
