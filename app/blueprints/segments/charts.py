"""What the pictures on a segment's pages are drawn from."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from babel.dates import format_date

from app.segments import growth as history
from app.web import charts
from app.web.charts import Chart
from app.web.shell import organisation


@dataclass(frozen=True, slots=True)
class Row:
    """One day in the table of a growth chart."""

    day: str
    entered: int
    left: int
    members: int | None


@dataclass(frozen=True, slots=True)
class Growth:
    """The line of how many are in a segment, the bars of who came and went, and the same in rows, the newest first."""

    line: Chart
    moves: Chart
    rows: list[Row]
    summary: str


def growth(tenant_id: UUID, segment_id: UUID, days: int, today: date) -> Growth | None:
    """Return how a segment grew in the last days, None if nothing is known of them."""
    found = history.days(tenant_id=tenant_id, segment_id=segment_id, days=days, today=today)
    known = [one for one in found if one.members is not None]
    if not known:
        return None
    locale = organisation().locale
    rows = [Row(format_date(one.day, "d MMM y", locale=locale), one.entered, one.left, one.members) for one in found]
    short = [format_date(one.day, "d MMM", locale=locale) for one in found]
    told = [_told(one) for one in rows]
    return Growth(
        line=charts.line(short, [one.members for one in found], told),
        moves=charts.up_and_down(short, [one.entered for one in found], [one.left for one in found], told),
        rows=rows[::-1],
        summary=f"{known[0].members:,} at first, {known[-1].members:,} at last",
    )


def _told(row: Row) -> str:
    if row.members is None:
        return f"{row.day}: not counted yet"
    return f"{row.day}: {row.members:,} people, {row.entered:,} entered, {row.left:,} left"
