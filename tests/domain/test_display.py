"""What is shown for a monitor, and the verdict on all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.domain.display import Verdict, observed, verdict
from kener.domain.status import Status

U, G, D, M, N = Status.UP, Status.DEGRADED, Status.DOWN, Status.MAINTENANCE, Status.NO_DATA
statuses = st.sampled_from(Status)


def said(**monitors: Status) -> Verdict:
    return verdict(list(monitors.items()))


def many(**counts: int) -> Verdict:
    """`many(UP=3, DOWN=1)`: that many monitors of each status."""
    return verdict([(f"{name} {number}", Status(name)) for name, count in counts.items() for number in range(count)])


def test_a_status_is_fresh_for_three_intervals() -> None:
    ages = {now: observed(U, at=1000, span_s=60, now=now) for now in (1000, 1180, 1181)}
    assert ages == {1000: U, 1180: U, 1181: N}
    assert observed(U, at=1000, span_s=60, now=1181, default=G) is G
    assert observed(U, at=None, span_s=60, now=1000) is N


def test_a_sample_without_a_span_is_not_stale_at_once() -> None:
    assert [observed(U, at=1000, span_s=0, now=now) for now in (1003, 1004)] == [U, N]


@pytest.mark.parametrize(
    ("found", "status", "headline"),
    [
        (many(UP=2), U, "Everything works"),
        (many(UP=2, NO_DATA=1), U, "Everything works"),
        (many(), N, "Not monitored at the moment"),
        (many(NO_DATA=2), N, "Not monitored at the moment"),
        (many(UP=9, MAINTENANCE=1), M, "Maintenance in progress"),
        (many(UP=8, MAINTENANCE=1, DEGRADED=1), G, "Degraded performance"),
        (many(UP=9, DEGRADED=9, DOWN=1), D, "Partial outage"),
        (many(UP=26, DOWN=74), D, "Partial outage"),
        (many(UP=1, DOWN=3), D, "Major outage"),
        (many(DOWN=1), D, "Major outage"),
    ],
)
def test_the_headline_tells_the_worst(found: Verdict, status: Status, headline: str) -> None:
    assert (found.status, found.headline) == (status, headline)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (said(), ""),
        (said(Shop=U, Mail=U), "All monitors answer as they should."),
        (said(Shop=D, Mail=U), "Shop is down. Everything else works."),
        (said(Shop=D, Mail=D), "Shop and Mail are down."),
        (said(A=G, B=G, C=G), "A, B and C are slow or limited."),
        (said(A=D, B=D, C=D, E=D), "A, B, C and 1 more are down."),
        (said(A=D, B=D, C=D, E=D, F=D), "A, B, C and 2 more are down."),
        (said(A=M, B=D, C=G), "B is down. C is slow or limited. A is in planned maintenance."),
        (said(A=N, B=U), "A is not monitored at the moment. Everything else works."),
        (said(A=N, B=N), "A and B are not monitored at the moment."),
    ],
)
def test_the_reason_names_the_monitors_worst_first(found: Verdict, reason: str) -> None:
    assert found.reason == reason


@given(st.lists(statuses, min_size=1, max_size=30))
def test_a_major_outage_is_three_quarters_of_all_monitors_down(found: list[Status]) -> None:
    headline = verdict([(f"m{number}", status) for number, status in enumerate(found)]).headline
    assert (headline == "Major outage") == (4 * found.count(D) >= 3 * len(found))
