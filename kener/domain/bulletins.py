"""What subscribers read: subject, words and facts of a notice, for a mail, for a program, and for three kinds of chat."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kener.domain.messages import one_line
from kener.domain.plain_text import plain_text
from kener.domain.subscriptions import Channel, in_zone

_EVENTS = {
    "OPENED": "New incident",
    "UPDATED": "Update",
    "RESOLVED": "Resolved",
    "CREATED": "Maintenance planned",
    "REMINDER": "Maintenance starts soon",
    "STARTED": "Maintenance has started",
    "ENDED": "Maintenance is over",
    "RESCHEDULED": "Maintenance was moved",
    "CANCELLED": "Maintenance was cancelled",
}
_SHAPES = {"up": "●", "degraded": "▲", "down": "■", "maintenance": "◆"}
_COLOURS = {"up": 0x2E9265, "degraded": 0xBE741C, "down": 0xC72E2B, "maintenance": 0x7261BA}
_DISCORD = (256, 4_096, 1_024)  # title, description, value of a field
_SLACK = (150, 3_000, 2_000)  # header, section, field
_CARD = "application/vnd.microsoft.card.adaptive"


@dataclass(frozen=True, slots=True)
class Links:
    """Where a subscriber can go: the thing itself, their own settings, the way out. Empty where there is none."""

    page: str = ""
    settings: str = ""
    stop: str = ""


@dataclass(frozen=True, slots=True)
class Bulletin:
    """A notice as one subscriber reads it: times are in their zone. `tone` is the status whose colour and shape it has.

    `way`: what its link is called, where that does not follow from its tone.
    """

    event: str
    site_name: str
    subject: str
    headline: str
    title: str
    tone: str
    text: str
    facts: tuple[tuple[str, str], ...]
    monitors: tuple[tuple[str, str], ...]
    raw: Mapping[str, Any]
    way: str = ""

    @property
    def shape(self) -> str:
        return _SHAPES[self.tone]

    @property
    def button(self) -> str:
        return self.way or ("View maintenance" if self.tone == "maintenance" else "View incident")

    @property
    def words(self) -> str:
        """The text as it reads without markup."""
        return plain_text(self.text)


def bulletin(message: Mapping[str, Any], *, zone: str, site_name: str) -> Bulletin:
    """A notice, as it is kept, in somebody's zone."""
    event, title = str(message["event"]), one_line(str(message["title"]))
    monitors = tuple((one_line(str(name)), str(impact)) for name, impact in message["monitors"])
    return Bulletin(
        event=event,
        site_name=one_line(site_name),
        subject=_subject(message, event, title),
        headline=_EVENTS.get(event, event.capitalize()),
        title=title,
        tone=_tone(message, event),
        text=str(message["text"]),
        facts=tuple(_facts(message, event, zone, monitors)),
        monitors=monitors,
        raw=message,
    )


def _subject(message: Mapping[str, Any], event: str, title: str) -> str:
    if message.get("number") is not None:
        return f"[#{message['number']}:{message['state'] or event}] {title}"
    return f"{_EVENTS.get(event, event.capitalize())}: {title}"


def _tone(message: Mapping[str, Any], event: str) -> str:
    if message["kind"] == "MAINTENANCE":
        return "maintenance"
    if event == "RESOLVED":
        return "up"
    return "down" if any(impact == "DOWN" for _, impact in message["monitors"]) else "degraded"


def _facts(
    message: Mapping[str, Any], event: str, zone: str, monitors: tuple[tuple[str, str], ...]
) -> list[tuple[str, str]]:
    def moment(name: str) -> str:
        value = message.get(name)
        return in_zone(datetime.fromisoformat(value), zone) if value else ""

    if message["kind"] == "MAINTENANCE":
        rows = [
            ("Concerns", ", ".join(name for name, _ in monitors)),
            ("Starts", moment("start_at")),
            ("Ends", moment("end_at")),
            ("Length", message.get("lasted") or ""),
        ]
    else:
        affected = ", ".join(f"{name} ({impact.lower()})" for name, impact in monitors)
        rows = [
            ("State", str(message["state"]).capitalize()),
            ("Affected" if event == "RESOLVED" else "Affects", affected),
            ("Started", moment("start_at")),
            ("Written", moment("at") if event == "UPDATED" else ""),
            ("Ended", moment("end_at")),
            ("Total duration", message.get("lasted") or ""),
        ]
    return [(name, value) for name, value in rows if value]


