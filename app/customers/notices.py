"""What users are told in Fairway: where colleagues mentioned them, and what is told to them about customers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, select, text, tuple_

from app.customers import mentions, tasks
from app.customers.mentions import MANY
from app.customers.models import Customer
from app.customers.models import Notice as Row
from app.customers.queries import DISPLAY_NAME
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.ids import first_id_at
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_of, moment_of

MOST_UNREAD = 50
"""So many notices of one source a user has unread; of more people one notice tells how many there are."""
KEPT = timedelta(days=90)
"""So long a notice is kept after it was read."""
FORGET_AT_ONCE = 5_000
_ROOM = text("""
    SELECT reader.id, :most - (
        SELECT count(*) FROM notice
        WHERE tenant_id = :tenant_id AND user_id = reader.id AND read_at IS NULL AND customer_id IS NOT NULL
            AND starts_with(key, :source)) AS room
    FROM unnest(CAST(:users AS uuid[])) AS reader(id)
""")
_PUT = text("""
    INSERT INTO notice (tenant_id, key, user_id, customer_id, told_by, body, told_at)
    SELECT :tenant_id, :source || asked.key, reader.id, asked.customer, :told_by, asked.body, :now
    FROM unnest(CAST(:keys AS text[]), CAST(:customers AS uuid[]), CAST(:bodies AS text[])) WITH ORDINALITY
        AS asked(key, customer, body, place)
    JOIN unnest(CAST(:users AS uuid[]), CAST(:rooms AS int[])) AS reader(id, room) ON asked.place <= reader.room
    ON CONFLICT (tenant_id, key, user_id) DO NOTHING
    RETURNING id, user_id
""")
_MORE = text("""
    INSERT INTO notice (tenant_id, key, user_id, told_by, body, more, told_at)
    SELECT :tenant_id, :source || 'more', reader.id, :told_by, :body, reader.more, :now
    FROM unnest(CAST(:users AS uuid[]), CAST(:mores AS int[])) AS reader(id, more) ORDER BY reader.id
    ON CONFLICT (tenant_id, key, user_id) DO UPDATE SET
        more = excluded.more + CASE WHEN notice.read_at IS NULL THEN notice.more ELSE 0 END,
        told_by = excluded.told_by, body = excluded.body, told_at = excluded.told_at, read_at = NULL
""")
# Whoever was read so long ago is as old: the ids of the others need not be read.
_FORGET_OLD = text("""
    DELETE FROM notice WHERE tenant_id = :tenant_id AND id IN (
        SELECT id FROM notice
        WHERE tenant_id = :tenant_id AND id < CAST(:before AS uuid) AND read_at < :read_before
        ORDER BY id LIMIT :limit)
""")
_UNREAD = text("""
    SELECT count(*) FROM (
        SELECT FROM notice WHERE tenant_id = :tenant_id AND user_id = :user_id AND read_at IS NULL LIMIT :many
    ) AS counted
""")
_READ = text("""
    UPDATE notice SET read_at = :now
    WHERE tenant_id = :tenant_id AND user_id = :user_id AND read_at IS NULL AND (CAST(:id AS uuid) IS NULL OR id = :id)
""")
# A notice of many people is about no customer.
_CUSTOMER_NAME = case((Row.customer_id.is_not(None), DISPLAY_NAME))


@dataclass(frozen=True, slots=True)
class NewNotice:
    """What is to be told about one customer; of two with one `key` from one source the first is kept."""

    key: str
    customer_id: UUID
    body: str


@dataclass(frozen=True, slots=True)
class Told:
    """A colleague who is told something: the ids of the notices, and how many `more` people there are (`put_more`)."""

    user_id: UUID
    email: str
    notices: Sequence[UUID]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as its reader sees it: `by` `what` a customer ("Thandi mentioned you on …"); unread without `read_at`.

    `note_id` is the note that mentions them, if it is one. One of `more` people names no customer; its `key` is the
    source's, and "more".
    """

    id: UUID
    by: str
    what: str
    customer_id: UUID | None
    customer_name: str | None
    key: str
    more: int
    body: str
    told_at: datetime
    read_at: datetime | None
    note_id: UUID | None = None


def put(
    *, tenant_id: UUID, to: str, source: str, told_by: str, notices: Sequence[NewNotice], now: datetime
) -> list[Told]:
    """Tell a colleague, or all who have a role (see `tasks.colleagues`), about customers; `source` begins all keys.

    Returns who is told something; nobody is told the same twice. Nobody has more than MOST_UNREAD unread of one source:
    tell those who have of the others by `put_more`.
    """
    people = {one.id: one for one in tasks.readers_of(tenant_id=tenant_id, to=to)}
    asked: dict[str, Any] = {
        "tenant_id": tenant_id,
        "source": source,
        "told_by": told_by,
        "now": now,
        "most": MOST_UNREAD,
        "users": array(people),
        "keys": array(one.key for one in notices),
        "customers": array(one.customer_id for one in notices),
        "bodies": array(one.body for one in notices),
    }
    made: dict[UUID, list[UUID]] = {}
    with transaction(tenant_id) as session:
        rooms = {row.id: max(0, row.room) for row in session.execute(_ROOM, asked)}
        for row in session.execute(_PUT, asked | {"users": array(rooms), "rooms": array(rooms.values())}):
            made.setdefault(row.user_id, []).append(row.id)
    told = [
        Told(id_, people[id_].email, sorted(made.get(id_, ())), max(0, len(notices) - room))
        for id_, room in rooms.items()
    ]
    return [one for one in told if one.notices or one.more]


