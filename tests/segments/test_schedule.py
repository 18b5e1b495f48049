"""When segments are due again."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.segments.schedule import next_due

CAPE, BERLIN, KATHMANDU = ZoneInfo("Africa/Johannesburg"), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    "frequency, zone, now, due",
    [
        # Midnight of the club is not midnight in UTC.
        ("DAILY", CAPE, "2026-11-21T21:59:59+00:00", "2026-11-21T22:00:00+00:00"),
        ("DAILY", CAPE, "2026-11-21T22:00:00+00:00", "2026-11-22T22:00:00+00:00"),
        # A day of 25 hours, and one of 23.
        ("DAILY", BERLIN, "2026-10-24T22:00:00+00:00", "2026-10-25T23:00:00+00:00"),
        ("DAILY", BERLIN, "2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00"),
        ("WEEKLY", CAPE, "2026-11-21T12:00:00+00:00", "2026-11-22T22:00:00+00:00"),
        ("WEEKLY", CAPE, "2026-11-22T22:00:00+00:00", "2026-11-29T22:00:00+00:00"),
        ("HOURLY", KATHMANDU, "2026-11-21T12:59:00+00:00", "2026-11-21T13:00:00+00:00"),
        ("HOURLY", BERLIN, "2026-10-25T00:30:00+00:00", "2026-10-25T01:00:00+00:00"),
    ],
)
def test_due_at_the_next_beginning(frequency: str, zone: ZoneInfo, now: str, due: str) -> None:
    found = next_due(frequency, zone, at(now))
    assert found == at(due)
    assert found is not None
    assert found.utcoffset() == UTC.utcoffset(None)


def test_who_waits_to_be_asked_is_never_due() -> None:
    assert next_due("MANUAL", CAPE, at("2026-11-21T12:00:00+00:00")) is None
