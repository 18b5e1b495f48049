"""Who conditions would mean, while they are being made: how many, in words, and ten of them; within a second.

The count is exact where the database expects to tell it soon, and does. Else it is estimated first, from some thousands
of the people, drawn by a hash of their ids: the same each time, whoever they are and in whatever order they came. Where
these are few, what is left of the second goes to counting them; where they are many, about is enough.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, case, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.accounts.models import Club
from app.accounts.queries import tenant_info
from app.conditions import Tree, compile_sql, explain
from app.conditions.telling import Names
from app.customers import custom_fields
from app.customers import queries as customers
from app.customers.models import ACTIVE, Customer
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.segments import definition, schedule
from app.segments.schedule import Place

WITHIN_MS = 900
"""So long a count may take, its estimate with it: what else a preview needs fits into the rest of a second."""
LIKELY = 75_000
"""What costs no more than so much, as the planner reckons, is told in time by any machine that has nothing else to do:
nothing is estimated before it."""
HOPELESS = 300_000
"""What a statement costs, as the planner reckons, that takes well over a second wherever it runs: it is not begun."""
FEW = 110_000
"""Fewer than 100,000 are to be told exactly. Of so many an estimate may be a tenth too high."""
SAMPLE = 10
DRAWN = (8_000, 1_000)
"""How many people are asked for an estimate: first so many, and where even that takes too long, so few."""
DRAWN_PATIENCE_MS = 1_500
_CANCELED = "57014"
# Most of a table is read faster in the order it lies in than by an index, whose every row costs a page.
_IN_ORDER = text("SET LOCAL random_page_cost = 4")


@dataclass(frozen=True, slots=True)
class Person:
    """One of the people meant, with what they are recognised by."""

    id: UUID
    name: str
    member_number: str | None
    club: str | None
    membership_tier: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """How many people are meant (`estimated`: about), by which conditions, and up to ten of them by name."""

    count: int
    estimated: bool
    sentence: str
    sample: list[Person]


class TooSlow(Exception):
    """The database did not answer in the time it was given."""


def preview(
    *,
    tenant_id: UUID,
    criteria: object,
    club_id: UUID | None = None,
    now: datetime | None = None,
    names: Names | None = None,
) -> Preview:
    """Return whom a segment with these criteria would hold now; without any conditions everybody.

    With `club_id` only people of that club are meant, and its time zone holds, else the organisation's. `names` gives
    labels of ids for the sentence. Raises InvalidConditions, or Invalid for a club that is not there.
    """
    tree = definition.read_criteria(criteria, custom_fields.catalogue(tenant_id=tenant_id), allow_empty=True)
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        definition.check_named(tree, tenant_id)
        if not definition.is_club(session, tenant_id, club_id):
            raise Invalid({"club_id": definition.NO_CLUB})
        there = schedule.place_of(session, tenant_id, club_id)
        asked = _Asked(tenant_id, tree, club_id, there, moment)
        found = asked.found(session)
        sample = _people(session, tenant_id, found.ids)
    locale = tenant_info(tenant_id=tenant_id).locale
    sentence = explain(tree, names=names, zone=there.zone, locale=locale, currency=there.currency)
    return Preview(found.count, found.estimated, sentence, sample)


@dataclass(frozen=True, slots=True)
class _Found:
    """How many fit, whether that is an estimate, and some of them."""

    count: int
    estimated: bool
    ids: list[UUID]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question: the conditions, and of whom, where and when they are asked."""

    tenant_id: UUID
    tree: Tree
    club_id: UUID | None
    place: Place
    now: datetime

    def found(self, session: Session) -> _Found:
        """Return who fits, counted where that is done in time."""
        began = time.monotonic()
        try:
            cost = self._cost(session)
            if cost <= LIKELY:
                return self.exactly(session, WITHIN_MS)
        except TooSlow:
            return self.about(session)
        about = self.about(session)
        left = WITHIN_MS - int((time.monotonic() - began) * 1000)
        if cost > HOPELESS or about.count > FEW or not about.estimated or left <= 0:
            return about
        try:
            return self.exactly(session, left)
        except TooSlow:
            return about

    def exactly(self, session: Session, patience_ms: int) -> _Found:
        """Return who fits; raise TooSlow."""
        with _within(session, patience_ms):
            session.execute(_IN_ORDER)
            count, found = session.execute(self._everybody()).one()
        return _Found(count, False, found or [])

    def _cost(self, session: Session) -> float:
        """Return what the planner expects an exact answer to cost; it is not told."""
        with _within(session, WITHIN_MS):
            session.execute(_IN_ORDER)
            connection = session.connection()
            compiled = self._everybody().compile(connection, compile_kwargs={"render_postcompile": True})
            plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params).scalar_one()
        return float(plan[0]["Plan"]["Total Cost"])

    def _everybody(self) -> Select[Any]:
        ids = func.array_agg(Customer.id)[1:SAMPLE]
        return select(func.count(), ids).where(*self._meant(), self._fits(everybody=True))

    def _fits(self, *, everybody: bool = False) -> ColumnElement[bool]:
        place = self.place
        # Who are many may be estimated, so the exact answer is planned for few.
        return compile_sql(
            self.tree, zone=place.zone, now=self.now, currency=place.currency, whole=everybody, few=everybody
        )

    def about(self, session: Session) -> _Found:
        """Return who fits as told from some of the people: of an organisation that has no more than these, from all."""
        known = _expected(session, self.tenant_id)
        for many in DRAWN[:-1]:
            try:
                with _within(session, DRAWN_PATIENCE_MS):
                    return self._of_drawn(session, known, many)
            except TooSlow:
                continue
        return self._of_drawn(session, known, DRAWN[-1])

    def _of_drawn(self, session: Session, known: int, many: int) -> _Found:
        share = max(1, known // many)
        mark = func.uuid_hash_extended(Customer.id, 0, type_=BigInteger()) % share == 0
        by_key = select(Customer.id).where(Customer.tenant_id == self.tenant_id, mark)
        # Step by step: who is drawn is told by the key alone, else everybody's row would be read for it; and what is
        # asked of each is asked once.
        drawn = by_key.cte("drawn").prefix_with("MATERIALIZED", dialect="postgresql")
        fits = self._fits()
        asked = select(case((fits, Customer.id)).label("id")).join(drawn, drawn.c.id == Customer.id)
        met = asked.where(*self._meant()).cte("met").prefix_with("MATERIALIZED", dialect="postgresql")
        wanted = select(func.count(), func.array_agg(met.c.id)[1:SAMPLE]).where(met.c.id.is_not(None))
        count, found = session.execute(wanted).one()
        return _Found(plain(count * share) if share > 1 else count, share > 1, found or [])

    def _meant(self) -> list[ColumnElement[bool]]:
        of_club = [Customer.club_id == self.club_id] if self.club_id else []
        return [Customer.tenant_id == self.tenant_id, Customer.status == ACTIVE, *of_club]


def plain(count: int) -> int:
    """Return an estimate as it deserves to be told: three digits at most, then zeros."""
    unit: int = 10 ** max(0, len(str(count)) - 3)
    return round(count / unit) * unit


@contextmanager
def _within(session: Session, patience_ms: int) -> Iterator[None]:
    """Let each statement inside take so long at most, or raise TooSlow; the transaction goes on after it."""
    before = session.scalar(text("SHOW statement_timeout"))
    point = session.begin_nested()
    try:
        # Compiling a plan to machine code takes longer than the answer may; gathering people in memory does not.
        session.execute(
            text(
                "SELECT set_config('statement_timeout', :most, true), set_config('work_mem', '64MB', true),"
                " set_config('jit', 'off', true)"
            ),
            {"most": f"{patience_ms}ms"},
        )
        yield
    except TooSlow:
        point.rollback()
        raise
    except OperationalError as error:
        point.rollback()
        if getattr(error.orig, "sqlstate", None) != _CANCELED:
            raise
        raise TooSlow from error
    else:
        session.execute(text("SELECT set_config('statement_timeout', :before, true)"), {"before": before})
        point.commit()


def _expected(session: Session, tenant_id: UUID) -> int:
    """Return about how many customers there are, as the planner expects; none is read for it."""
    asked = text("EXPLAIN (FORMAT JSON) SELECT FROM customer WHERE tenant_id = CAST(:tenant_id AS uuid)")
    plan = session.execute(asked, {"tenant_id": str(tenant_id)}).scalar_one()
    return int(plan[0]["Plan"]["Plan Rows"])


def _people(session: Session, tenant_id: UUID, ids: list[UUID]) -> list[Person]:
    numbers = customers.member_numbers(tenant_id=tenant_id, customer_ids=ids)
    name = customers.DISPLAY_NAME.label("name")
    rows = session.execute(
        select(Customer.id, name, Club.name.label("club"), Customer.membership_tier)
        .outerjoin(Club, (Club.tenant_id == Customer.tenant_id) & (Club.id == Customer.club_id))
        .where(Customer.tenant_id == tenant_id, Customer.id.in_(ids))
        .order_by(Customer.sort_name, Customer.id)
    )
    return [
        Person(row.id, row.name, next(iter(numbers.get(row.id, ())), None), row.club, row.membership_tier)
        for row in rows
    ]
