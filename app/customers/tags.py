"""Tags as a whole: how many have each, what it looks like, and what it is called, for everybody at once.

Who has a tag is said by `customer.tags` and nothing else. What is done to a tag is one transaction over all who have
it, whatever their number; rows are locked in order of id, as all do who lock many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.customers.mass_update import tag_problem
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_of

COLOURS = ("grey", "red", "orange", "yellow", "green", "teal", "blue", "indigo", "purple", "pink")
KEPT = timedelta(days=30)
"""How long deleting a tag can be undone."""
COUNT_AGAIN = timedelta(seconds=20)
Follower = Callable[[Session, UUID, str, str], None]
"""Told `(session, tenant_id, old, new)` when a tag gets another name, inside the same transaction."""

_COLUMNS = "id, name, colour, customers, counted_at, created_at"
_LIST = text(f"""
    SELECT {_COLUMNS} FROM tag
    WHERE tenant_id = :tenant_id AND deleted_at IS NULL
        AND (CAST(:after AS text) IS NULL OR (name, id) > (CAST(:after AS text), CAST(:last AS uuid)))
        AND (CAST(:q AS text) IS NULL OR strpos(lower(name), lower(CAST(:q AS text))) > 0)
    ORDER BY name, id LIMIT :limit
""")  # noqa: S608 - the columns are ours
_ONE = text(f"SELECT {_COLUMNS} FROM tag WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL")  # noqa: S608
_LOCKED = text(
    f"SELECT {_COLUMNS} FROM tag WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))"  # noqa: S608
    " AND deleted_at IS NULL ORDER BY id FOR UPDATE"
)
_COLOURED = text(
    "SELECT name, colour FROM tag WHERE tenant_id = :tenant_id AND deleted_at IS NULL AND colour <> 'grey' LIMIT 2000"
)
_NAMED = text("SELECT id FROM tag WHERE tenant_id = :tenant_id AND name = :name AND deleted_at IS NULL")
_ADD = text("""
    INSERT INTO tag (tenant_id, name, colour) VALUES (:tenant_id, :name, :colour)
    ON CONFLICT (tenant_id, name) WHERE deleted_at IS NULL DO NOTHING RETURNING id
""")
_SET = text("UPDATE tag SET name = :name, colour = :colour WHERE tenant_id = :tenant_id AND id = :id")
_DROP = text("DELETE FROM tag WHERE tenant_id = :tenant_id AND id = :id")
_FORGET = text("DELETE FROM tag WHERE tenant_id = :tenant_id AND deleted_at < :until")
_DELETED = text("""
    SELECT id, name, colour, deleted_at, cardinality(taken_from) AS customers FROM tag
    WHERE tenant_id = :tenant_id AND deleted_at >= :since ORDER BY deleted_at DESC, id LIMIT 20
""")
_COUNT = text("""
    WITH held AS (
        SELECT t.name, count(*) AS customers FROM customer c, unnest(c.tags) AS t(name)
        WHERE c.tenant_id = :tenant_id AND c.status = 'ACTIVE' GROUP BY t.name
    ), known AS (
        UPDATE tag SET customers = coalesce(held.customers, 0), counted_at = :now
        FROM tag one LEFT JOIN held ON held.name = one.name
        WHERE tag.tenant_id = :tenant_id AND one.tenant_id = :tenant_id AND tag.id = one.id AND tag.deleted_at IS NULL
        RETURNING tag.name
    )
    INSERT INTO tag (tenant_id, name, customers, counted_at)
    SELECT :tenant_id, held.name, held.customers, :now FROM held
    WHERE NOT EXISTS (SELECT FROM known WHERE known.name = held.name)
    ON CONFLICT (tenant_id, name) WHERE deleted_at IS NULL DO NOTHING
""")
_COUNTED = text("SELECT max(counted_at) FROM tag WHERE tenant_id = :tenant_id AND deleted_at IS NULL")
# Customers who went into another one keep their tags too: a merge can be undone.
_HELD = """
    WITH held AS (
        SELECT id FROM customer WHERE tenant_id = :tenant_id AND tags @> ARRAY[CAST(:old AS text)]
        ORDER BY id FOR NO KEY UPDATE
    )
"""
_RENAME = text(f"""{_HELD}
    UPDATE customer c SET updated_at = :now, tags = CASE
        WHEN c.tags @> ARRAY[CAST(:new AS text)] THEN array_remove(c.tags, CAST(:old AS text))
        ELSE array_replace(c.tags, CAST(:old AS text), CAST(:new AS text)) END
    FROM held WHERE c.tenant_id = :tenant_id AND c.id = held.id
""")  # noqa: S608
_TAKE = text(f"""{_HELD}, taken AS (
        UPDATE customer c SET updated_at = :now, tags = array_remove(c.tags, CAST(:old AS text))
        FROM held WHERE c.tenant_id = :tenant_id AND c.id = held.id RETURNING c.id
    )
    UPDATE tag SET deleted_at = :now, taken_from = ARRAY(SELECT id FROM taken ORDER BY id)
    WHERE tenant_id = :tenant_id AND id = :id
