"""What the pictures on a segment's pages are drawn from."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from babel.dates import format_date

from app.segments import growth as history
from app.web import charts
from app.web.charts import Chart
from app.web.shell import number, organisation


@dataclass(frozen=True, slots=True)
class Row:
    """One day in the table of a growth chart."""

    day: str
    entered: int
    left: int
    members: int | None


@dataclass(frozen=True, slots=True)
class Growth:
    """The line of how many are in a segment, the bars of who came and went, and the same in rows, the newest first.

    It begins with the first day that was counted. While that is the only one there is nothing to draw (`line` is None)
    and the number stands in words.
    """

    line: Chart | None
    moves: Chart | None
    rows: list[Row]
    summary: str


def growth(tenant_id: UUID, segment_id: UUID, days: int, today: date) -> Growth | None:
    """Return how a segment grew in the last days, None if nothing is known of them."""
    found = history.days(tenant_id=tenant_id, segment_id=segment_id, days=days, today=today)
    known = [one for one in found if one.members is not None]
    if not known:
        return None
    locale = organisation().locale
    rows = [Row(format_date(one.day, "d MMM y", locale=locale), one.entered, one.left, one.members) for one in known]
    if len(known) == 1:
        return Growth(None, None, rows, _first_day(rows[0]))
    short = [format_date(one.day, "d MMM", locale=locale) for one in known]
    told = [_told(one) for one in rows]
    return Growth(
        line=charts.line(short, [one.members for one in known], told, locale),
        moves=charts.up_and_down(short, [one.entered for one in known], [one.left for one in known], told, locale),
        rows=rows[::-1],
        summary=f"{number(known[0].members)} at first, {number(known[-1].members)} at last",
    )


def _told(row: Row) -> str:
    return f"{row.day}: {_people(row.members)}, {number(row.entered)} entered, {number(row.left)} left"


def _first_day(row: Row) -> str:
    moved = [f"{number(many)} {did}" for many, did in ((row.entered, "entered"), (row.left, "left")) if many]
    since = f"; {' and '.join(moved)} since it was counted first" if moved else ""
    return f"{_people(row.members)} today, the first day that is counted{since}. The line begins tomorrow."


def _people(many: int | None) -> str:
    return "1 person" if many == 1 else f"{number(many)} people"
