"""Segments beside each other and beside everybody: what they share, and in what their people differ from the rest."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Subquery, and_, cast, func, select, text
from sqlalchemy import Date as DateType
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, aliased

from app.conditions import Field, FieldType
from app.customers.models import ACTIVE, Customer
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Invalid, UserError
from app.segments.models import Segment, SegmentMember

MOST_SEGMENTS = 3
LISTED = 12
"""So many values of a field are listed; the others count as one."""
STEPS = 8
"""About so many ranges numbers are put into."""
LONGEST = 20.0
"""How many seconds a comparison may take, or laying segments over each other: less than a web server waits."""
_CANCELED = "57014"
_ROUND = (1, 2, 2.5, 5, 10)

Parts = Mapping[tuple[bool, ...], int]

_OVERLAP = text("""
    SELECT held, count(*) AS people FROM (
        SELECT array_agg(segment_id) AS held FROM segment_member
        WHERE tenant_id = :tenant_id AND segment_id = ANY(CAST(:ids AS uuid[])) GROUP BY customer_id
    ) AS one GROUP BY held
""")


class TooLong(UserError):
    """A comparison took longer than anybody waits."""

    status = 503
    title = "That takes too long"


_FIELD_TOO_LONG = "This field takes too long to compare over so many people. Choose another one."
_OVERLAP_TOO_LONG = (
    "So many people are in these segments that counting who is in which takes too long. Choose smaller ones, or make a"
    " segment that asks who is in all of them: once that is refreshed, it has the number."
)


@contextmanager
def _patiently(tenant_id: UUID, field: str, said: str) -> Iterator[Session]:
    """Open a transaction in which each statement may take LONGEST; raise TooLong where one would take longer."""
    with transaction(tenant_id) as session:
        before = session.scalar(text("SHOW statement_timeout"))
        limit = text("SELECT set_config('statement_timeout', :most, true)")
        session.execute(limit, {"most": f"{LONGEST * 1000:.0f}ms"})
        try:
            with session.begin_nested():
                yield session
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _CANCELED:
                raise
            raise TooLong(said, field) from None
        finally:
            session.execute(limit, {"most": before})


def overlap(*, tenant_id: UUID, segment_ids: Sequence[UUID]) -> Parts:
    """Return how many are in each part of two or three segments: (True, False) are in the first and not the second.

    Raises Invalid for other numbers of segments, or TooLong.
    """
    if not 2 <= len(set(segment_ids)) <= MOST_SEGMENTS or len(set(segment_ids)) != len(segment_ids):
        raise Invalid({"segments": f"Choose two or {MOST_SEGMENTS} different segments."})
    found = {key: 0 for key in product((True, False), repeat=len(segment_ids)) if any(key)}
    with _patiently(tenant_id, "segments", _OVERLAP_TOO_LONG) as session:
        for row in session.execute(_OVERLAP, {"tenant_id": tenant_id, "ids": array(segment_ids)}):
            # In whatever order they were found.
            found[tuple(one in row.held for one in segment_ids)] += row.people
    return found


@dataclass(frozen=True, slots=True)
class Share:
    """How many in the segment, and of everybody, have a value, or one from `value` up to and without `until`."""

    value: Any
    mine: int
    all: int
    until: Any = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The values of a field in a segment (`mine`) and of everybody it could be of (`all`: its club's customers, or the
    organisation's). Averages, least and greatest are those of numbers. `others` have values that are not listed.
    """

    field: Field
    mine: int
    all: int
    known_mine: int
    known_all: int
    shares: list[Share]
    others: Share | None = None
    average_mine: Decimal | None = None
    average_all: Decimal | None = None
    least_mine: Any = None
    least_all: Any = None
    most_mine: Any = None
    most_all: Any = None


def values(*, segment: Segment, field: Field, zone: ZoneInfo) -> Comparison:
    """Return how a field's values differ; raises Invalid for one the database can't answer, TooLong."""
    if not field.in_sql:
        raise Invalid({"field": "Choose a field of the customers."})
    with _patiently(segment.tenant_id, "field", _FIELD_TOO_LONG) as session:
        return _compared(session, segment, field, zone)


def _compared(session: Session, segment: Segment, field: Field, zone: ZoneInfo) -> Comparison:
    people = _people(segment, field, zone)
    value, inside = people.c.value, people.c.inside
    measured = field.type in _MEASURED
    asked: list[ColumnElement[Any]] = [
        func.count().filter(inside),
        func.count(),
        func.count(value).filter(inside),
        func.count(value),
    ]
    if measured:
        asked += [func.min(value).filter(inside), func.min(value), func.max(value).filter(inside), func.max(value)]
    if field.type is FieldType.NUMBER:
        asked += [func.avg(value).filter(inside), func.avg(value)]
    mine, everybody, known_mine, known, *more = session.execute(select(*asked)).one()
    measures = dict(zip(_MEASURES, more, strict=False))
    found = _shares(session, segment, field, people, measures.get("least_all"), measures.get("most_all"))
    rest = None
    if not measured and field.type is not FieldType.LIST:
        left = known_mine - sum(one.mine for one in found), known - sum(one.all for one in found)
        rest = Share(None, *left) if left[1] else None
    return Comparison(field, mine, everybody, known_mine, known, found, rest, **measures)


