"""Notifiers tell the outside world. One module per trigger type; none knows our tables.

`send(settings, message, *, delivery_id, context)` makes one attempt: it returns the answer in a few words, or raises Undeliverable.
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


def _lazy(module: str) -> Send:
    """Load a notifier when it is first used: most processes never send."""

    def send(*args: Any, **kwargs: Any) -> str:
        return import_module(f"kener.notifiers.{module}").send(*args, **kwargs)  # type: ignore[no-any-return]

    return send


NOTIFIERS: dict[TriggerType, Send] = {
    TriggerType.WEBHOOK: _lazy("webhook"),
    TriggerType.EMAIL: _lazy("email"),
    TriggerType.SLACK: _lazy("chat"),
    TriggerType.DISCORD: _lazy("chat"),
    TriggerType.TEAMS: _lazy("chat"),
    TriggerType.TELEGRAM: _lazy("telegram"),
    TriggerType.PAGERDUTY: _lazy("pagerduty"),
    TriggerType.OPSGENIE: _lazy("opsgenie"),
    TriggerType.NTFY: _lazy("ntfy"),
}
