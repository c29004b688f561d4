"""What the queues carry: one line each, into the services. Named by dotted path in `kener.jobs`."""

from collections.abc import Sequence

from kener.services import backtest, broadcasts, drills, failing, housekeeping, monitoring, outbox


def run_shard(claims: Sequence[tuple[int, int]], slow: bool) -> None:
    """Check the claimed monitors."""
    monitoring.run_shard([(monitor_id, slot) for monitor_id, slot in claims], slow=slow)


def deliver(delivery_id: int) -> None:
    """Make one attempt at a delivery."""
    outbox.deliver(delivery_id)
    drills.heed(delivery_id)


def broadcast(first: int, last: int) -> None:
    """Tell one batch of subscribers."""
    broadcasts.send_batch(first, last)


def confirm(confirmation_id: int) -> None:
    """Ask somebody whether they are meant as a subscriber."""
    broadcasts.send_question(confirmation_id)


def tell_owners(trigger_id: int) -> None:
    """Write to the owners that a trigger was switched off."""
    failing.tell_owners(trigger_id)


def run_drill(drill_id: int) -> None:
    """Take the next step of a fire drill."""
    drills.run(drill_id)


def prune() -> None:
    """Forget what is older than it is kept."""
    housekeeping.prune()


def rebuild_days() -> None:
    """Recompute the daily roll-ups."""
    housekeeping.rebuild_days()


def back_test(name: str) -> None:
    """Make a back-test of many monitors."""
    backtest.work(name)
