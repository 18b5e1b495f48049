"""What happened to one customer, page by page, and how much of it lately.

The rows of a page are found in the index ix_activity_story alone, which holds all that the filters ask of; then they
are read. Only the search for words reads the person's rows themselves.

`activity_count_30d` is counted in the same index when it is asked for. A stored number would have to fall by itself as
days pass: rows for each person and day, a second write for each event, and a job that is late. Counted, it costs a few
microseconds a person, is never wrong, and merges, moves and undone imports need not know of it.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    ScalarSelect,
    Select,
    Text,
    Uuid,
    and_,
    cast,
    func,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import aliased

from app.customers.models import Activity, Customer
from app.events import catalogue
from app.events.catalogue import Category
from app.events.types.journeys import REFUSED
from app.infra import clock
from app.infra.db import transaction
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_of, moment_of

LATELY = timedelta(days=30)
OURS = ("message.sent", "message.converted", "consent.recorded", REFUSED)
"""What Fairway does itself: on the timeline, but nothing the customer did. Nor are notes, and what files tell."""
# Whose kinds of activity are offered as a filter: enough to have met each kind, and never a slow page.
_KINDS_AMONG = 5000
_MAX_WORDS = 8
_VALUES = 'strict $.** ? (@.type() == "string" || @.type() == "number")'
_WORD = re.compile(r'[^\s"\\\x00]+')


@dataclass(frozen=True, slots=True)
class Filters:
    """Which activities: every one given must match. From `since` on and before `until`; `q` are parts of words.

    Private notes are there for their author (`reader_id`), and for those who see them all.
    """

    reader_id: UUID | None = None
    sees_private: bool = False
    category: str | None = None
    type: str | None = None
    club_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None


EVERYTHING = Filters()


def timeline(
    *,
    tenant_id: UUID,
    customer_id: UUID,
    filters: Filters = EVERYTHING,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Activity]:
    """Return what happened to a customer, the newest first."""
    a = aliased(Activity)
    words = _WORD.findall(filters.q or "")[:_MAX_WORDS]
    wanted = select(a.tenant_id, a.id, a.occurred_at).where(
        a.tenant_id == tenant_id, a.customer_id == customer_id, *_tests(a, filters)
    )
    if cursor:
        at, last = decode_cursor(cursor, 2)
        wanted = wanted.where(tuple_(a.occurred_at, a.id) < tuple_(moment_of(at), id_of(last)))
    wanted = wanted.order_by(a.occurred_at.desc(), a.id.desc())
    if words:
        wanted = _holding(wanted, words)
    elif (filters.q or "").strip():
        # Signs alone that no word holds, such as quotes, are not to be found.
        return Page([], None)
    return _page(tenant_id, wanted.limit(limit + 1), limit)


def _page(tenant_id: UUID, wanted: Select[UUID, UUID, datetime], limit: int) -> Page[Activity]:
    """Return the activities of which `wanted` says tenant, id and time, up to `limit` + 1 of them."""
    # In two steps: whole rows would have to be read before a filter could look at them.
    found = wanted.subquery("found")
    rows = (
        select(Activity)
        .join(found, (Activity.tenant_id == found.c.tenant_id) & (Activity.id == found.c.id))
        .order_by(found.c.occurred_at.desc(), found.c.id.desc())
        .execution_options(populate_existing=True)
    )
    with transaction(tenant_id) as session:
        return cut(session.scalars(rows).all(), limit, lambda row: (row.occurred_at, row.id), lambda row: row)


def together(
    *,
    tenant_id: UUID,
    customer_ids: Collection[UUID],
    filters: Filters = EVERYTHING,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Activity]:
    """Return what happened to several customers, the newest first; words (`q`) are not looked for."""
    whose = select(func.unnest(cast(list(customer_ids), ARRAY(Uuid))).label("id")).subquery("whose")
    a = aliased(Activity)
    # Of each of them no more than a page: their timelines are merged, not read.
    theirs = select(a.tenant_id, a.id, a.occurred_at).where(
        a.tenant_id == tenant_id, a.customer_id == whose.c.id, *_tests(a, filters)
    )
    if cursor:
        at, last = decode_cursor(cursor, 2)
        theirs = theirs.where(tuple_(a.occurred_at, a.id) < tuple_(moment_of(at), id_of(last)))
    latest = theirs.order_by(a.occurred_at.desc(), a.id.desc()).limit(limit + 1).correlate(whose).lateral("latest")
    found = (
        select(latest.c.tenant_id, latest.c.id, latest.c.occurred_at)
        .select_from(whose.join(latest, true()))
        .order_by(latest.c.occurred_at.desc(), latest.c.id.desc())
        .limit(limit + 1)
    )
    return _page(tenant_id, found, limit)


def kinds(*, tenant_id: UUID, customer_id: UUID, reader_id: UUID | None, sees_private: bool) -> list[tuple[str, str]]:
    """Return the kinds (category, type) among a customer's latest activities, by name."""
    a = aliased(Activity)
    latest = (
        select(a.category, a.type)
        .where(
            a.tenant_id == tenant_id,
            a.customer_id == customer_id,
            *_tests(a, Filters(reader_id=reader_id, sees_private=sees_private)),
        )
        .order_by(a.occurred_at.desc(), a.id.desc())
        .limit(_KINDS_AMONG)
        .subquery()
    )
    with transaction(tenant_id) as session:
        rows = session.execute(select(latest.c.category, latest.c.type).distinct().order_by(*latest.c))
        return [(row.category, row.type) for row in rows]


