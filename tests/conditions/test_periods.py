"""Stretches of time told from now, and days of the year, where calendars and clocks are awkward."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from app.conditions.periods import Anniversaries, Period, Present, read

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("now", "period", "sign", "expected"),
    [
        # The clocks went forward at 01:00 on 29 March: a day back is the same time of yesterday, 23 hours before.
        ("2026-03-29T12:00+01:00", "1 day", -1, "2026-03-28T12:00+00:00"),
        ("2026-03-29T12:00+01:00", "24 hours", -1, "2026-03-28T11:00+00:00"),
        # 01:30 is not on the clock on that day: it is read as what the clock would have shown.
        ("2026-03-28T01:30+00:00", "1 day", 1, "2026-03-29T01:30+00:00"),
        # 01:30 is twice on the clock on 25 October: the first is meant.
        ("2026-10-24T01:30+01:00", "1 day", 1, "2026-10-25T00:30+00:00"),
        ("2026-03-31T09:00+01:00", "1 month", -1, "2026-02-28T09:00+00:00"),
        ("2026-01-31T09:00+00:00", "13 months", 1, "2027-02-28T09:00+00:00"),
        ("2028-02-29T09:00+00:00", "1 year", -1, "2027-02-28T09:00+00:00"),
        ("2026-11-21T09:00+00:00", "2 weeks", 1, "2026-12-05T09:00+00:00"),
        ("2026-11-21T09:00+00:00", "90 minutes", -1, "2026-11-21T07:30+00:00"),
    ],
)
def test_periods_on_the_calendar(now: str, period: str, sign: int, expected: str) -> None:
    told = read(period)
    assert told
    present = Present(LONDON, datetime.fromisoformat(now).astimezone(UTC))
    assert present.moment(told, sign) == datetime.fromisoformat(expected)


def test_today_is_the_day_of_the_zone() -> None:
    late = Present(ZoneInfo("Africa/Johannesburg"), datetime(2026, 11, 20, 22, 30, tzinfo=UTC))
    assert (late.today, late.day(Period(1, "months"), -1)) == (date(2026, 11, 21), date(2026, 10, 21))


@pytest.mark.parametrize(
    ("first", "last", "born", "among"),
    [
        ("2026-11-21", "2026-11-28", "1979-11-28", True),
        ("2026-11-21", "2026-11-28", "1979-11-29", False),
        ("2026-12-28", "2027-01-04", "1960-01-04", True),
        ("2026-12-28", "2027-01-04", "1960-12-27", False),
        ("2026-02-28", "2026-02-28", "1960-02-29", True),
        ("2026-03-01", "2026-03-07", "1960-02-29", False),
        ("2028-02-28", "2028-02-28", "1960-02-29", False),
        ("2028-02-29", "2028-02-29", "1960-02-29", True),
        ("2028-02-29", "2028-02-29", "1961-02-28", False),
        ("2025-03-01", "2026-02-28", "1960-02-29", True),
        ("2025-11-21", "2026-11-21", "1960-06-01", True),
    ],
)
def test_days_of_the_year(first: str, last: str, born: str, among: bool) -> None:
    days = Anniversaries(date.fromisoformat(first), date.fromisoformat(last))
    assert (date.fromisoformat(born) in days) is among
