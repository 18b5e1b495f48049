"""Which days are working days: a weekly pattern without closures, and counting by it. Days are local ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from app.infra.clock import anniversary

DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEK = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
USUAL = frozenset(range(5))
"""Monday to Friday (0 is Monday)."""
FAR = 366
"""So many days are looked through for a working day."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Closure:
    """Days from `starts_on` to `ends_on`, both included, that are no working days; `yearly` ones come every year.

    What begins or ends on a 29 February does so on the 28th in other years.
    """

    name: str
    starts_on: date
    ends_on: date
    yearly: bool = False

    def holds(self, day: date) -> bool:
        """Return whether a day is one of its days."""
        if not self.yearly:
            return self.starts_on <= day <= self.ends_on
        years = self.ends_on.year - self.starts_on.year
        # One that lasts over new year began in the year before.
        return any(
            anniversary(self.starts_on, year) <= day <= anniversary(self.ends_on, year + years)
            for year in range(max(day.year - years, date.min.year), day.year + 1)
            if year + years <= date.max.year
        )


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """The days of the week on which somebody works (0 is Monday), but for closures."""

    week: frozenset[int] = USUAL
    closures: Sequence[Closure] = ()

    def closed_by(self, day: date) -> str | None:
        """Return the name of the closure a day is part of, or None."""
        return next((one.name for one in self.closures if one.holds(day)), None)

    def __contains__(self, day: date) -> bool:
        """Return whether a day is a working day."""
        return day.weekday() in self.week and self.closed_by(day) is None

    def first(self, day: date) -> date:
        """Return the first working day from a day on; where none comes in a year, the day itself."""
        return self._next(day, _DAY) or day

    def after(self, day: date, count: int) -> date:
        """Return the working day that is the `count`th after a day; of 0 the first from the day on.

        Where none comes in a year every day counts.
        """
        return self._counted(day, count, _DAY)

    def before(self, day: date, count: int) -> date:
        """Return the working day that is the `count`th before a day; of 0 the last up to the day."""
        return self._counted(day, count, -_DAY)

    def _counted(self, day: date, count: int, way: timedelta) -> date:
        at = day
        for left in range(count, 0, -1):
            found = self._next(at + way, way)
            if found is None:
                return at + left * way
            at = found
        return at if count else self._next(day, way) or day

    def _next(self, day: date, way: timedelta) -> date | None:
        return next((found for number in range(FAR) if (found := day + number * way) in self), None)


def of_the_week(days: Iterable[int]) -> str:
    """Return days of the week (0 is Monday) in words: "Monday to Friday", "Tuesday, Friday and Saturday"."""
    chosen = sorted(set(days))
    if len(chosen) > 2 and chosen[-1] - chosen[0] == len(chosen) - 1:
        return f"{DAY_NAMES[chosen[0]]} to {DAY_NAMES[chosen[-1]]}"
    names = [DAY_NAMES[one] for one in chosen]
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
