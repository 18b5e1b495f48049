"""Acts on snippets: write one for all clubs or for one, change it, let it say again what it said, put it away."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts.models import Club
from app.content import snippet_queries as queries
from app.content import snippets
from app.content.letters import LetterSource
from app.content.models import Snippet, SnippetVersion
from app.content.service import SYSTEM, ChangedMeanwhile, InUse
from app.content.snippets import Words
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid, IsArchived
from app.infra.ids import new_id
from app.infra.words import is_visible

MAX_NAME = 200
MAX_KEY = 60
_KEY = re.compile(r"[a-z][a-z0-9_-]*")
# Any constant: the first of the two keys of an advisory lock.
_LOCK = 0x4641_534E


def create(
    *,
    tenant_id: UUID,
    key: str,
    name: str,
    html: str,
    text: str | None = None,
    club_id: UUID | None = None,
    actor: str = SYSTEM,
    actor_name: str = "",
    now: datetime | None = None,
) -> Snippet:
    """Write a snippet and return it, or raise Invalid with a message for each field that is wrong.

    `key` is what templates call it. With `club_id` it is what people of that club read in place of the one for all.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        _alone(session, tenant_id)
        key = (key or "").strip()
        fields = _checked(session, tenant_id, key, club_id, {"name": name, "html": html, "text": text})
        snippet = Snippet(
            tenant_id=tenant_id, id=new_id(), key=key, club_id=club_id, version=1, revision=1, created_at=moment,
            updated_at=moment, **fields,
        )  # fmt: skip
        session.add(snippet)
        _flush_named(session)
        _keep(session, snippet, actor, actor_name, moment)
        audit.record(session, actor, "snippet.create", "snippet", snippet.id, {"key": key})
        return snippet


def update(
    *,
    tenant_id: UUID,
    snippet_id: UUID,
    changes: Mapping[str, Any],
    seen: int | None = None,
    restored_from: int | None = None,
    actor: str = SYSTEM,
    actor_name: str = "",
    now: datetime | None = None,
) -> Snippet:
    """Change a snippet's name, html or text and return it with its next version; what is sent from now on says it.

    `seen` is the version the caller changed: where it is not the newest any more, nothing is saved and ChangedMeanwhile
    raised. Raises NoSuchSnippet, IsArchived or Invalid too.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        _alone(session, tenant_id)
        snippet = _locked(session, tenant_id, snippet_id)
        if snippet.archived_at is not None:
            raise IsArchived("snippet")
        wanted = {name: changes.get(name, getattr(snippet, name)) for name in ("name", "html", "text")}
        fields = _checked(session, tenant_id, snippet.key, snippet.club_id, wanted)
        if all(getattr(snippet, name) == value for name, value in fields.items()):
            return snippet
        if seen is not None and seen != snippet.version:
            theirs = queries.kept(tenant_id=tenant_id, snippet_id=snippet_id, number=snippet.version)
            raise ChangedMeanwhile("snippet", theirs)
        for name, value in fields.items():
            setattr(snippet, name, value)
        snippet.version += 1
        snippet.revision += 1
        snippet.updated_at = moment
        session.flush()
        _keep(session, snippet, actor, actor_name, moment, restored_from)
        audit.record(session, actor, "snippet.change", "snippet", snippet_id, {"version": snippet.version})
        return snippet


def restore(
    *,
    tenant_id: UUID,
    snippet_id: UUID,
    version: int,
    actor: str = SYSTEM,
    actor_name: str = "",
    now: datetime | None = None,
) -> Snippet:
    """Let a snippet say again what its `version` said, as a new version, and return it."""
    kept = queries.kept(tenant_id=tenant_id, snippet_id=snippet_id, number=version)
    return update(
        tenant_id=tenant_id,
        snippet_id=snippet_id,
        changes={"html": kept.html, "text": kept.text},
        restored_from=version,
        actor=actor,
        actor_name=actor_name,
        now=now,
    )


def archive(*, tenant_id: UUID, snippet_id: UUID, actor: str = SYSTEM, now: datetime | None = None) -> Snippet:
    """Put a snippet away and return it. Raises InUse where templates or snippets name it and no other says it."""
    with transaction(tenant_id) as session:
        _alone(session, tenant_id)
        snippet = _locked(session, tenant_id, snippet_id)
        if snippet.archived_at is None:
            others = session.scalar(
                select(func.count()).where(
                    Snippet.tenant_id == tenant_id,
                    Snippet.key == snippet.key,
                    Snippet.id != snippet_id,
                    Snippet.archived_at.is_(None),
                )
            )
            uses = queries.uses(tenant_id=tenant_id, keys=[snippet.key]).get(snippet.key, [])
            if uses and not others:
                raise SnippetInUse("archived", uses)
            snippet.archived_at = now or clock.now()
            snippet.revision += 1
            session.flush()
            audit.record(session, actor, "snippet.archive", "snippet", snippet_id, {"key": snippet.key})
        return snippet


def unarchive(*, tenant_id: UUID, snippet_id: UUID, actor: str = SYSTEM) -> Snippet:
    """Take a snippet out of the archive. Raises Invalid where another one has its place, or it stands in itself."""
    with transaction(tenant_id) as session:
        _alone(session, tenant_id)
        snippet = _locked(session, tenant_id, snippet_id)
        if snippet.archived_at is not None:
            said = {"name": snippet.name, "html": snippet.html, "text": snippet.text}
            _checked(session, tenant_id, snippet.key, snippet.club_id, said)
            snippet.archived_at = None
            snippet.revision += 1
            _flush_named(session)
            audit.record(session, actor, "snippet.unarchive", "snippet", snippet_id, {"key": snippet.key})
        return snippet


class SnippetInUse(InUse):
    """Templates or other snippets name the snippet; `uses` says which."""

    thing = "snippet"


def _alone(session: Session, tenant_id: UUID) -> None:
    """Wait until nobody else changes a snippet of the tenant: two at once could put theirs into each other."""
    session.execute(
        sql("SELECT pg_advisory_xact_lock(:space, hashtext(:what))"), {"space": _LOCK, "what": str(tenant_id)}
    )


def _locked(session: Session, tenant_id: UUID, snippet_id: UUID) -> Snippet:
    found = session.scalar(
        select(Snippet)
        .where(Snippet.tenant_id == tenant_id, Snippet.id == snippet_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise queries.NoSuchSnippet
    return found


def _checked(
    session: Session, tenant_id: UUID, key: str, club_id: UUID | None, wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the columns of a snippet, or raise Invalid."""
    errors: dict[str, str] = {}
    name = " ".join((wanted["name"] or "").split())
    if not is_visible(name):
        errors["name"] = "Give the snippet a name."
    elif len(name) > MAX_NAME:
        errors["name"] = f"Use at most {MAX_NAME} characters."
    if not _KEY.fullmatch(key) or len(key) > MAX_KEY:
        errors["key"] = f"Use small letters, digits, - and _, a letter first, at most {MAX_KEY}."
    if club_id is not None and session.get(Club, (tenant_id, club_id)) is None:
        errors["club_id"] = "There is no such club."
    html = wanted["html"] or ""
    text = wanted["text"] if wanted["text"] and wanted["text"].strip() else None
    if not html.strip():
        errors["html"] = "Write what the snippet says."
    if not errors:
        errors |= _problems(tenant_id, key, club_id, Words(html, text))
    if errors:
        raise Invalid(errors)
    return {"name": name, "html": html, "text": text}