_MEASURED = (FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME)
_MEASURES = ("least_mine", "least_all", "most_mine", "most_all", "average_mine", "average_all")


def _everybody(segment: Segment, *asked: Any) -> Select[Any]:
    """Return a query on the customers a segment could be of, with whether each is in it."""
    member = aliased(SegmentMember)
    joined = and_(
        member.tenant_id == Customer.tenant_id,
        member.segment_id == segment.id,
        member.customer_id == Customer.id,
    )
    wanted = (
        select(*asked, member.customer_id.is_not(None).label("inside"))
        .select_from(Customer)
        .outerjoin(member, joined)
        .where(Customer.tenant_id == segment.tenant_id, Customer.status == ACTIVE)
    )
    return wanted.where(Customer.club_id == segment.club_id) if segment.club_id else wanted


def _people(segment: Segment, field: Field, zone: ZoneInfo) -> Subquery:
    """Return each customer's value of a field; of a list something where there is anything in it."""
    if field.related is not None:
        there = field.related()
        held = select(1).select_from(there.table).where(there.person_key == there.person)
        held = held if there.where is None else held.where(there.where)
        return _everybody(segment, held.limit(1).scalar_subquery().label("value")).subquery()
    value = _expression(field)
    if field.type is FieldType.DATETIME:
        value = cast(func.timezone(zone.key, value), DateType)
    elif field.type is FieldType.TEXT:
        value = func.nullif(value, "")
    elif field.type is FieldType.LIST:
        value = func.nullif(func.cardinality(value), 0)
    return _everybody(segment, value.label("value")).subquery()


def _expression(field: Field) -> Any:
    return field.column() if callable(field.column) else field.column


def _shares(session: Session, segment: Segment, field: Field, people: Subquery, least: Any, most: Any) -> list[Share]:
    value, inside = people.c.value, people.c.inside
    counts = (func.count().filter(inside).label("mine"), func.count().label("everybody"))
    if field.type is FieldType.LIST:
        return _listed(session, segment, field)
    if field.type in _MEASURED:
        if least is None:
            return []
        begin, until = _ranges(field.type, value, least, most)
        rows = session.execute(select(begin, *counts).where(value.is_not(None)).group_by(begin).order_by(begin))
        return [Share(row[0], row[1], row[2], until(row[0])) for row in rows]
    order = (counts[0].desc(), counts[1].desc(), value)
    rows = session.execute(
        select(value, *counts).where(value.is_not(None)).group_by(value).order_by(*order).limit(LISTED)
    )
    return [Share(*row) for row in rows]


def _listed(session: Session, segment: Segment, field: Field) -> list[Share]:
    """Return how many have each value of a list; somebody with two stands at both."""
    if field.related is not None:
        there = field.related()
        joined = there.person_key == there.person
        wanted = _everybody(segment, there.value.label("value")).join(
            there.table, joined if there.where is None else and_(joined, there.where)
        )
    else:
        wanted = _everybody(segment, func.unnest(_expression(field)).label("value"))
    each = wanted.subquery()
    mine, everybody = func.count().filter(each.c.inside), func.count()
    rows = session.execute(
        select(each.c.value, mine, everybody)
        .group_by(each.c.value)
        .order_by(mine.desc(), everybody.desc(), each.c.value)
        .limit(LISTED)
    )
    return [Share(*row) for row in rows]


def _ranges(kind: FieldType, value: Any, least: Any, most: Any) -> tuple[ColumnElement[Any], Any]:
    """Return into which range a value falls (as where that begins), and a function that says where that ends."""
    if kind is FieldType.NUMBER:
        step = _step(float(most) - float(least))
        return (func.floor(value / step) * step).label("begin"), lambda begin: begin + step
    years = _day(most).year - _day(least).year
    unit = "decade" if years > 24 else "year" if years > 1 else "month"
    months = {"decade": 120, "year": 12, "month": 1}[unit]
    return cast(func.date_trunc(unit, value), DateType).label("begin"), lambda begin: _later(begin, months)


def _step(reach: float) -> Decimal:
    """Return a round number, so that about STEPS ranges of it reach so far."""
    if reach <= 0:
        return Decimal(1)
    power = Decimal(10) ** math.floor(math.log10(reach / STEPS))
    return next(step for one in _ROUND if float(step := Decimal(str(one)) * power) * STEPS >= reach)


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


def _later(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)
