"""What becomes of an occurrence, however late somebody looks."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kener.domain.windows import NoticeKind, Turn, WindowState, kind_of, turn

START = datetime(2026, 3, 1, 2, tzinfo=UTC)
END = START + timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
REMINDERS = (1440, 60)

looks = st.lists(st.timedeltas(-3 * DAY, 2 * DAY), min_size=1, max_size=12).map(sorted)
reminders = st.lists(st.integers(1, 3000), max_size=4, unique=True)


def story(looks: list[timedelta], reminders: list[int]) -> tuple[list[WindowState], list[str], Turn]:
    """Somebody looks at these times before and after the start: the states, everything that was told, and the last turn."""
    state, told, states, made = WindowState.SCHEDULED, [], [], Turn(WindowState.SCHEDULED, START)
    for look in looks:
        made = turn(state, START, END, reminders=reminders, told=told, now=START + look)
        state = made.state
        told += made.tell
        states.append(state)
    return states, told, made


def at(now: datetime, state: WindowState = WindowState.SCHEDULED, told: tuple[str, ...] = ()) -> Turn:
    return turn(state, START, END, reminders=REMINDERS, told=told, now=now)


def test_an_occurrence_goes_its_way() -> None:
    assert at(START - 2 * DAY) == Turn(WindowState.SCHEDULED, START - DAY)
    assert at(START - DAY) == Turn(WindowState.READY, START - 60 * MINUTE, ("reminder-1440",))
    assert at(START - 60 * MINUTE, WindowState.READY, ("reminder-1440",)) == Turn(
        WindowState.READY, START, ("reminder-60",)
    )
    assert at(START, WindowState.READY) == Turn(WindowState.ONGOING, END, ("started",))
    assert at(END, WindowState.ONGOING) == Turn(WindowState.COMPLETED, None, ("ended",))


def test_a_window_is_half_open() -> None:
    assert at(START - timedelta(microseconds=1)).state is WindowState.READY
    assert at(START).state is at(END - timedelta(microseconds=1)).state is WindowState.ONGOING
    assert at(END).state is WindowState.COMPLETED


def test_of_late_reminders_only_the_last_is_told() -> None:
    assert at(START - 20 * MINUTE).tell == ("reminder-60",)
    assert at(START - 20 * MINUTE, told=("reminder-60",)).tell == ()


def test_an_occurrence_that_went_by_unseen_ends_without_a_word() -> None:
    assert at(END + DAY) == Turn(WindowState.COMPLETED, None)
    assert at(END + DAY, WindowState.READY, ("reminder-60",)) == Turn(WindowState.COMPLETED, None)


def test_without_reminders_it_is_ready_an_hour_before() -> None:
    made = turn(WindowState.SCHEDULED, START, END, now=START - DAY)
    assert made == Turn(WindowState.SCHEDULED, START - 60 * MINUTE)
    assert turn(WindowState.SCHEDULED, START, END, now=START - 60 * MINUTE) == Turn(WindowState.READY, START)


@given(looks, reminders)
def test_however_late_somebody_looks_the_state_is_that_of_the_clock(
    looks: list[timedelta], reminders: list[int]
) -> None:
    states, _, last = story(looks, reminders)
    ready = timedelta(minutes=-max(reminders, default=60))
    for look, state in zip(looks, states, strict=True):
        if look >= END - START:
            assert state is WindowState.COMPLETED
        elif look >= timedelta():
            assert state is WindowState.ONGOING
        else:
            assert state is (WindowState.READY if look >= ready else WindowState.SCHEDULED)
    assert (last.due_at is None) is (states[-1] is WindowState.COMPLETED)
    assert last.due_at is None or last.due_at > START + looks[-1]


@given(looks, reminders)
def test_nothing_is_told_twice_too_early_or_too_late(looks: list[timedelta], reminders: list[int]) -> None:
    _, told, _ = story(looks, reminders)
    assert len(told) == len(set(told))
    assert NoticeKind.ENDED not in told or NoticeKind.STARTED in told
    numbers = [int(key.partition("-")[2]) for key in told if kind_of(key) is NoticeKind.REMINDER]
    assert numbers == sorted(numbers, reverse=True) and set(numbers) <= set(reminders)
    if all(look >= END - START for look in looks):
        assert told == []


@given(st.sampled_from([WindowState.COMPLETED, WindowState.CANCELLED]), st.timedeltas(-3 * DAY, 3 * DAY))
def test_what_is_over_stays_over(state: WindowState, look: timedelta) -> None:
    assert at(START + look, state) == Turn(state, None)
