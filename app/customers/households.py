"""Making, changing and dissolving households. A person is in one at most; whoever moves is taken out of the old one.

When two profiles become one, the kept profile's membership holds; the other's is taken over where it has none
(app.customers.merge). A household may so be left with one person, or with nobody: it stays until somebody dissolves it.

All decisions about households and their suggestions are made under the capture lock (`household_suggestions.deciding`),
one after the other: events, imports and merges, which move people and suggestions, wait for them, and they for these.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, insert, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.customers import household_suggestions as suggestions
from app.customers.greetings import ROLES
from app.customers.household_models import Household
from app.customers.queries import NoSuchCustomer
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import again_after_deadlock
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.ids import new_id
from app.infra.words import is_visible

HAND, ADDRESS = "hand", "address"
BY_HAND = "put together by hand"
MAX_MEMBERS = 20
MAX_NAME, MAX_GREETING = 100, 200
OF_AGE = 18
_LIMITS = {"name": MAX_NAME, "greeting": MAX_GREETING}

_LOCK = text("SELECT id, dissolved_at FROM household WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
_PEOPLE = text("""
    SELECT c.id, c.merged_into_id, m.household_id FROM (
        SELECT id, merged_into_id FROM customer WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[]))
        ORDER BY id FOR SHARE
    ) AS c LEFT JOIN household_member m ON m.tenant_id = :tenant_id AND m.customer_id = c.id
""")
_HOLD = text("""
    SELECT id FROM customer WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) ORDER BY id FOR SHARE
""")
_MEMBERS = text("SELECT customer_id FROM household_member WHERE tenant_id = :tenant_id AND household_id = :id")
_COUNTS = text("""
    SELECT household_id, count(*) AS many FROM household_member
    WHERE tenant_id = :tenant_id AND household_id = ANY(cast(:ids AS uuid[])) GROUP BY household_id
""")
# Those named together stay in the order in which they were named. Who is not yet of age by their date of birth is a
# child where nobody said otherwise. Whoever dissolves the household meanwhile is waited for: then nobody joins it.
_PUT = text("""
    INSERT INTO household_member (tenant_id, household_id, customer_id, role, source, reason, added_by, added_at)
    SELECT :tenant_id, r.household_id, r.customer_id,
        coalesce(r.role, CASE WHEN c.date_of_birth > cast(:now AS date) - make_interval(years => :of_age)
            THEN 'child' ELSE 'member' END),
        r.source, r.reason, coalesce(r.added_by, :by),
        coalesce(r.added_at, :now + r.place * interval '1 microsecond')
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(household_id uuid, customer_id uuid, role text, source text,
        reason text, added_by text, added_at timestamptz, place int)
    JOIN customer c ON c.tenant_id = :tenant_id AND c.id = r.customer_id AND c.status = 'ACTIVE'
    JOIN household h ON h.tenant_id = :tenant_id AND h.id = r.household_id AND h.dissolved_at IS NULL
    ORDER BY r.place, r.customer_id
    FOR KEY SHARE OF h
    ON CONFLICT (tenant_id, customer_id) DO NOTHING RETURNING household_id, customer_id
""")
_TAKE_OUT = text("""
    DELETE FROM household_member
    WHERE tenant_id = :tenant_id AND household_id = :id AND customer_id = ANY(cast(:customers AS uuid[]))
    RETURNING customer_id
""")
_ROLE = text("""
    UPDATE household_member SET role = :role
    WHERE tenant_id = :tenant_id AND household_id = :id AND customer_id = :customer_id RETURNING id
""")
# There is one head: whoever was it before is a member.
_NO_OTHER_HEAD = text("""
    UPDATE household_member SET role = 'member'
    WHERE tenant_id = :tenant_id AND household_id = :id AND role = 'head' AND customer_id <> :customer_id
