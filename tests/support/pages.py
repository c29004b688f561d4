"""Pages as a visitor meets them: parsed, checked for what must hold on every page, with links and forms that work."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import urljoin

import html5lib
from bs4 import BeautifulSoup, Tag
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

Value = str | int | bool | Sequence[str]
UNLABELLED = {"hidden", "submit", "button", "reset", "image"}


class Page:
    """A parsed answer. Building one checks it."""

    def __init__(self, client: FlaskClient, response: TestResponse, *, fragment: bool = False) -> None:
        self.client, self.response = client, response
        self.status = response.status_code
        self.url = response.request.full_path.rstrip("?")
        self.html = response.get_data(as_text=True)
        self.soup = BeautifulSoup(self.html, "html5lib")
        problems = find_problems(self.html, self.soup, fragment=fragment)
        assert not problems, f"{self.url}: " + "; ".join(problems)

    @property
    def text(self) -> str:
        """What can be read, with single spaces."""
        return words(self.soup.body) if self.soup.body else ""

    @property
    def heading(self) -> str:
        return words(self.one("h1"))

    def all(self, css: str) -> list[Tag]:
        return list(self.soup.select(css))

    def one(self, css: str) -> Tag:
        """The only element that matches."""
        found = self.all(css)
        assert len(found) == 1, f"{self.url}: {len(found)} elements match {css}"
        return found[0]

    def texts(self, css: str) -> list[str]:
        return [words(tag) for tag in self.all(css)]

    def click(self, link: str) -> "Page":
        """Follow the link with this text (or accessible name)."""
        found = [tag for tag in self.all("a[href]") if link in (words(tag), tag.get("aria-label"))]
        assert found, f"{self.url}: no link {link!r}"
        return visit(self.client, urljoin(self.url, str(found[0]["href"])))

    def form(self, name: str) -> "Form":
        """The form with this id, name or action, or with a submit button of this text."""
        for tag in self.all("form"):
            buttons = {words(button) for button in submitters(tag)} | {str(b.get("value")) for b in submitters(tag)}
            if name in (tag.get("id"), tag.get("name"), tag.get("action"), tag.get("aria-label")) or name in buttons:
                return Form(self, tag)
        raise AssertionError(f"{self.url}: no form {name!r} among {[str(f.get('action')) for f in self.all('form')]}")


class Form:
    """A form that is filled and sent the way a browser does without JavaScript."""

    def __init__(self, page: Page, tag: Tag) -> None:
        self.page, self.tag = page, tag
        self.values: dict[str, Value] = {}

    def __getitem__(self, name: str) -> list[str]:
        """What would be sent for a field."""
        return self.data().getlist(name)

    @property
    def fields(self) -> set[str]:
        return {str(control["name"]) for control in self._controls()}

    def fill(self, values: dict[str, Value] | None = None, /, **more: Value) -> Self:
        """Set fields by name; a name that the form does not have is a mistake of the form or of the test."""
        wanted = {**(values or {}), **more}
        unknown = set(wanted) - self.fields
        assert not unknown, f"{self.page.url}: no field {', '.join(sorted(unknown))} among {sorted(self.fields)}"
        self.values |= wanted
        return self

    def data(self, button: str | None = None) -> MultiDict[str, str]:
        """What is sent."""
        sent: MultiDict[str, str] = MultiDict()
        for control in self._controls():
            for value in self._sent(control):
                sent.add(str(control["name"]), value)
        pressed = self._button(button)
        if pressed is not None and pressed.get("name"):
            sent.add(str(pressed["name"]), str(pressed.get("value", "")))
        return sent

    def submit(self, button: str | None = None, *, status: int = 200) -> Page:
        """Send it, follow where it leads, and expect this status there."""
        pressed = self._button(button)
        where = (pressed.get("formaction") if pressed is not None else None) or self.tag.get("action") or self.page.url
        url = urljoin(self.page.url, str(where))
        if str(self.tag.get("method", "get")).lower() == "get":
            response = self.page.client.get(url, query_string=self.data(button), follow_redirects=True)
        else:
            response = self.page.client.post(url, data=self.data(button), follow_redirects=True)
        assert response.status_code == status, f"{url}: {response.status_code}, not {status}: {response.text[:2000]}"
        return Page(self.page.client, response)

    def _button(self, text: str | None) -> Tag | None:
        buttons = submitters(self.tag)
        if text is None:
            return buttons[0] if buttons else None
        found = [button for button in buttons if text in (words(button), button.get("value"), button.get("name"))]
        assert found, f"{self.page.url}: no button {text!r}"
        return found[0]

    def _controls(self) -> list[Tag]:
        inside = list(self.tag.select("input[name], select[name], textarea[name]"))
        if self.tag.get("id"):
            inside += self.page.all(f"[form='{self.tag['id']}'][name]:not(button)")
        return [c for c in inside if not c.has_attr("disabled") and c.get("type") not in ("submit", "button", "image")]

    def _sent(self, control: Tag) -> list[str]:
        name, kind = str(control["name"]), str(control.get("type", "text")).lower()
        given = self.values.get(name)
        if control.name == "select":
            return _selected(control, given)
        if kind in ("checkbox", "radio"):
            own = str(control.get("value", "on"))
            if given is None:
                return [own] if control.has_attr("checked") else []
            chosen = given if isinstance(given, bool) else own in _many(given)
            return [own] if chosen else []
        if given is not None:
            return _many(given)
        return [control.text.removeprefix("\n") if control.name == "textarea" else str(control.get("value", ""))]


def visit(client: FlaskClient, path: str, *, status: int = 200, fragment: bool = False, **options: Any) -> Page:
    """Open a page, follow redirects, check it."""
    response = client.get(path, follow_redirects=True, **options)
    assert response.status_code == status, f"{path}: {response.status_code}, not {status}: {response.text[:2000]}"
    return Page(client, response, fragment=fragment)


def words(tag: Tag) -> str:
    """The text of an element, with single spaces."""
    return " ".join(tag.get_text(" ").split())


def submitters(form: Tag) -> list[Tag]:
    """The buttons that send a form."""
    return [
        tag
        for tag in form.select("button, input[type=submit]")
        if tag.get("type", "submit") == "submit" and not tag.has_attr("disabled")
    ]


def find_problems(html: str, soup: BeautifulSoup, *, fragment: bool = False) -> list[str]:
    """What must hold on every page and does not."""
    problems = [] if fragment else _document_problems(html, soup)
    ids = Counter(str(tag["id"]) for tag in soup.select("[id]"))
    problems += [f"id {name} occurs {number} times" for name, number in ids.items() if number > 1]
    problems += [
        f"unlabelled field {_shown(c)}" for c in soup.select("input, select, textarea") if not _labelled(soup, c)
    ]
    problems += [f"nameless button {_shown(b)}" for b in soup.select("button, a[href]") if not _has_name(b)]
    problems += [f"image without alt {_shown(image)}" for image in soup.select("img:not([alt])")]
    problems += [
        f"inline script {_shown(tag)}"
        for tag in soup.select("script:not([src])")
        if tag.get("type") != "application/json"
    ]
    problems += [f"inline style {_shown(tag)}" for tag in soup.select("style, [style]")]
    for tag in soup.find_all(True):
        problems += [
            f"inline handler {name} on {_shown(tag)}" for name in tag.attrs if name.startswith(("on", "hx-on"))
        ]
        if str(tag.get("href", tag.get("src", ""))).strip().lower().startswith("javascript:"):
            problems.append(f"javascript: address on {_shown(tag)}")
    for attribute in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
        for tag in soup.select(f"[{attribute}]"):
            wanted = str(tag[attribute] if attribute == "for" else " ".join(tag.get_attribute_list(attribute))).split()
            problems += [
                f"{attribute} of {_shown(tag)} names no id {name}"
                for name in wanted
                if name not in ids and not fragment
            ]
    return problems


def _document_problems(html: str, soup: BeautifulSoup) -> list[str]:
    parser = html5lib.HTMLParser()
    parser.parse(html)
    problems = [f"markup: {code} {data} at line {line}" for (line, _), code, data in parser.errors]
    if len(soup.select("h1")) != 1:
        problems.append(f"{len(soup.select('h1'))} h1 elements")
    if len(soup.select("main")) != 1:
        problems.append(f"{len(soup.select('main'))} main elements")
    if not (soup.title and words(soup.title)):
        problems.append("no title")
    if not (soup.html and soup.html.get("lang")):
        problems.append("no lang")
    return problems


def _labelled(soup: BeautifulSoup, control: Tag) -> bool:
    if control.get("type") in UNLABELLED:
        return True
    if control.get("aria-label") or control.get("aria-labelledby"):
        return True
    label = control.find_parent("label")
    if label is None and control.get("id"):
        label = next((tag for tag in soup.select("label[for]") if tag["for"] == control["id"]), None)
    return isinstance(label, Tag) and bool(words(label))


def _has_name(tag: Tag) -> bool:
    named = tag.select_one("img[alt]:not([alt='']), svg[aria-label], svg title, [aria-label]")
    return bool(words(tag) or tag.get("aria-label") or tag.get("aria-labelledby") or tag.get("title") or named)


def _selected(control: Tag, given: Value | None) -> list[str]:
    options = {str(option.get("value", option.text)): option for option in control.select("option")}
    if given is None:
        chosen = [value for value, option in options.items() if option.has_attr("selected")]
        return chosen if chosen or control.has_attr("multiple") else list(options)[:1]
    by_text = {words(option): value for value, option in options.items()}
    picked = [by_text.get(value, value) for value in _many(given)]
    assert set(picked) <= set(options), f"{control['name']} offers {sorted(options)}, not {picked}"
    return picked


def _many(given: Value) -> list[str]:
    if isinstance(given, bool):
        return ["on"] if given else []
    return [str(given)] if isinstance(given, str | int) else [str(value) for value in given]


def _shown(tag: Tag) -> str:
    return str(tag)[:100].replace("\n", " ")
