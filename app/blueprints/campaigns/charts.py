"""What the pictures of a campaign's report are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime

from app.campaigns.report import Hour
from app.messaging.tally import Kind
from app.web import charts
from app.web.charts import Chart
from app.web.shell import number, organisation

SHOWN = ("sent", Kind.OPENED, Kind.CLICKED, Kind.CONVERTED, Kind.UNSUBSCRIBED)
HOURLY = timedelta(days=3)
MOST = 92
_LATER = "later"


@dataclass(frozen=True, slots=True)
class Row:
    """One hour or day in the table of the chart."""

    label: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OverTime:
    """Opens and clicks as lines, and all that is counted in rows."""

    opened: Chart
    clicked: Chart
    rows: list[Row]
    hourly: bool


def over_time(hours: Sequence[Hour], zone: str) -> OverTime | None:
    """Return what happened hour by hour, of more than three days day by day, by the clocks of a zone; None for nothing.

    After about three months it ends.
    """
    found = [one for one in hours if one.what in SHOWN]
    if not found:
        return None
    there, locale = ZoneInfo(zone), organisation().locale
    first, last = found[0].hour, found[-1].hour
    hourly = last - first <= HOURLY
    step = timedelta(hours=1) if hourly else timedelta(days=1)

    def place(moment: datetime) -> datetime:
        local = moment.astimezone(there)
        return local if hourly else local.replace(hour=12, minute=0)

    begin = place(first)
    size = min(int((place(last) - begin) / step) + 1, MOST)
    counts = [[0] * len(SHOWN) for _ in range(size)]
    for one in found:
        index = int((place(one.hour) - begin) / step + 0.5)
        if index < size:
            counts[index][SHOWN.index(one.what)] += one.number
    moments = [(begin + step * index) for index in range(size)]
    labels = [_label(one, hourly, locale) for one in moments]
    # Below the chart there is little room.
    days = [format_date(one, "d MMM", locale=locale) for one in moments]
    short = [format_datetime(one, "EEE HH:mm", tzinfo=there, locale=locale) for one in moments] if hourly else days
    rows = [Row(label, tuple(some)) for label, some in zip(labels, counts, strict=True)]

    def line(kind: str, did: str) -> Chart:
        at = SHOWN.index(kind)
        told = [f"{one.label}: {number(one.counts[at])} {did}" for one in rows]
        return charts.line(short, [one.counts[at] for one in rows], told, locale)

    return OverTime(
        opened=line(Kind.OPENED, "opened"),
        clicked=line(Kind.CLICKED, "clicked"),
        rows=[one for one in rows if any(one.counts)],
        hourly=hourly,
    )


def _label(moment: datetime, hourly: bool, locale: str) -> str:
    if hourly:
        return str(format_datetime(moment, "d MMM, HH:mm", locale=locale, tzinfo=moment.tzinfo))
    return str(format_date(moment, "d MMM y", locale=locale))
