"""When a channel counts as broken, so that it is switched off instead of failing unseen."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kener.domain.durations import in_words

MOST_FAILURES = 10
"""So many messages in a row that failed for good."""

LONGEST = timedelta(hours=24)
"""So long without one success, while messages are tried."""

PAUSE = timedelta(hours=24)
"""A channel that nobody used for so long begins anew: nobody knows how it was meanwhile."""


@dataclass(frozen=True, slots=True)
class Record:
    """How a channel did since its last success. `failures` count messages that failed for good; the times are of attempts."""

    failures: int = 0
    since: datetime | None = None
    last: datetime | None = None

    def failed(self, at: datetime, *, for_good: bool) -> "Record":
        """The record after one more attempt in vain."""
        went_on = self.since is not None and self.last is not None and at - self.last <= PAUSE
        since = self.since if went_on else at
        return replace(self, failures=self.failures + for_good, since=since, last=at)

    def is_broken(self, at: datetime) -> bool:
        """Whether nothing more is to be sent there."""
        return self.failures >= MOST_FAILURES or (self.since is not None and at - self.since >= LONGEST)

    def reason(self, at: datetime, answer: str) -> str:
        """Why it is switched off, in a sentence for people."""
        if self.failures >= MOST_FAILURES:
            first = f"{self.failures} messages in a row could not be delivered"
        else:
            assert self.since is not None
            first = f"every attempt failed for {in_words((at - self.since).total_seconds())}"
        return f"Switched off after {first}. The last answer: {answer}"[:500]
