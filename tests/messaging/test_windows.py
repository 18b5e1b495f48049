"""Send windows: when they open, told of random windows in zones whose clocks change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.infra.working_days import WEEK
from app.messaging.windows import Window, checked, read

ZONES = ["Africa/Johannesburg", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
clocks = st.times(time(0, 0), time(23, 59)).map(lambda one: one.replace(second=0, microsecond=0))
hours = st.none() | st.tuples(clocks, clocks).filter(lambda pair: pair[0] != pair[1]).map(sorted)
moments = st.integers(0, 365 * 24 * 60).map(lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute))


@given(days=st.sets(st.integers(0, 6), min_size=1), hours=hours, now=moments, zone=st.sampled_from(ZONES).map(ZoneInfo))
def test_it_opens_at_the_first_fitting_minute(
    days: set[int], hours: list[time] | None, now: datetime, zone: ZoneInfo
) -> None:
    window = Window(frozenset(days), *(hours or ()))

    def is_open(at: datetime) -> bool:
        local = at.astimezone(zone)
        return local.weekday() in days and (hours is None or hours[0] <= local.time().replace(tzinfo=None) < hours[1])

    opens = window.opens(now, zone)
    if opens is None:
        # But for the hour that a night of another clock has twice.
        assert is_open(now) or is_open(now + timedelta(hours=1)) or is_open(now - timedelta(hours=1))
        return
    assert opens > now
    assert window.opens(opens, zone) is None
    assert window.opens(opens - timedelta(seconds=1), zone) == opens
    quarter = timedelta(minutes=15)
    closed = [now + quarter * step for step in range(int((opens - now) / quarter) + 1)]
    assert sum(is_open(at) for at in closed if at < opens) <= 4


@pytest.mark.parametrize(
    ("given", "kept", "wrong"),
    [
        (None, None, set()),
        ({}, None, set()),
        ({"days": list(WEEK)}, None, set()),
        ({"days": ["SUN", "MON", "MON"]}, {"days": ["MON", "SUN"]}, set()),
        ({"days": ["MON"], "from": "09:00", "to": "17:00"}, {"days": ["MON"], "from": "09:00", "to": "17:00"}, set()),
        ({"days": []}, None, {"send_window.days"}),
        ({"days": ["MONDAY"]}, None, {"send_window.days"}),
        ({"days": ["MON"], "from": "09:00"}, None, {"send_window.to"}),
        ({"days": ["MON"], "to": "09:00"}, None, {"send_window.from"}),
        ({"days": ["MON"], "from": "18:00", "to": "09:00"}, None, {"send_window.to"}),
        ({"days": ["MON"], "from": "24:00", "to": "x"}, None, {"send_window.from", "send_window.to"}),
    ],
)
def test_what_is_said_is_checked(given: object, kept: object, wrong: set[str]) -> None:
    errors: dict[str, str] = {}
    assert checked(given, errors) == kept
    assert set(errors) == wrong


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"days": ["MON", "TUE", "WED", "THU", "FRI"], "from": "09:00", "to": "17:30"},
            "Monday to Friday, 09:00 to 17:30",
        ),
        ({"days": ["SAT", "SUN"]}, "Saturday and Sunday"),
        ({"days": ["MON", "WED", "FRI"]}, "Monday, Wednesday and Friday"),
        ({"days": list(WEEK), "from": "08:00", "to": "20:00"}, "Every day, 08:00 to 20:00"),
    ],
)
def test_words(said: dict[str, object], words: str) -> None:
    assert read(said).words == words
