"""Who fits segments, as statements: of one segment everybody, or of many segments the people something happened to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import aliased
from sqlalchemy.types import NullType

from app.conditions import Catalogue, Gathered, Later, Tree, compile_sql
from app.customers.models import ACTIVE, Customer
from app.segments import definition
from app.segments.membership import Wanted
from app.segments.models import DYNAMIC, MANUAL, Segment, SegmentListed, SegmentMember
from app.segments.schedule import Place


@dataclass(frozen=True, slots=True)
class Question:
    """What a segment asks: its conditions (None: of its list), where it is."""

    segment: Segment
    tree: Tree | None
    place: Place

    @classmethod
    def of(cls, segment: Segment, catalogue: Catalogue, place: Place) -> "Question":
        """Return what a segment asks; raise InvalidConditions where it can't be asked (any more)."""
        return cls(segment, definition.tree_of(segment, catalogue) if segment.type == DYNAMIC else None, place)

    def day(self, now: datetime) -> date:
        """Return the day it is where the segment is."""
        return now.astimezone(self.place.zone).date()

    def everybody(self, now: datetime) -> Select[Any]:
        """Return the statement of all who fit: rows of segment_id and customer_id."""
        tenant_id, segment_id = self.segment.tenant_id, self.segment.id
        if self.tree is None:
            listed, person = SegmentListed, aliased(Customer)
            on_list = (
                select(func.coalesce(person.merged_into_id, person.id))
                .join(listed, and_(listed.tenant_id == tenant_id, listed.customer_id == person.id))
                .where(person.tenant_id == tenant_id, listed.segment_id == segment_id)
            )
            fits: ColumnElement[bool] = Customer.id.in_(on_list)
        else:
            fits = compile_sql(self.tree, zone=self.place.zone, now=now, currency=self.place.currency, whole=True)
        columns: list[Any] = [literal(segment_id, Uuid()).label("segment_id"), Customer.id.label("customer_id")]
        return select(*columns).where(
            Customer.tenant_id == tenant_id, Customer.status == ACTIVE, *self._of_club(), fits
        )

    def of_few(self, gathered: Gathered, later: Later) -> ColumnElement[bool]:
        """Return the condition that a customer of the surrounding statement, one of a few, fits at whatever moment."""
        tenant_id, segment_id = self.segment.tenant_id, self.segment.id
        if self.tree is None:
            listed, other = aliased(SegmentListed), aliased(Customer)
            theirs = and_(listed.tenant_id == tenant_id, listed.segment_id == segment_id)
            went_into = and_(other.tenant_id == tenant_id, other.merged_into_id == Customer.id)
            on_list = or_(
                exists().where(theirs, listed.customer_id == Customer.id),
                exists().where(theirs, went_into, listed.customer_id == other.id),
            )
            return and_(*self._of_club(), on_list)
        if self.segment.refresh_frequency == MANUAL:
            # It waits to be asked: nobody enters meanwhile, and only who is no customer any more leaves.
            member = aliased(SegmentMember)
            return exists().where(
                member.tenant_id == tenant_id, member.segment_id == segment_id, member.customer_id == Customer.id
            )
        place = self.place
        fits = compile_sql(self.tree, zone=place.zone, currency=place.currency, gathered=gathered, later=later)
        return and_(*self._of_club(), fits)

    def _of_club(self) -> list[ColumnElement[bool]]:
        return [] if self.segment.club_id is None else [Customer.club_id == self.segment.club_id]


def of_people(tenant_id: UUID, questions: Sequence[Question]) -> Wanted:
    """Return who of :customers (the text of an array of ids) fits which segment, at whatever moment it is asked.

    Each customer is read once, and what they did once, whatever many segments there are.
    """
    gathered, later, table = Gathered(), Later(), Customer.__table__
    answers: list[Any] = [case((one.of_few(gathered, later), literal(one.segment.id, Uuid()))) for one in questions]
    # Of no type of its own: as a text it would be read anew for each row it is compared with.
    ids = cast(bindparam("customers", type_=NullType()), ARRAY(Uuid()))
    of_these = (Customer.tenant_id == tenant_id, Customer.status == ACTIVE, Customer.id == any_(ids))
    done = gathered.table(lambda key: key == any_(ids))
    answered = gathered.answers(select(Customer.id.label("key")).where(*of_these))
    source: FromClause = table if done is None else table.outerjoin(*done)
    if answered is not None:
        source = source.join(answered, answered.c.key == Customer.id)
    person = (
        select(Customer.id, func.array_remove(postgresql.array(answers, type_=Uuid()), null()).label("fits"))
        .select_from(source)
        .where(*of_these)
        .subquery("person")
    )
    rows = select(func.unnest(person.c.fits).label("segment_id"), person.c.id.label("customer_id"))
    return Wanted(rows, later)


def days(questions: Sequence[Question], now: datetime) -> Mapping[UUID, date]:
    """Return by segment the day it is there."""
    return {one.segment.id: one.day(now) for one in questions}