def counts_30d(*, tenant_id: UUID, customer_ids: Collection[UUID], now: datetime | None = None) -> dict[UUID, int]:
    """Return how much each of the customers did in the last thirty days; 0 for who did nothing."""
    a = Activity
    query = (
        select(a.customer_id, func.count())
        .where(
            a.tenant_id == tenant_id,
            a.customer_id.in_(customer_ids),
            a.occurred_at >= (now or clock.now()) - LATELY,
            _theirs(a),
        )
        .group_by(a.customer_id)
    )
    found = dict.fromkeys(customer_ids, 0)
    if found:
        with transaction(tenant_id) as session:
            found.update({row[0]: row[1] for row in session.execute(query)})
    return found


def count_30d() -> ScalarSelect[int]:
    """Return how much the customer of the surrounding query did in the last thirty days, in SQL."""
    a = aliased(Activity)
    return (
        select(func.count())
        .select_from(a)
        .where(
            a.tenant_id == Customer.tenant_id,
            a.customer_id == Customer.id,
            a.occurred_at >= func.now() - LATELY,
            _theirs(a),
        )
        .correlate(Customer)
        .scalar_subquery()
    )


def _theirs(a: type[Activity]) -> ColumnElement[bool]:
    second_hand = (kind.name for kind in catalogue.known() if kind.second_hand)
    return and_(a.category != Category.NOTE, a.type.not_in([*OURS, *second_hand]))


def _tests(a: type[Activity], filters: Filters) -> list[ColumnElement[bool]]:
    tests: list[ColumnElement[bool]] = []
    if not filters.sees_private:
        tests.append(or_(a.private_to.is_(None), a.private_to == filters.reader_id))
    for column, value in ((a.category, filters.category), (a.type, filters.type), (a.club_id, filters.club_id)):
        if value is not None:
            tests.append(column == value)
    if filters.since is not None:
        tests.append(a.occurred_at >= filters.since)
    if filters.until is not None:
        tests.append(a.occurred_at < filters.until)
    return tests


def _holding(wanted: Select[UUID, UUID, datetime], words: list[str]) -> Select[UUID, UUID, datetime]:
    """Return those of the rows that hold all words, walked in order and read one by one until the page is full.

    The planner can't know how many rows hold a word. Without the OFFSETs, which it doesn't look behind, it reads and
    asks all of the person's rows, or all rows there are.
    """
    story, a = wanted.offset(0).subquery("story"), aliased(Activity)
    held = (
        select(a.id)
        .where(a.tenant_id == story.c.tenant_id, a.id == story.c.id, *(_says(a, word) for word in words))
        .offset(0)
        .lateral("held")
    )
    return select(story.c.tenant_id, story.c.id, story.c.occurred_at).join_from(story, held, true())


def _says(a: type[Activity], word: str) -> ColumnElement[bool]:
    """Return the test that an activity's title or a value of its payload holds a word."""
    escaped = re.sub(r"([%_\\])", r"\\\1", word)
    like = f"%{escaped}%"
    values = cast(func.jsonb_path_query_array(a.payload, cast(_VALUES, JSONPATH)), Text)
    # The text of the whole payload, names of its keys too, tells quickly which rows can't hold the word.
    return or_(a.title.ilike(like), and_(cast(a.payload, Text).ilike(like), values.ilike(like)))