def _problems(tenant_id: UUID, key: str, club_id: UUID | None, said: Words) -> dict[str, str]:
    """Return what is wrong with a snippet by part: alone, with those in it, and in those it stands in."""
    usable = snippets.in_use(tenant_id=tenant_id) | {key}
    source = LetterSource("", said.html, said.text)
    if way := _circle(tenant_id, key, said):
        told = " names ".join(f"“{one}”" for one in way)
        return {"html": f"A snippet can't stand in itself: {told}."}
    known = snippets.known(tenant_id=tenant_id, club_id=club_id) | {key: said}
    return snippets.problems(source, known, usable)


def _circle(tenant_id: UUID, key: str, said: Words) -> list[str] | None:
    """Return the way on which a snippet would come to stand in itself, whichever club's words are read."""
    names = queries.names(tenant_id=tenant_id)
    names[key] = names.get(key, frozenset()) | snippets.named_in(said.html, said.text)
    ways = [[key, one] for one in sorted(names[key])]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if way[-1] == key:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [[*way, one] for one in sorted(names.get(way[-1], ()))]
    return None


def _keep(
    session: Session, snippet: Snippet, actor: str, actor_name: str, now: datetime, restored_from: int | None = None
) -> None:
    session.execute(
        insert(SnippetVersion).values(
            tenant_id=snippet.tenant_id,
            snippet_id=snippet.id,
            number=snippet.version,
            name=snippet.name,
            html=snippet.html,
            text=snippet.text,
            restored_from=restored_from,
            changed_at=now,
            changed_by=actor,
            changed_by_name=actor_name,
        )
    )


def _flush_named(session: Session) -> None:
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        if "uq_snippet_key" not in str(error.orig):
            raise
        raise Invalid({"key": "There is a snippet of this key for the same clubs already."}) from None
