"""Working days: which days are some, and counting by them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.infra.working_days import FAR, Closure, WorkingDays, of_the_week

DAY = timedelta(days=1)
CHRISTMAS = Closure("Christmas", date(2020, 12, 24), date(2021, 1, 2), yearly=True)
days = st.dates(date(2020, 1, 1), date(2040, 12, 31))


@st.composite
def closures(draw: st.DrawFn) -> Closure:
    first = draw(days)
    yearly = draw(st.booleans())
    return Closure("closed", first, first + DAY * draw(st.integers(0, 299 if yearly else 365)), yearly)


working = st.builds(
    WorkingDays, st.frozensets(st.integers(0, 6), min_size=1), st.lists(closures(), max_size=4).map(tuple)
)


def plain(day: date, days: WorkingDays) -> bool:
    """Say the slow way whether a day is a working day: each day of each closure of each year."""
    for one in days.closures:
        for year in range(-1, 2):
            first, last = one.starts_on, one.ends_on
            if one.yearly:
                over = last.year - first.year
                first, last = (moved(first, day.year + year), moved(last, day.year + year + over))
            if first <= day <= last:
                return False
    return day.weekday() in days.week


def moved(day: date, year: int) -> date:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return date(year, day.month, 28 if (day.month, day.day) == (2, 29) and not leap else day.day)


@given(days, working)
def test_a_day_is_a_working_day_or_closed(day: date, working: WorkingDays) -> None:
    assert (day in working) is plain(day, working)
    assert not (working.closed_by(day) and day in working)


@given(days, st.integers(0, 30), working)
def test_so_many_working_days_on(day: date, count: int, working: WorkingDays) -> None:
    found = working.after(day, count)
    between = [one for number in range(1, (found - day).days + 1) if plain(one := day + number * DAY, working)]
    if found in working:
        assert len(between) == count if count else found == day or len(between) == 1
    else:
        assert any(not plain(day + number * DAY, working) for number in range(FAR))


@given(days, st.integers(1, 30), working)
def test_back_and_forth(day: date, count: int, working: WorkingDays) -> None:
    found = working.before(day, count)
    if found in working and day in working:
        assert working.after(found, count) == day


@given(days, working)
def test_the_first_from_a_day_on(day: date, working: WorkingDays) -> None:
    found = working.first(day)
    assert found >= day
    assert found in working or not any(plain(day + number * DAY, working) for number in range(FAR))
    assert not any(plain(day + number * DAY, working) for number in range((found - day).days))


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        # A Friday; a weekend in between.
        (date(2026, 11, 20), 1, date(2026, 11, 23)),
        (date(2026, 11, 20), 3, date(2026, 11, 25)),
        (date(2026, 11, 21), 0, date(2026, 11, 23)),
        (date(2026, 11, 21), 1, date(2026, 11, 23)),
        # Over new year, when the club is closed from 24 December to 2 January, which is a Saturday in 2027.
        (date(2026, 12, 23), 1, date(2027, 1, 4)),
        (date(2026, 12, 28), 0, date(2027, 1, 4)),
        (date(2027, 1, 1), 2, date(2027, 1, 5)),
    ],
)
def test_examples(day: date, count: int, expected: date) -> None:
    assert WorkingDays(closures=(CHRISTMAS,)).after(day, count) == expected


def test_a_leap_day_is_closed_on_the_28th_in_other_years() -> None:
    leap = WorkingDays(frozenset(range(7)), (Closure("Leap day", date(2024, 2, 29), date(2024, 2, 29), yearly=True),))
    assert date(2028, 2, 29) not in leap
    assert date(2028, 2, 28) in leap
    assert date(2027, 2, 28) not in leap


def test_a_club_that_never_opens_holds_nobody_for_ever() -> None:
    shut = WorkingDays(closures=(Closure("Rebuilding", date(2026, 1, 1), date(2030, 1, 1)),))
    day = date(2026, 11, 20)
    assert shut.first(day) == day
    assert shut.after(day, 5) == day + 5 * DAY
    assert WorkingDays(frozenset()).after(day, 250) == day + 250 * DAY


@pytest.mark.parametrize(
    ("week", "words"),
    [
        (range(5), "Monday to Friday"),
        (range(7), "Monday to Sunday"),
        ((1, 4, 5), "Tuesday, Friday and Saturday"),
        ((5, 6), "Saturday and Sunday"),
        ((2,), "Wednesday"),
    ],
)
def test_in_words(week: range, words: str) -> None:
    assert of_the_week(week) == words
