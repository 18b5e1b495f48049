"""Colleagues named in a note with @, and the notices they get of it.

A mention is found by the words of the note: "@" and a colleague's name, e-mail address or (where only one has it) first
name. Nobody is told of a note they may not read; they are told when it is opened to them.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select, text, tuple_
from sqlalchemy.orm import Session

from app.accounts.permissions import permissions_of
from app.accounts.queries import UserInfo, active_users
from app.customers.models import Customer, Note, NoteMention
from app.customers.queries import DISPLAY_NAME
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_of, moment_of

READS_NOTES, READS_PRIVATE = "customers.view", "notes.view_private"
# More unread notices than this are "many" on the bell.
MANY = 99
_AT = re.compile(r"(?<![\w@.])@(?=\w)")

_PUT = text("""
    INSERT INTO note_mention (tenant_id, note_id, user_id, handle)
    SELECT :tenant_id, :note_id, r.user_id, r.handle
    FROM unnest(cast(:users AS uuid[]), cast(:handles AS text[])) AS r(user_id, handle)
    ON CONFLICT (tenant_id, note_id, user_id) DO UPDATE SET handle = excluded.handle
""")
_TAKE_BACK = text("""
    DELETE FROM note_mention
    WHERE tenant_id = :tenant_id AND note_id = :note_id AND user_id <> ALL(cast(:users AS uuid[]))
""")
_TELL = text("""
    UPDATE note_mention SET told_at = :now
    WHERE tenant_id = :tenant_id AND note_id = :note_id AND user_id = ANY(cast(:users AS uuid[])) AND told_at IS NULL
    RETURNING id, user_id
""")
_READ = text("""
    UPDATE note_mention SET read_at = :now
    WHERE tenant_id = :tenant_id AND user_id = :user_id AND told_at IS NOT NULL AND read_at IS NULL
        AND (cast(:id AS uuid) IS NULL OR id = :id)
""")


class NoSuchNotice(NotFound):
    """There is no such notice, or it is somebody else's."""

    def __init__(self) -> None:
        super().__init__("There is no such notice (any more): the note may have been deleted or made private.")


@dataclass(frozen=True, slots=True)
class Told:
    """One colleague who is to get word of a mention."""

    mention_id: UUID
    user_id: UUID
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Mentioned:
    """What became of a note's mentions: who is newly told, and the names of those who may not read the note."""

    told: tuple[Told, ...] = ()
    kept_from: tuple[str, ...] = ()


NOBODY = Mentioned()


@dataclass(frozen=True, slots=True)
class Notice:
    """One mention as its reader sees it: by whom, on which customer, what it says; unread without `read_at`."""

    id: UUID
    note_id: UUID
    customer_id: UUID
    customer_name: str
    by: str
    body: str
    told_at: datetime
    read_at: datetime | None


def colleagues(*, tenant_id: UUID) -> list[UserInfo]:
    """Return the active users who may read notes, by name: whom a note can mention."""
    return [one for one in active_users(tenant_id=tenant_id) if READS_NOTES in permissions_of(one.role)]


def handles(people: Iterable[UserInfo]) -> dict[str, UserInfo]:
    """Return whom each word after an @ means, in lower case. What two people are called means neither of them."""
    everybody = list(people)
    called = Counter(one.name.lower() for one in everybody)
    first = Counter(one.name.lower().split()[0] for one in everybody if one.name.split())
    found: dict[str, UserInfo] = {}
    for one in everybody:
        words = one.name.lower().split()
        if words and first[words[0]] == 1:
            found[words[0]] = one
    for one in everybody:
        if called[one.name.lower()] == 1:
            found[one.name.lower()] = one
        found[one.email.lower()] = one
    return found


def handle(person: UserInfo, people: Iterable[UserInfo]) -> str:
    """Return what to write after the @ so that this person is meant: the name, or the address of a namesake."""
    return person.name if handles(people).get(person.name.lower()) == person else person.email


def found_in(body: str, people: Iterable[UserInfo]) -> dict[UUID, tuple[str, UserInfo]]:
    """Return the people a note's text mentions, by id, each with the words that named them."""
    known = handles(people)
    longest_first = sorted(known, key=len, reverse=True)
    found: dict[UUID, tuple[str, UserInfo]] = {}
    for at in _AT.finditer(body):
        for name in longest_first:
            written = body[at.end() : at.end() + len(name)]
            after = body[at.end() + len(name) : at.end() + len(name) + 1]
            if written.lower() == name and not (after.isalnum() or after == "_"):
                found.setdefault(known[name].id, (f"@{written}", known[name]))
                break
    return found


