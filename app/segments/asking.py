"""Who fits segments, as statements: of one segment everybody, or of many segments the people something happened to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    any_,
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

from app.conditions import Catalogue, Gathered, Tree, compile_sql
from app.customers.models import ACTIVE, Customer
from app.segments import definition
from app.segments.models import DYNAMIC, MANUAL, Segment, SegmentListed, SegmentMember


@dataclass(frozen=True, slots=True)
class Question:
    """A segment as it is asked now: its conditions (None: of its list), its zone."""

    segment: Segment
    tree: Tree | None
    zone: ZoneInfo
    now: datetime

    @classmethod
    def of(cls, segment: Segment, catalogue: Catalogue, zone: ZoneInfo, now: datetime) -> "Question":
        """Return what a segment asks; raise InvalidConditions where it can't be asked (any more)."""
        return cls(segment, definition.tree_of(segment, catalogue) if segment.type == DYNAMIC else None, zone, now)

    @property
    def day(self) -> date:
        """Return the day it is where the segment is."""
        return self.now.astimezone(self.zone).date()

    def everybody(self) -> Select[Any]:
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
            fits = compile_sql(self.tree, zone=self.zone, now=self.now, whole=True)
        columns: list[Any] = [literal(segment_id, Uuid()).label("segment_id"), Customer.id.label("customer_id")]
        return select(*columns).where(
            Customer.tenant_id == tenant_id, Customer.status == ACTIVE, *self._of_club(), fits
        )

    def of_few(self, gathered: Gathered) -> ColumnElement[bool]:
        """Return the condition that a customer of the surrounding statement, one of a few, fits."""
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
        return and_(*self._of_club(), compile_sql(self.tree, zone=self.zone, now=self.now, gathered=gathered))

    def _of_club(self) -> list[ColumnElement[bool]]:
        return [] if self.segment.club_id is None else [Customer.club_id == self.segment.club_id]


def of_people(tenant_id: UUID, questions: Sequence[Question], customers: str) -> Select[Any]:
    """Return the statement of who of `customers` (the text of an array of ids) fits which segment.

    Each customer is read once, and what they did once, whatever many segments there are.
    """
    gathered, table = Gathered(), Customer.__table__
    answers: list[Any] = [case((one.of_few(gathered), literal(one.segment.id, Uuid()))) for one in questions]
    ids = cast(literal(customers, Text()), ARRAY(Uuid()))
    done = gathered.table(lambda key: key == any_(ids))
    person = (
        select(Customer.id, func.array_remove(postgresql.array(answers, type_=Uuid()), null()).label("fits"))
        .select_from(table if done is None else table.outerjoin(*done))
        .where(Customer.tenant_id == tenant_id, Customer.status == ACTIVE, Customer.id == any_(ids))
        .subquery("person")
    )
    return select(func.unnest(person.c.fits).label("segment_id"), person.c.id.label("customer_id"))


def days(questions: Sequence[Question]) -> Mapping[UUID, date]:
    """Return by segment the day it is there."""
    return {one.segment.id: one.day for one in questions}