""")
_DISSOLVE = text("""
    WITH gone AS (
        DELETE FROM household_member WHERE tenant_id = :tenant_id AND household_id = :id
        RETURNING id, household_id, customer_id, role, source, reason, added_by, added_at
    )
    UPDATE household SET dissolved_at = :now, dissolved_by = :by, members_then = (
        SELECT coalesce(jsonb_agg(to_jsonb(gone) ORDER BY gone.added_at, gone.id), '[]') FROM gone)
    WHERE tenant_id = :tenant_id AND id = :id
    RETURNING cast(members_then AS text)
""")
_RESTORE = text("""
    UPDATE household SET dissolved_at = NULL, dissolved_by = NULL, members_then = '[]'
    WHERE tenant_id = :tenant_id AND id = :id
""")
_THEN = text("""
    SELECT cast(h.members_then AS text) AS then, (
        SELECT coalesce(jsonb_object_agg(c.id, c.merged_into_id), '{}') FROM customer c
        WHERE c.tenant_id = :tenant_id AND c.merged_into_id IS NOT NULL AND c.id IN (
            SELECT cast(m ->> 'customer_id' AS uuid) FROM jsonb_array_elements(h.members_then) AS m)
    ) AS moved FROM household h WHERE h.tenant_id = :tenant_id AND h.id = :id
""")


class NoSuchHousehold(NotFound):
    """There is no household with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such household.")


class Dissolved(Conflict):
    """The household was dissolved."""

    def __init__(self) -> None:
        super().__init__("This household was dissolved. Undo that first.")


class NotInIt(NotFound):
    """The customer is not in the household."""

    def __init__(self) -> None:
        super().__init__("They are not in this household (any more).")


class CannotJoin(Conflict):
    """Somebody can't be put into the household."""


class ChangedJustNow(CannotJoin):
    """Somebody else changed or dissolved the household at the same moment."""

    def __init__(self) -> None:
        super().__init__("Somebody changed one of these households just now. Reload the page.")


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody to put into a household; without a role they are a child under 18, else a member."""

    customer_id: UUID
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of accepted suggestions: the households made or joined, and how many suggestions were `left`."""

    households: list[UUID]
    left: int


@again_after_deadlock
def make(
    *,
    tenant_id: UUID,
    members: Sequence[Newcomer],
    actor: str,
    name: str | None = None,
    greeting: str | None = None,
    now: datetime | None = None,
) -> UUID:
    """Make a household of these people and return its id; without a name or greeting it goes by the rule.

    Raises Invalid, NoSuchCustomer, or CannotJoin for who is in another household.
    """
    moment, household_id = now or clock.now(), new_id()
    texts = _texts({"name": name, "greeting": greeting})
    _check_roles(one.role for one in members)
    if not members:
        raise Invalid({"members": "Choose at least one person."})
    with suggestions.deciding(tenant_id) as session:
        session.add(Household(tenant_id=tenant_id, id=household_id, created_by=actor, created_at=moment, **texts))
        session.flush()
        _put(session, tenant_id, household_id, members, move=False, by=actor, now=moment)
        detail = {"customers": [str(one.customer_id) for one in members], **texts}
        audit.record(session, actor, "household.made", "household", household_id, detail)
    return household_id


@again_after_deadlock
def change(*, tenant_id: UUID, household_id: UUID, changes: Mapping[str, str | None], actor: str) -> None:
    """Give a household its own `name` or `greeting`; None or "" lets it go by the rule. Raises Invalid."""
    texts = _texts(changes)
    with suggestions.deciding(tenant_id) as session:
        _open(session, tenant_id, household_id)
        found = session.get_one(Household, (tenant_id, household_id), populate_existing=True)
        changed = {key: value for key, value in texts.items() if getattr(found, key) != value}
        for key, value in changed.items():
            setattr(found, key, value)
        session.flush()
        if changed:
            audit.record(session, actor, "household.updated", "household", household_id, changed)


