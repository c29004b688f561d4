"""Notifiers tell the outside world. One module per trigger type; none knows our tables.

`send(settings, message, *, delivery_id, context)` makes one attempt: it returns the answer in a few words, or raises Undeliverable.
`shown(…)` takes the same and returns what would be sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from kener.domain.trigger_base import TriggerType
from kener.settings import SmtpSettings


class Undeliverable(Exception):
    """An attempt failed: for good, or until later (`retry_after_s`: not before that many seconds)."""

    def __init__(self, reason: str, *, permanent: bool, retry_after_s: int | None = None) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Context:
    """What a notifier needs to know of this installation. `template_values`: further variables for templates of its settings."""

    smtp: SmtpSettings | None = None
    allow_private_targets: bool = False
    template_values: Mapping[str, str] = field(default_factory=dict, repr=False)


Send = Callable[..., str]


_MODULES = {
    TriggerType.WEBHOOK: "webhook",
    TriggerType.EMAIL: "email",
    TriggerType.SLACK: "chat",
    TriggerType.DISCORD: "chat",
    TriggerType.TEAMS: "chat",
    TriggerType.TELEGRAM: "telegram",
    TriggerType.PAGERDUTY: "pagerduty",
    TriggerType.OPSGENIE: "opsgenie",
    TriggerType.NTFY: "ntfy",
}


def _lazy(module: str, verb: str) -> Send:
    """Load a notifier when it is first used: most processes never send."""

    def call(*args: Any, **kwargs: Any) -> str:
        return getattr(import_module(f"kener.notifiers.{module}"), verb)(*args, **kwargs)  # type: ignore[no-any-return]

    return call


NOTIFIERS: dict[TriggerType, Send] = {kind: _lazy(module, "send") for kind, module in _MODULES.items()}
SHOWN: dict[TriggerType, Send] = {kind: _lazy(module, "shown") for kind, module in _MODULES.items()}
"""What would be sent, for people to read: the same arguments, and Undeliverable where a template cannot be used."""
