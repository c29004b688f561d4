"""A drill's outage is decided by the live rule: it triggers exactly at the threshold, and its recovery resolves exactly at its own."""

from hypothesis import given
from hypothesis import strategies as st

from kener.domain.alerting import UPTIME_WINDOWS, AlertType, Outcome, Rule, observed_value
from kener.domain.drills import outage, recovery, rehearse

thresholds = st.integers(1, 40)
values = st.one_of(
    st.sampled_from(["DOWN", "DEGRADED"]).map(lambda value: (AlertType.STATUS, value)),
    st.integers(1, 3_600_000).map(lambda ms: (AlertType.LATENCY, str(ms))),
    st.sampled_from(["0.000001", "50", "99.9", "99.999999", "100"]).map(lambda value: (AlertType.UPTIME, value)),
)
rules = st.builds(
    lambda value, failure, success, window: Rule(*value, failure, success, uptime_window=window),
    values,
    thresholds,
    thresholds,
    st.sampled_from(sorted(UPTIME_WINDOWS)),
)


@given(rules)
def test_the_outage_triggers_at_its_last_observation_and_not_before(rule: Rule) -> None:
    seen = outage(rule, until=1_700_000_000)
    assert len(seen) == rule.failure_threshold
    assert seen[-1].at == 1_700_000_000
    assert rehearse(rule, seen, active=False).outcome is Outcome.TRIGGER
    if seen[1:]:
        assert rehearse(rule, seen[1:], active=False).outcome is not Outcome.TRIGGER


@given(rules)
def test_the_recovery_resolves_at_its_last_observation_and_not_before(rule: Rule) -> None:
    seen = recovery(rule, until=1_700_000_000)
    assert len(seen) == rule.success_threshold
    assert rehearse(rule, seen, active=True).outcome is Outcome.RESOLVE
    if seen[1:]:
        assert rehearse(rule, seen[1:], active=True).outcome is not Outcome.RESOLVE


def test_what_is_said_to_have_been_observed_lies_just_beyond_the_limit() -> None:
    def observed(kind: AlertType, value: str) -> str:
        rule = Rule(kind, value)
        return observed_value(rule, outage(rule, until=0)[-1])

    assert observed(AlertType.STATUS, "DEGRADED") == "DEGRADED"
    assert observed(AlertType.LATENCY, "1000") == "1001 ms"
    assert observed(AlertType.UPTIME, "99.9").startswith("0")