@again_after_deadlock
def add(
    *,
    tenant_id: UUID,
    household_id: UUID,
    newcomer: Newcomer,
    actor: str,
    move: bool = False,
    now: datetime | None = None,
) -> None:
    """Put somebody into a household; with `move` they leave the one they are in.

    Who is in it already gets the role, if one is given. Raises NoSuchHousehold, NoSuchCustomer, Invalid, CannotJoin.
    """
    moment = now or clock.now()
    _check_roles([newcomer.role])
    with suggestions.deciding(tenant_id) as session:
        _open(session, tenant_id, household_id)
        _put(session, tenant_id, household_id, [newcomer], move=move, by=actor, now=moment)
        detail = {"customer": str(newcomer.customer_id), "role": newcomer.role}
        audit.record(session, actor, "household.member_added", "household", household_id, detail)


@again_after_deadlock
def set_role(*, tenant_id: UUID, household_id: UUID, customer_id: UUID, role: str, actor: str) -> None:
    """Say as what somebody is in a household. Of heads there is one: another one becomes a member. Raises NotInIt."""
    _check_roles([role])
    with suggestions.deciding(tenant_id) as session:
        _open(session, tenant_id, household_id)
        _give_role(session, tenant_id, household_id, customer_id, role)
        detail = {"customer": str(customer_id), "role": role}
        audit.record(session, actor, "household.role_changed", "household", household_id, detail)


@again_after_deadlock
def remove(*, tenant_id: UUID, household_id: UUID, customer_id: UUID, actor: str, now: datetime | None = None) -> None:
    """Take somebody out of a household; the addresses they share with it suggest them no more. Raises NotInIt."""
    moment = now or clock.now()
    with suggestions.deciding(tenant_id) as session:
        _open(session, tenant_id, household_id)
        all_of_it = session.scalars(_MEMBERS, {"tenant_id": tenant_id, "id": household_id}).all()
        if not _take_out(session, tenant_id, household_id, [customer_id]):
            raise NotInIt
        suggestions.settle(session, tenant_id, all_of_it, suggestions.ACCEPTED, by=actor, now=moment)
        detail = {"customer": str(customer_id)}
        audit.record(session, actor, "household.member_removed", "household", household_id, detail)


@again_after_deadlock
def dissolve(*, tenant_id: UUID, household_id: UUID, actor: str, now: datetime | None = None) -> None:
    """Take everybody out of a household and put it away; the addresses they share are suggested no more."""
    moment = now or clock.now()
    with suggestions.deciding(tenant_id) as session:
        _open(session, tenant_id, household_id)
        values = {"tenant_id": tenant_id, "id": household_id, "now": moment, "by": actor}
        then = orjson.loads(session.execute(_DISSOLVE, values).scalar_one())
        ids = [UUID(one["customer_id"]) for one in then]
        suggestions.settle(session, tenant_id, ids, suggestions.DISMISSED, by=actor, now=moment)
        audit.record(session, actor, "household.dissolved", "household", household_id, {"customers": len(then)})


@again_after_deadlock
def restore(*, tenant_id: UUID, household_id: UUID, actor: str, now: datetime | None = None) -> int:
    """Take dissolving back; return how many could not come back: they are gone, or in another household now."""
    moment = now or clock.now()
    with suggestions.deciding(tenant_id) as session:
        found = _lock(session, tenant_id, household_id)
        if found.dissolved_at is None:
            return 0
        row = session.execute(_THEN, {"tenant_id": tenant_id, "id": household_id}).one()
        then = orjson.loads(row.then)
        for place, one in enumerate(then):
            one |= {"customer_id": row.moved.get(one["customer_id"], one["customer_id"]), "place": place}
        session.execute(_RESTORE, {"tenant_id": tenant_id, "id": household_id})
        back = _insert(session, tenant_id, then, by=actor, now=moment)
        suggestions.unsettle(session, tenant_id, back, found.dissolved_at, by=actor, now=moment)
        audit.record(session, actor, "household.restored", "household", household_id, {"customers": len(back)})
        return len(then) - len(back)


