"""What an alert says in chats, pagers and pushes: the words, facts and link of its message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kener.domain.bulletins import Bulletin, Links
from kener.domain.messages import DRILL, Message, one_line


@dataclass(frozen=True, slots=True)
class Said:
    """An alert in words.

    `key` is the same when it triggers and when it resolves, and no other alert has it, on other installations neither.
    """

    key: str
    is_resolved: bool
    is_critical: bool
    is_drill: bool
    title: str
    state: str
    words: str
    facts: tuple[tuple[str, str], ...]
    page: str
    way: str
    site_name: str
    monitor_name: str
    kind: str
    at: str

    @property
    def headline(self) -> str:
        """The title with its shape, since colour is never the only signal."""
        return f"{'●' if self.is_resolved else '■'} {self.title}"

    @property
    def text(self) -> str:
        """All of it as plain lines, without the headline and the link."""
        facts = "\n".join(f"{name}: {value}" for name, value in self.facts)
        return "\n\n".join(filter(None, (self.words, facts)))


def said(message: Message) -> Said:
    """An alert's message in words. A link is given where the site's address is known."""
    v = message.variables

    def text(name: str) -> str:
        value = v.get(name)
        return "" if value is None else str(value)

    resolved = v.get("is_resolved") is True
    page, alert_id = text("alert_cta_url"), v.get("alert_id")
    return Said(
        key=f"kener-{alert_id}-{_digits(text('alert_timestamp'))}" if alert_id else f"kener-test-{text('monitor_tag')}",
        is_resolved=resolved,
        is_critical=text("alert_severity") == "CRITICAL",
        is_drill=v.get("is_drill") is True,
        title=one_line(f"{text('monitor_name')} {text('alert_for')}: {text('alert_value')}"),
        state=f"Resolved after {text('duration')}"
        if resolved and v.get("duration")
        else text("alert_status").capitalize(),
        words="\n\n".join(
            filter(None, (DRILL if v.get("is_drill") else "", text("alert_message"), text("closing_reason")))
        ),
        facts=tuple((name, value) for name, value in _facts(text) if value),
        page=page if page.startswith(("http://", "https://")) else "",
        way=text("alert_cta_text"),
        site_name=one_line(text("site_name")),
        monitor_name=one_line(text("monitor_name")),
        kind=text("alert_for"),
        at=text("resolved_at") if resolved else text("alert_timestamp"),
    )


def bulletin(message: Message) -> tuple[Bulletin, Links]:
    """An alert in the shape that chats are written from."""
    one = said(message)
    shape = Bulletin(
        event=message.event,
        site_name=one.site_name,
        subject=message.subject,
        headline=one.state,
        title=one.title,
        tone="up" if one.is_resolved else "down",
        text=one.words,
        facts=one.facts,
        monitors=(),
        raw={"at": one.at},
        way=one.way,
    )
    return shape, Links(page=one.page)


def _facts(text: Callable[[str], str]) -> list[tuple[str, str]]:
    return [
        ("Status", text("alert_status")),
        ("Severity", text("alert_severity")),
        ("Monitor", one_line(text("monitor_name"))),
        ("Observed", text("observed_value")),
        ("Last error", one_line(text("last_error"))),
        ("Triggered", _moment(text("alert_timestamp"))),
        ("Resolved", _moment(text("resolved_at"))),
        ("Duration", text("duration")),
    ]


def _moment(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M:%S UTC") if iso else ""


def _digits(iso: str) -> str:
    return "".join(c for c in iso[:19] if c.isdigit())