""")  # noqa: S608
_GIVE_BACK = text("""
    WITH held AS (
        SELECT c.id FROM customer c WHERE c.tenant_id = :tenant_id AND NOT c.tags @> ARRAY[CAST(:name AS text)]
            AND c.id IN (
                SELECT unnest(ARRAY[was.id, was.merged_into_id]) FROM tag t, unnest(t.taken_from) AS one(id)
                JOIN customer was ON was.tenant_id = :tenant_id AND was.id = one.id
                WHERE t.tenant_id = :tenant_id AND t.id = :id
            )
        ORDER BY c.id FOR NO KEY UPDATE
    )
    UPDATE customer c SET updated_at = :now, tags = c.tags || CAST(:name AS text)
    FROM held WHERE c.tenant_id = :tenant_id AND c.id = held.id
""")
_RESTORED = text(
    "SELECT id, name FROM tag WHERE tenant_id = :tenant_id AND id = :id AND deleted_at >= :since FOR UPDATE"
)
_REVIVE = text("UPDATE tag SET deleted_at = NULL, taken_from = NULL WHERE tenant_id = :tenant_id AND id = :id")
# A tag may be everybody's: what is done to all of them may take longer than a page's statements.
_PATIENCE = text("SET LOCAL statement_timeout = '10min'")


class NoSuchTag(NotFound):
    """There is no tag with this id (any more)."""

    def __init__(self) -> None:
        super().__init__("There is no such tag any more.")


class TagTaken(Conflict):
    """Another tag has this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a tag “{name}” already. Merge the two instead.", "name")


@dataclass(frozen=True, slots=True)
class TagLine:
    """One tag: `customers` had it at `counted_at` (None: nobody counted yet)."""

    id: UUID
    name: str
    colour: str
    customers: int
    counted_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeletedTag:
    """A tag that was deleted and can be brought back, to as many customers."""

    id: UUID
    name: str
    colour: str
    deleted_at: datetime
    customers: int