@again_after_deadlock
def accept(*, tenant_id: UUID, ids: Collection[UUID], actor: str, now: datetime | None = None) -> Accepted:
    """Make households of suggestions, or let those who are in none join the one that others of them are in.

    Suggestions that have somebody in common make one household. Where some of the people are in different households
    already, they stay there and the others join the larger one. Raises NoSuchSuggestion if none of them exists, or
    ChangedJustNow.
    """
    moment = now or clock.now()
    with suggestions.deciding(tenant_id) as session:
        rows = suggestions.chosen(session, tenant_id, ids)
        groups = _groups(rows)
        homes = {row.customer_id: row.household_id for row in rows if row.household_id}
        involved = {"tenant_id": tenant_id, "ids": array(set(homes.values()))}
        sizes: dict[UUID, int] = {row.household_id: row.many for row in session.execute(_COUNTS, involved)}
        if sizes.keys() != set(homes.values()):
            raise ChangedJustNow
        made: list[dict[str, Any]] = []
        joined: list[UUID] = []
        newcomers: list[dict[str, Any]] = []
        done: set[UUID] = set()
        for group in groups:
            home = _home(group, homes, sizes)
            coming = [one for one in group.people if one not in homes]
            if not coming or len(group.people) < 2 or sizes.get(home, 0) + len(coming) > MAX_MEMBERS:
                continue
            if home not in sizes:
                made.append({"tenant_id": tenant_id, "id": home, "created_by": actor, "created_at": moment})
            sizes[home] = sizes.get(home, 0) + len(coming)
            joined.append(home)
            done |= group.suggestions
            newcomers += [
                {
                    "household_id": home,
                    "customer_id": one,
                    "source": ADDRESS,
                    "reason": ", ".join(group.reasons),
                    "place": at,
                }
                for at, one in enumerate(coming)
            ]
        if made:
            session.execute(insert(Household), made)
        if len(_insert(session, tenant_id, newcomers, by=actor, now=moment)) < len(newcomers):
            raise ChangedJustNow
        suggestions.accepted(session, tenant_id, done, by=actor, now=moment)
        suggestions.look(session, tenant_id, [one["customer_id"] for one in newcomers], moment)
        for home in joined:
            came = [str(one["customer_id"]) for one in newcomers if one["household_id"] == home]
            act = "household.made" if any(one["id"] == home for one in made) else "household.member_added"
            audit.record(session, actor, act, "household", home, {"customers": came, "source": ADDRESS})
        return Accepted(joined, len({row.id for row in rows} - done))


@dataclass(slots=True)
class _Group:
    """People of accepted suggestions who belong together."""

    people: list[UUID]
    suggestions: set[UUID]
    reasons: list[str]


def _groups(rows: Sequence[Row[Any]]) -> list[_Group]:
    """Return the people of suggestions, those with somebody in common as one group."""
    group_of: dict[UUID, _Group] = {}
    for row in rows:
        mine = group_of.get(row.id) or group_of.setdefault(row.id, _Group([], {row.id}, list(row.reasons)))
        other = group_of.get(row.customer_id)
        if other is None:
            mine.people.append(row.customer_id)
            group_of[row.customer_id] = mine
        elif other is not mine:
            other.people += mine.people
            other.suggestions |= mine.suggestions
            other.reasons = list(dict.fromkeys((*other.reasons, *mine.reasons)))
            for one in (*mine.people, *mine.suggestions):
                group_of[one] = other
    return list({id(one): one for one in group_of.values()}.values())


def _home(group: _Group, homes: Mapping[UUID, UUID], sizes: Mapping[UUID, int]) -> UUID:
    """Return the household of a group: the one most of them are in, of equals the larger, else a new one."""
    known = Counter(homes[one] for one in group.people if one in homes)
    return max(known, key=lambda one: (known[one], sizes[one], one)) if known else new_id()


def _lock(session: Session, tenant_id: UUID, household_id: UUID) -> Row[Any]:
    row = session.execute(_LOCK, {"tenant_id": tenant_id, "id": household_id}).first()
    if row is None:
        raise NoSuchHousehold
    return row