def put_more(*, tenant_id: UUID, source: str, told_by: str, body: str, told: Sequence[Told], now: datetime) -> None:
    """Tell who was told of some people by `put` how many more there are: one notice a user, whose number rises."""
    asked = {"tenant_id": tenant_id, "source": source, "told_by": told_by, "body": body, "now": now}
    many = {one.user_id: one.more for one in told if one.more}
    with transaction(tenant_id) as session:
        session.execute(_MORE, asked | {"users": array(many), "mores": array(many.values())})


def forget_old(*, tenant_id: UUID, now: datetime) -> int:
    """Delete notices that were read long ago; return how many."""
    before = now - KEPT
    asked = {"tenant_id": tenant_id, "before": first_id_at(before), "read_before": before, "limit": FORGET_AT_ONCE}
    total, gone = 0, FORGET_AT_ONCE
    while gone == FORGET_AT_ONCE:
        with transaction(tenant_id) as session:
            gone = int(session.execute(_FORGET_OLD, asked).rowcount)  # type: ignore[attr-defined]
        total += gone
    return total


def notices(
    *, tenant_id: UUID, user_id: UUID, sees_private: bool, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Notice]:
    """Return all a user is told, the newest first; notices of what is gone or no longer theirs to read are not."""
    wanted = _mine(tenant_id, user_id)
    if cursor:
        at, last = decode_cursor(cursor, 2)
        wanted = wanted.where(tuple_(Row.told_at, Row.id) < tuple_(moment_of(at), id_of(last)))
    with transaction(tenant_id) as session:
        own = session.execute(wanted.order_by(Row.told_at.desc(), Row.id.desc()).limit(limit + 1)).all()
    named = mentions.notices(
        tenant_id=tenant_id, user_id=user_id, sees_private=sees_private, cursor=cursor, limit=limit + 1
    )
    found = [*(_own(row) for row in own), *(_mention(one) for one in named.items)]
    found.sort(key=lambda one: (one.told_at, one.id), reverse=True)
    return cut(found[: limit + 1], limit, lambda one: (one.told_at, one.id), lambda one: one)


def notice(*, tenant_id: UUID, user_id: UUID, notice_id: UUID, sees_private: bool) -> Notice:
    """Return one of a user's own notices, or raise NoSuchNotice."""
    with transaction(tenant_id) as session:
        row = session.execute(_mine(tenant_id, user_id).where(Row.id == notice_id)).one_or_none()
    if row is not None:
        return _own(row)
    return _mention(
        mentions.notice(tenant_id=tenant_id, user_id=user_id, mention_id=notice_id, sees_private=sees_private)
    )


def still_unread(*, tenant_id: UUID, user_id: UUID, notice_ids: Collection[UUID]) -> list[Notice]:
    """Return which of what journeys told a user is there and unread, in the order in which it was told."""
    wanted = _mine(tenant_id, user_id).where(Row.id.in_(notice_ids), Row.read_at.is_(None))
    with transaction(tenant_id) as session:
        return [_own(row) for row in session.execute(wanted.order_by(Row.id))]


def unread(*, tenant_id: UUID, user_id: UUID, sees_private: bool) -> int:
    """Return how many notices a user has not read; counting ends at one more than MANY."""
    with transaction(tenant_id) as session:
        own = session.scalar(_UNREAD, {"tenant_id": tenant_id, "user_id": user_id, "many": MANY + 1}) or 0
    named = mentions.unread(tenant_id=tenant_id, user_id=user_id, sees_private=sees_private)
    return min(own + named, MANY + 1)


def read(*, tenant_id: UUID, user_id: UUID, notice_id: UUID | None = None, now: datetime | None = None) -> None:
    """Mark a user's notice as read, or without an id all of them."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        session.execute(_READ, {"tenant_id": tenant_id, "user_id": user_id, "id": notice_id, "now": moment})
        mentions.read(tenant_id=tenant_id, user_id=user_id, mention_id=notice_id, now=moment)


def _mine(tenant_id: UUID, user_id: UUID) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Row.id, Row.told_by, Row.customer_id, _CUSTOMER_NAME, Row.key, Row.more, Row.body, Row.told_at, Row.read_at
        )
        .outerjoin(Customer, (Customer.tenant_id == Row.tenant_id) & (Customer.id == Row.customer_id))
        .where(Row.tenant_id == tenant_id, Row.user_id == user_id)
    )


def _own(row: Any) -> Notice:
    id_, told_by, *rest = row
    return Notice(id_, f"“{told_by}”", "tells you about", *rest)


def _mention(one: mentions.Notice) -> Notice:
    return Notice(
        one.id, one.by, "mentioned you on", one.customer_id, one.customer_name, "", 0, one.body, one.told_at,
        one.read_at, note_id=one.note_id,
    )  # fmt: skip