def keep(session: Session, note: Note, now: datetime) -> Mentioned:
    """Bring a note's mentions in line with its text, in the open transaction; return who is to be told."""
    # Asked only of a note that could mention somebody: most mention nobody.
    named = found_in(note.body, colleagues(tenant_id=note.tenant_id)) if "@" in note.body else {}
    values = {"tenant_id": note.tenant_id, "note_id": note.id, "now": now, "users": array(named)}
    session.execute(_TAKE_BACK, values)
    if not named:
        return NOBODY
    session.execute(_PUT, values | {"handles": array(words for words, _ in named.values())})
    others = {id_: person for id_, (_, person) in named.items() if id_ != note.author_id}
    may_read = {id_ for id_, one in others.items() if not note.private or READS_PRIVATE in permissions_of(one.role)}
    told = [
        Told(row.id, row.user_id, others[row.user_id].email, others[row.user_id].name)
        for row in session.execute(_TELL, values | {"users": array(may_read)})
    ]
    return Mentioned(tuple(told), tuple(sorted(one.name for id_, one in others.items() if id_ not in may_read)))


def notices(
    *, tenant_id: UUID, user_id: UUID, sees_private: bool, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Notice]:
    """Return a user's notices, the newest first; those of notes that are gone or no longer theirs to read are not."""
    mention = NoteMention
    wanted = _notices(tenant_id, user_id, sees_private)
    if cursor:
        at, last = decode_cursor(cursor, 2)
        wanted = wanted.where(tuple_(mention.told_at, mention.id) < tuple_(moment_of(at), id_of(last)))
    ordered = wanted.order_by(mention.told_at.desc(), mention.id.desc()).limit(limit + 1)
    with transaction(tenant_id) as session:
        rows = session.execute(ordered).all()
    return cut(rows, limit, lambda row: (row.told_at, row.id), lambda row: Notice(*row))


def unread(*, tenant_id: UUID, user_id: UUID, sees_private: bool) -> int:
    """Return how many notices a user has not read; counting ends at one more than MANY."""
    some = (
        select(NoteMention.id)
        .join(Note, (Note.tenant_id == NoteMention.tenant_id) & (Note.id == NoteMention.note_id))
        .where(*_mine(tenant_id, user_id, sees_private), NoteMention.read_at.is_(None))
        .limit(MANY + 1)
        .subquery()
    )
    with transaction(tenant_id) as session:
        return session.scalar(select(func.count()).select_from(some)) or 0


def notice(*, tenant_id: UUID, user_id: UUID, mention_id: UUID, sees_private: bool) -> Notice:
    """Return one of a user's own notices, or raise NoSuchNotice."""
    query = _notices(tenant_id, user_id, sees_private).where(NoteMention.id == mention_id)
    with transaction(tenant_id) as session:
        row = session.execute(query).one_or_none()
    if row is None:
        raise NoSuchNotice
    return Notice(*row)


def read(*, tenant_id: UUID, user_id: UUID, mention_id: UUID | None = None, now: datetime | None = None) -> None:
    """Mark a user's notice as read, or without an id all of them."""
    values = {"tenant_id": tenant_id, "user_id": user_id, "id": mention_id, "now": now or clock.now()}
    with transaction(tenant_id) as session:
        session.execute(_READ, values)


def _notices(tenant_id: UUID, user_id: UUID, sees_private: bool) -> Select[*tuple[Any, ...]]:
    mention = NoteMention
    return (
        select(
            mention.id,
            mention.note_id,
            Note.customer_id,
            DISPLAY_NAME,
            Note.author_name,
            Note.body,
            mention.told_at,
            mention.read_at,
        )
        .join(Note, (Note.tenant_id == mention.tenant_id) & (Note.id == mention.note_id))
        .join(Customer, (Customer.tenant_id == Note.tenant_id) & (Customer.id == Note.customer_id))
        .where(*_mine(tenant_id, user_id, sees_private))
    )


def _mine(tenant_id: UUID, user_id: UUID, sees_private: bool) -> list[ColumnElement[bool]]:
    mine = [
        NoteMention.tenant_id == tenant_id,
        NoteMention.user_id == user_id,
        NoteMention.told_at.is_not(None),
        Note.deleted_at.is_(None),
    ]
    return mine if sees_private else [*mine, or_(Note.private.is_(False), Note.author_id == user_id)]