def _open(session: Session, tenant_id: UUID, household_id: UUID) -> None:
    if _lock(session, tenant_id, household_id).dissolved_at is not None:
        raise Dissolved


def _put(
    session: Session,
    tenant_id: UUID,
    household_id: UUID,
    newcomers: Sequence[Newcomer],
    *,
    move: bool,
    by: str,
    now: datetime,
) -> None:
    """Put people into a household by hand, in the open transaction that holds it."""
    ids = [one.customer_id for one in newcomers]
    found = {row.id: row for row in session.execute(_PEOPLE, {"tenant_id": tenant_id, "ids": array(ids)})}
    if len(found) < len(set(ids)):
        raise NoSuchCustomer
    if any(row.merged_into_id for row in found.values()):
        raise CannotJoin("This profile was merged into another one. Choose that one.", "customer_id")
    elsewhere = {id_: row.household_id for id_, row in found.items() if row.household_id not in (None, household_id)}
    if elsewhere and not move:
        raise CannotJoin("They are in another household already. Move them, or remove them there first.", "customer_id")
    for one, home in elsewhere.items():
        _take_out(session, tenant_id, home, [one])
        audit.record(session, by, "household.member_removed", "household", home, {"customer": str(one), "moved": True})
    rows = [
        {
            "household_id": household_id,
            "customer_id": one.customer_id,
            "role": one.role,
            "source": HAND,
            "reason": BY_HAND,
            "place": place,
        }
        for place, one in enumerate(newcomers)
        if found[one.customer_id].household_id != household_id
    ]
    placed = _insert(session, tenant_id, rows, by=by, now=now)
    if len(placed) < len(rows):
        raise CannotJoin("Somebody put them into another household just now. Reload the page.", "customer_id")
    many = session.execute(_COUNTS, {"tenant_id": tenant_id, "ids": array([household_id])}).one().many
    if many > MAX_MEMBERS:
        raise CannotJoin(f"A household has at most {MAX_MEMBERS} people.", "customer_id")
    for one in newcomers:
        if one.role is not None:
            _give_role(session, tenant_id, household_id, one.customer_id, one.role)
    suggestions.look(session, tenant_id, ids, now)


def _give_role(session: Session, tenant_id: UUID, household_id: UUID, customer_id: UUID, role: str) -> None:
    values = {"tenant_id": tenant_id, "id": household_id, "customer_id": customer_id, "role": role}
    if session.scalar(_ROLE, values) is None:
        raise NotInIt
    if role == "head":
        session.execute(_NO_OTHER_HEAD, values)


def _insert(
    session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]], *, by: str, now: datetime
) -> list[UUID]:
    """Write memberships and return whose were written: nobody is put into two, nor into a dissolved one."""
    if not rows:
        return []
    # Nobody is merged into somebody else between the look at them and their membership.
    session.execute(_HOLD, {"tenant_id": tenant_id, "ids": array(str(one["customer_id"]) for one in rows)})
    dumped = orjson.dumps(rows).decode()
    values = {"tenant_id": tenant_id, "rows": dumped, "by": by, "now": now, "of_age": OF_AGE}
    return [row.customer_id for row in session.execute(_PUT, values)]


def _take_out(session: Session, tenant_id: UUID, household_id: UUID, customers: Collection[UUID]) -> list[UUID]:
    values = {"tenant_id": tenant_id, "id": household_id, "customers": array(customers)}
    return list(session.scalars(_TAKE_OUT, values))


def _texts(given: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return names and greetings as they are kept, or raise Invalid."""
    texts = {name: " ".join((value or "").split()) or None for name, value in given.items()}
    errors = {
        name: f"Use at most {_LIMITS[name]} characters, of which some can be seen."
        for name, value in texts.items()
        if value and (len(value) > _LIMITS[name] or not is_visible(value))
    }
    if errors:
        raise Invalid(errors)
    return texts


def _check_roles(roles: Any) -> None:
    if any(role is not None and role not in ROLES for role in roles):
        raise Invalid({"role": f"Choose one of: {', '.join(ROLES)}."})