def listed(
    *, tenant_id: UUID, q: str | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[TagLine]:
    """Return tags by name, those whose name holds `q`, with the counts of the last `count`."""
    values = {"tenant_id": tenant_id, "q": q or None, "after": None, "last": None, "limit": limit + 1}
    if cursor:
        name, last = decode_cursor(cursor, 2)
        values |= {"after": str(name), "last": id_of(last)}
    with transaction(tenant_id) as session:
        rows = session.execute(_LIST, values).all()
    return cut(rows, limit, lambda row: (row.name, row.id), lambda row: TagLine(*row))


def tag(*, tenant_id: UUID, tag_id: UUID) -> TagLine:
    """Return one tag, or raise NoSuchTag."""
    with transaction(tenant_id) as session:
        row = session.execute(_ONE, {"tenant_id": tenant_id, "id": tag_id}).first()
    if row is None:
        raise NoSuchTag
    return TagLine(*row)


def deleted(*, tenant_id: UUID, now: datetime | None = None) -> list[DeletedTag]:
    """Return the tags whose deletion can still be undone, the last one first."""
    since = (now or clock.now()) - KEPT
    with transaction(tenant_id) as session:
        return [DeletedTag(*row) for row in session.execute(_DELETED, {"tenant_id": tenant_id, "since": since})]


def colours(*, tenant_id: UUID) -> dict[str, str]:
    """Return the colours of tags by their names, but for those that are grey."""
    with transaction(tenant_id) as session:
        return {row.name: row.colour for row in session.execute(_COLOURED, {"tenant_id": tenant_id})}


def count(*, tenant_id: UUID, now: datetime | None = None, again_after: timedelta = timedelta(0)) -> bool:
    """Count who has which tag, and get to know tags that came from elsewhere; return whether it was done.

    It is left where it was done within the last `again_after`.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        last = session.scalar(_COUNTED, {"tenant_id": tenant_id})
        if last is not None and moment - last < again_after:
            return False
        session.execute(_COUNT, {"tenant_id": tenant_id, "now": moment})
        return True


def add(*, tenant_id: UUID, name: str, colour: str = COLOURS[0], actor: str) -> TagLine:
    """Make a tag that nobody has yet. Raises Invalid or TagTaken."""
    name = _checked(name, colour)
    with transaction(tenant_id) as session:
        id_ = session.execute(_ADD, {"tenant_id": tenant_id, "name": name, "colour": colour}).scalar()
        if id_ is None:
            raise TagTaken(name)
        audit.record(session, actor, "tag.created", "tag", id_, {"name": name})
        return tag(tenant_id=tenant_id, tag_id=id_)


def change(
    *,
    tenant_id: UUID,
    tag_id: UUID,
    name: str | None = None,
    colour: str | None = None,
    actor: str,
    followers: Sequence[Follower] = (),
    now: datetime | None = None,
) -> TagLine:
    """Give a tag another name, for all who have it and wherever it is named, or another colour.

    Raises Invalid, NoSuchTag, or TagTaken where another tag has the name: such two are merged.
    """
    with transaction(tenant_id) as session:
        session.execute(_PATIENCE)
        (before,) = _locked(session, tenant_id, [tag_id])
        colour = before.colour if colour is None else colour
        new = before.name if name is None or name.strip() == before.name else _checked(name, colour)
        _checked_colour(colour)
        if new != before.name:
            _free(session, tenant_id, new)
            _rename(session, tenant_id, before.name, new, followers, now or clock.now())
        session.execute(_SET, {"tenant_id": tenant_id, "id": tag_id, "name": new, "colour": colour})
        if (new, colour) != (before.name, before.colour):
            detail = {"from": before.name, "to": new, "colour": colour}
            audit.record(session, actor, "tag.changed", "tag", tag_id, detail)
        return tag(tenant_id=tenant_id, tag_id=tag_id)


def merge(
    *,
    tenant_id: UUID,
    tag_id: UUID,
    into_id: UUID,
    actor: str,
    followers: Sequence[Follower] = (),
    now: datetime | None = None,
) -> TagLine:
    """Let all who have one tag have another one instead, and return that one. Raises NoSuchTag or Conflict."""
    if tag_id == into_id:
        raise Conflict("A tag can't be merged with itself.", "into_id")
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        session.execute(_PATIENCE)
        both = {one.id: one for one in _locked(session, tenant_id, [tag_id, into_id])}
        old, new = both[tag_id].name, both[into_id].name
        _rename(session, tenant_id, old, new, followers, moment)
        session.execute(_DROP, {"tenant_id": tenant_id, "id": tag_id})
        count(tenant_id=tenant_id, now=moment)
        audit.record(session, actor, "tag.merged", "tag", into_id, {"from": old, "to": new})
        return tag(tenant_id=tenant_id, tag_id=into_id)


def delete(*, tenant_id: UUID, tag_id: UUID, actor: str, now: datetime | None = None) -> str:
    """Take a tag from all who have it and return its name; `restore` undoes it for a month. Raises NoSuchTag."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        session.execute(_PATIENCE)
        (found,) = _locked(session, tenant_id, [tag_id])
        values = {"tenant_id": tenant_id, "id": tag_id, "old": found.name, "now": moment}
        session.execute(_TAKE, values)
        session.execute(_FORGET, {"tenant_id": tenant_id, "until": moment - KEPT})
        audit.record(session, actor, "tag.deleted", "tag", tag_id, {"name": found.name})
        return found.name


def restore(*, tenant_id: UUID, tag_id: UUID, actor: str, now: datetime | None = None) -> TagLine:
    """Give a deleted tag back to those it was taken from, also to whoever they were merged into. Raises NoSuchTag.

    If it came up again meanwhile, the two are one.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        session.execute(_PATIENCE)
        values = {"tenant_id": tenant_id, "id": tag_id, "now": moment, "since": moment - KEPT}
        row = session.execute(_RESTORED, values).first()
        if row is None:
            raise NoSuchTag
        session.execute(_GIVE_BACK, values | {"name": row.name})
        again: UUID | None = session.scalar(_NAMED, values | {"name": row.name})
        session.execute(_DROP if again else _REVIVE, values)
        count(tenant_id=tenant_id, now=moment)
        audit.record(session, actor, "tag.restored", "tag", tag_id, {"name": row.name})
        return tag(tenant_id=tenant_id, tag_id=again or tag_id)


def _locked(session: Session, tenant_id: UUID, ids: list[UUID]) -> list[TagLine]:
    rows = session.execute(_LOCKED, {"tenant_id": tenant_id, "ids": ids}).all()
    if len(rows) < len(ids):
        raise NoSuchTag
    return [TagLine(*row) for row in rows]


def _free(session: Session, tenant_id: UUID, name: str) -> None:
    if session.scalar(_NAMED, {"tenant_id": tenant_id, "name": name}) is not None:
        raise TagTaken(name)


def _rename(
    session: Session, tenant_id: UUID, old: str, new: str, followers: Sequence[Follower], now: datetime
) -> None:
    session.execute(_RENAME, {"tenant_id": tenant_id, "old": old, "new": new, "now": now})
    for follow in followers:
        follow(session, tenant_id, old, new)


def _checked(name: str, colour: str) -> str:
    tidy = name.strip()
    if problem := tag_problem(tidy):
        raise Invalid({"name": problem})
    if "," in tidy:
        raise Invalid({"name": "Leave out the comma: it separates tags where several are typed."})
    _checked_colour(colour)
    return tidy


def _checked_colour(colour: str) -> None:
    if colour not in COLOURS:
        raise Invalid({"colour": f"Choose one of: {', '.join(COLOURS)}."})