def letter_text(said: Bulletin, links: Links) -> str:
    """The text part of a mail: what its HTML says."""
    parts = [
        f"{said.shape} {said.headline}: {said.title}",
        said.words,
        "\n".join(f"{name}: {value}" for name, value in said.facts),
        f"{said.button}: {links.page}" if links.page else "",
        f"-- \nYou get this because you subscribed to {said.site_name}.",
    ]
    text = "\n\n".join(part for part in parts if part)
    if links.settings:
        text += f"\nChange what you hear of: {links.settings}\nUnsubscribe: {links.stop}"
    return f"{text}\n"


def payload(channel: Channel, said: Bulletin, links: Links, *, uid: str) -> dict[str, Any]:
    """The JSON that a program or a chat gets."""
    match channel:
        case Channel.SLACK:
            return _slack(said, links)
        case Channel.DISCORD:
            return _discord(said, links)
        case Channel.TEAMS:
            return _teams(said, links)
    raw = said.raw
    return {
        "event": said.event,
        "kind": raw["kind"],
        "delivery_id": uid,
        "subject": said.subject,
        "title": said.title,
        "text": said.text,
        "state": raw["state"] or None,
        "incident_id": raw.get("number"),
        "at": raw["at"],
        "start_at": raw.get("start_at"),
        "end_at": raw.get("end_at"),
        "duration": raw.get("lasted"),
        "monitors": [{"name": name, "impact": impact} for name, impact in said.monitors],
        "site_name": said.site_name,
        "url": links.page or None,
        "settings_url": links.settings or None,
        "unsubscribe_url": links.stop or None,
    }


def question(channel: Channel, *, site_name: str, code: str, link: str, minutes: int) -> dict[str, Any]:
    """The JSON by which a program or a chat is asked whether it is meant: the code is entered where the subscription was asked for."""
    site = one_line(site_name)
    words = f"{code} is the code to subscribe this channel to {site}. It is valid for {minutes} minutes. Or open {link}"
    match channel:
        case Channel.SLACK:
            return {"text": _mrkdwn(words)}
        case Channel.DISCORD:
            return {"content": words[:2_000], "allowed_mentions": {"parse": []}}
        case Channel.TEAMS:
            return _card([{"type": "TextBlock", "text": words, "wrap": True}], [("Confirm", link)])
    return {"event": "CONFIRM", "code": code, "confirm_url": link, "site_name": site, "text": words}


def _slack(said: Bulletin, links: Links) -> dict[str, Any]:
    head, section, value = _SLACK
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(f"{said.shape} {said.title}", head)}}
    ]
    if said.words:
        blocks.append({"type": "section", "text": {"type": "plain_text", "text": _cut(said.words, section)}})
    if said.facts:
        fields = [{"type": "mrkdwn", "text": _cut(f"*{name}*\n{_mrkdwn(text)}", value)} for name, text in said.facts]
        blocks.append({"type": "section", "fields": fields[:10]})
    ways = [f"<{links.page}|{said.button}>"] if links.page else []
    ways += [f"<{links.settings}|Settings and unsubscribe>"] if links.settings else []
    if ways:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(ways)}]})
    return {"text": _mrkdwn(f"{said.headline}: {said.title}"), "blocks": blocks}


def _discord(said: Bulletin, links: Links) -> dict[str, Any]:
    title, description, value = _DISCORD
    embed: dict[str, Any] = {
        "title": _cut(f"{said.shape} {said.title}", title),
        "description": _cut(said.words or said.headline, description),
        "color": _COLOURS[said.tone],
        "fields": [{"name": name, "value": _cut(text, value), "inline": True} for name, text in said.facts],
        "timestamp": said.raw["at"],
    }
    if links.page:
        embed["url"] = links.page
    if links.settings:
        embed["fields"].append({"name": "To stop this", "value": links.settings, "inline": False})
    # Nobody is to be woken by a title that says @everyone.
    return {"content": said.headline, "embeds": [embed], "allowed_mentions": {"parse": []}}


def _teams(said: Bulletin, links: Links) -> dict[str, Any]:
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": f"{said.shape} {said.title}", "weight": "Bolder", "size": "Medium", "wrap": True},
        {"type": "TextBlock", "text": said.words or said.headline, "wrap": True},
        {"type": "FactSet", "facts": [{"title": name, "value": text} for name, text in said.facts]},
    ]
    return _card(body, [(said.button, links.page), ("Settings and unsubscribe", links.settings)])


def _card(body: list[dict[str, Any]], ways: list[tuple[str, str]]) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in ways if url],
    }
    return {"type": "message", "attachments": [{"contentType": _CARD, "contentUrl": None, "content": card}]}


def _mrkdwn(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
